//! Answers that lie (C6, C7, C10 at the client): each costs the call that it is for, whose method may have run, and
//! nobody else anything.

use rpc_runtime::{Code, CodecKind};

use super::{
    probe::{ProbeClient, client_and_raw_server},
    raw::{END, MORE, REQUEST, RESPONSE, field, frame, prefix, varint, within},
};

/// The frames of an answer to the call `id`, and the code that the call must end with.
type Case = (fn(u64) -> Vec<Vec<u8>>, Code);

const CASES: [Case; 15] = [
    (|id| vec![frame(RESPONSE, 0, id, &[1], b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &[1, 9, 0], b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &field(1, &[4]), b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &field(1, &[2]), b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &field(3, &[5]), b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &field(9, b"odd"), b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &field(5, &[1]), b"3")], Code::Internal),
    (|id| vec![frame(RESPONSE, 0, id, &[field(1, &[2]), field(3, &[99])].concat(), b"")], Code::Unknown),
    (|id| vec![frame(RESPONSE, MORE, id, &[], b"3"), frame(RESPONSE, 0, id, &[], b"4")], Code::Internal),
    (|id| vec![frame(RESPONSE, MORE, id, &field(5, &[2]), b"3"), frame(RESPONSE, 0, id, &[], b"456")], Code::Internal),
    (
        |id| {
            let more = frame(RESPONSE, MORE, id, &field(1, &[0]), b"4");
            vec![frame(RESPONSE, MORE, id, &field(5, &[3]), b"3"), more, frame(RESPONSE, 0, id, &[], b"5")]
        },
        Code::Internal,
    ),
    (
        |id| {
            let total = field(5, &varint(u64::MAX));
            vec![frame(RESPONSE, MORE, id, &total, b"3"), frame(RESPONSE, 0, id, &[], b"4")]
        },
        Code::ResourceExhausted,
    ),
    (
        |id| {
            let status = [field(1, &[2]), field(3, &[15])].concat();
            vec![frame(RESPONSE, MORE, id, &field(5, &[3]), b"3"), frame(END, 0, id, &status, &[])]
        },
        Code::DataLoss,
    ),
    (|id| vec![frame(RESPONSE, 0, id, &field(2, &[b'm'; 16_400]), b"3")], Code::ResourceExhausted),
    (|id| vec![frame(END, 0, id, &field(2, &[b'm'; 16_400]), b"")], Code::ResourceExhausted),
];

/// C7 and C10: the answer, a bystander's answer right behind it, and a next call on the same connection.
#[tokio::test]
async fn an_answer_that_lies_costs_its_call_alone() {
    for (number, (answer, code)) in CASES.iter().enumerate() {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
        let probe = ProbeClient::new(channel.clone());
        let (call, bystander) = (probe.add(1, 2).start(), probe.add(20, 22).start());
        let id = raw.frame_of(REQUEST).await.id;
        let other = raw.frame_of(REQUEST).await.id;
        raw.send(&[answer(id).concat(), frame(RESPONSE, 0, other, &[], b"42")].concat()).await;
        let failure = within("the failure", call).await.unwrap_err();
        assert_eq!((failure.code(), failure.may_have_run()), (*code, true), "case {number}: {failure}");
        assert_eq!(within("the bystander", bystander).await.unwrap(), 42, "case {number}");
        let next = probe.add(2, 3).start();
        let id = raw.frame_of(REQUEST).await.id;
        raw.send(&frame(RESPONSE, 0, id, &[], b"5")).await;
        assert_eq!(within("the next call", next).await.unwrap(), 5, "case {number}");
        assert_eq!(channel.outstanding_calls(), 0, "case {number}");
    }
}

/// C6: the call fails by the first bytes of the frame, whatever else of it is still to come.
#[tokio::test]
async fn a_header_above_its_limit_fails_the_call_before_it_has_come() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let call = ProbeClient::new(channel).add(1, 2).start();
    let id = raw.frame_of(REQUEST).await.id;
    raw.send(&prefix(12 + 16_385 + 65_536, RESPONSE, 0, 16_385, id)).await;
    let failure = within("the failure", call).await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::ResourceExhausted, true));
    assert!(failure.message().contains("16385") && failure.message().contains("16384"), "{failure}");
}
