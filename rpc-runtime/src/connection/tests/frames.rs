//! The output: small frames whole and first, large messages in parts and in turn, and what is taken back.

use std::collections::BTreeMap;

use super::{Seen, body, frames_model::packed, parse_all};
use crate::{
    call::{Reply, ServiceName},
    connection::frames::{Batch, Frames, TakenBack, request_header},
    metadata::Metadata,
    router::Finished,
    status::{Code, Status},
    wire::{self, Grant, Kind, MAX_PART, RequestHeader, ResponseHeader},
};

const KIB: usize = 1_024;

fn push(frames: &mut Frames, id: u64, body: &[u8]) -> bool {
    let (service, metadata) = (ServiceName::Static("S"), Metadata::new());
    frames.push_request(id, &mut request_header(&service, "m", None, &metadata), &mut body.to_vec())
}

/// All bytes of a batch, taken `step` at a time.
pub(super) fn bytes_of(mut batch: Batch, step: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while batch.left() > 0 {
        let mut slices = [std::io::IoSlice::new(&[]); 3];
        let count = batch.slices(&mut slices);
        let front: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
        batch.advance(front.len());
        bytes.extend(front);
    }
    bytes
}

/// The frames of the next batch.
fn next(frames: &mut Frames) -> Vec<Seen> {
    let bytes = bytes_of(frames.next_batch(Vec::new(), |_, _| ()), usize::MAX);
    let mut position = 0;
    let seen = parse_all(&bytes, &mut position);
    assert_eq!(position, bytes.len());
    seen
}

#[test]
fn behind_a_last_word_no_part_of_a_large_message_leaves() {
    let mut frames = Frames::default();
    push(&mut frames, 2, &body(2, 200 * KIB));
    push(&mut frames, 6, &body(6, 10));
    assert_eq!(next(&mut frames).len(), 2);
    push(&mut frames, 8, &body(8, 10));
    let rest = frames.take_large();
    assert_eq!((rest.has_large(), rest.len()), (true, 136 * KIB));
    wire::put_go_away(&mut frames.small, Code::Unavailable, "over");
    assert_eq!(next(&mut frames).iter().map(|frame| frame.kind).collect::<Vec<_>>(), [Kind::Request, Kind::GoAway]);
    assert_eq!((frames.is_empty(), frames.len()), (true, 0));
}

#[test]
fn small_frames_go_first_and_large_messages_take_turns_of_one_part() {
    let mut frames = Frames::default();
    assert!(!push(&mut frames, 2, &body(2, 200 * KIB)));
    assert!(!push(&mut frames, 4, &body(4, 100 * KIB)));
    assert!(push(&mut frames, 6, &body(6, 4_096)));
    let order: Vec<_> = next(&mut frames).iter().map(|frame| (frame.id, frame.body.len(), frame.more)).collect();
    assert_eq!(order, [(6, 4_096, false), (2, MAX_PART, true), (4, MAX_PART, true)]);
    assert!(push(&mut frames, 8, &body(8, 10)));
    let order: Vec<_> = next(&mut frames).iter().map(|frame| (frame.id, frame.body.len(), frame.more)).collect();
    assert_eq!(order, [(8, 10, false), (2, MAX_PART, true), (4, 36 * KIB, false)]);
    let order: Vec<_> = next(&mut frames).iter().map(|frame| (frame.id, frame.body.len(), frame.more)).collect();
    assert_eq!(order, [(2, MAX_PART, true)]);
    let order: Vec<_> = next(&mut frames).iter().map(|frame| (frame.id, frame.body.len(), frame.more)).collect();
    assert_eq!(order, [(2, 8 * KIB, false)]);
    assert_eq!((frames.is_empty(), frames.len()), (true, 0));
}

#[test]
fn the_parts_of_a_message_make_up_its_bytes_and_the_first_announces_them() {
    let sizes = [4_097, MAX_PART, MAX_PART + 1, 3 * MAX_PART, 1_000_000];
    let mut frames = Frames::default();
    for (id, size) in (1..).zip(sizes) {
        push(&mut frames, 2 * id, &body(id as u32, size));
    }
    assert_eq!(frames.len(), sizes.iter().sum::<usize>());
    let mut bodies: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    while !frames.is_empty() {
        let bytes = bytes_of(frames.next_batch(Vec::new(), |_, _| ()), 1_000);
        let mut position = 0;
        for frame in parse_all(&bytes, &mut position) {
            assert_eq!(frame.has_header, !bodies.contains_key(&frame.id), "the first part has the header");
            if frame.has_header {
                let size = sizes[frame.id as usize / 2 - 1];
                let header = &bytes[frame.at + 16..frame.at + 40];
                let length = usize::from(bytes[frame.at + 6]);
                let header = RequestHeader::decode(&header[..length], 0).unwrap();
                assert_eq!(header.total, (size > MAX_PART).then_some(size as u64));
            }
            bodies.entry(frame.id).or_default().extend(frame.body);
        }
    }
    for (id, size) in (1..).zip(sizes) {
        assert_eq!(bodies[&(2 * id)], body(id as u32, size));
    }
}

#[test]
fn a_batch_is_about_256_kib_and_the_next_begins_where_it_ended() {
    let mut frames = Frames::default();
    for id in 1..=8 {
        push(&mut frames, 2 * id, &body(id as u32, 2 * MAX_PART));
    }
    let ids = |frames: &mut Frames| next(frames).iter().map(|frame| frame.id).collect::<Vec<_>>();
    assert_eq!(ids(&mut frames), [2, 4, 6, 8]);
    assert_eq!(ids(&mut frames), [10, 12, 14, 16]);
    assert_eq!(ids(&mut frames), [2, 4, 6, 8]);
    // However many small frames there are, they leave as one; then no large message does.
    let small: Vec<u64> = (100..200).map(|id| 2 * id).collect();
    small.iter().for_each(|id| assert!(push(&mut frames, *id, &body(0, 4_000))));
    assert_eq!(ids(&mut frames), small);
    assert_eq!(ids(&mut frames), [10, 12, 14, 16]);
    assert!(frames.is_empty());
}

#[test]
fn whoever_begins_is_told_with_its_offset() {
    let mut frames = Frames::default();
    push(&mut frames, 2, &body(2, 10));
    push(&mut frames, 4, &body(4, 100 * KIB));
    push(&mut frames, 6, &body(6, 5_000));
    let mut begun = Vec::new();
    let bytes = bytes_of(frames.next_batch(Vec::new(), |id, offset| begun.push((id, offset))), usize::MAX);
    let seen = parse_all(&bytes, &mut 0);
    assert_eq!(begun, [(4, seen[1].at), (6, seen[2].at)]);
    drop(frames.next_batch(Vec::new(), |id, _| panic!("{id} has begun already")));
}

#[test]
fn a_message_is_taken_back_whole_or_the_rest_of_it_or_not_at_all() {
    let mut frames = Frames::default();
    push(&mut frames, 2, &body(2, 100 * KIB));
    push(&mut frames, 4, &body(4, 100 * KIB));
    push(&mut frames, 6, &body(6, 100));
    assert_eq!(frames.take_back(2), TakenBack::Whole(100 * KIB));
    assert_eq!(frames.take_back(2), TakenBack::Gone);
    assert_eq!(frames.take_back(6), TakenBack::Gone, "small frames stay");
    assert_eq!(next(&mut frames).len(), 2);
    assert_eq!(frames.take_back(4), TakenBack::Rest(36 * KIB));
    assert_eq!((frames.is_empty(), frames.len()), (true, 0));
    push(&mut frames, 8, &body(8, 5_000));
    assert_eq!(next(&mut frames).len(), 1);
    assert_eq!(frames.take_back(8), TakenBack::Gone, "it has left whole");
}

#[test]
fn frames_that_are_appended_stand_behind_those_that_are_there() {
    let (mut frames, mut other) = (Frames::default(), Frames::default());
    push(&mut frames, 2, &body(2, 10));
    push(&mut frames, 4, &body(4, 5_000));
    push(&mut other, 6, &body(6, 20));
    push(&mut other, 8, &body(8, 6_000));
    frames.append(&mut other);
    assert_eq!((other.is_empty(), other.len()), (true, 0));
    assert_eq!(next(&mut frames).iter().map(|frame| frame.id).collect::<Vec<_>>(), [2, 6, 4, 8]);
}

/// The one Response that `reply` becomes for a caller with these limits.
fn response(reply: Reply, metadata: Metadata, remote: &Grant) -> (ResponseHeader<'static>, Vec<u8>) {
    let mut frames = Frames::default();
    frames.push_reply(3, "S.m", Finished { reply, metadata }, remote, 2);
    let bytes = bytes_of(frames.next_batch(Vec::new(), |_, _| ()), usize::MAX);
    let seen = parse_all(&bytes, &mut 0);
    assert_eq!((seen.len(), seen[0].kind, seen[0].id), (1, Kind::Response, 3));
    let header = &bytes[16..bytes.len() - seen[0].body.len()];
    (ResponseHeader::decode(header, 100).unwrap(), seen[0].body.clone())
}

#[test]
fn a_reply_beyond_what_the_caller_accepts_becomes_a_short_failure_that_may_have_run() {
    let remote = Grant { max_message: 100, max_header: 200, ..Grant::default() };
    let mut many = Metadata::new();
    (0..3).for_each(|n| many.append("k", n.to_string()));
    let mut long = Metadata::new();
    long.append("k", "v".repeat(200));
    let beyond = [
        (Reply::Value(vec![0; 101]), Metadata::new(), "the reply of S.m has 101 bytes"),
        (Reply::ServiceError(vec![0; 101]), Metadata::new(), "the reply of S.m has 101 bytes"),
        (Reply::Value(vec![0; 5]), many, "the reply of S.m has 3 metadata entries"),
        (Reply::Value(vec![0; 5]), long, "the reply of S.m has a header of"),
    ];
    for (reply, metadata, text) in beyond {
        let (header, body) = response(reply, metadata, &remote);
        assert!(body.is_empty(), "the value is no detail of the failure");
        match header.ending {
            wire::Ending::Status { code: Code::ResourceExhausted, not_executed: false, message } => {
                assert!(message.starts_with(text), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    let (header, body) = response(Reply::Value(vec![7; 100]), Metadata::new(), &remote);
    assert_eq!((header.ending, body), (wire::Ending::Ok, vec![7; 100]));
}

#[test]
fn a_failure_keeps_its_code_and_loses_what_does_not_fit_beside_it() {
    let remote = Grant { max_header: 200, ..Grant::default() };
    let mut long = Metadata::new();
    long.append("k", "v".repeat(300));
    let status = Status::not_found("ä".repeat(300)).with_details([7]);
    let (header, body) = response(Reply::Status(status), long, &remote);
    match header.ending {
        wire::Ending::Status { code: Code::NotFound, not_executed: false, message } => {
            assert_eq!(message, "ä".repeat(90));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((header.metadata.len(), body), (0, vec![7]));
}

#[test]
fn no_header_of_a_reply_is_above_what_its_caller_takes() {
    let metadata = |bytes: usize| {
        let mut metadata = Metadata::new();
        metadata.append("k", "v".repeat(bytes));
        metadata
    };
    for max_header in [20, 64, 200, 16_384, 65_535] {
        let remote = Grant { max_header, ..Grant::default() };
        let long = "x".repeat(70_000);
        let status = |bytes| Status::not_found(long.as_str()).with_metadata(metadata(bytes));
        let filling = (max_header as usize).saturating_sub(8);
        let replies = [
            (Reply::Status(status(0)), Metadata::new()),
            (Reply::Status(status(70_000)), Metadata::new()),
            (Reply::Status(status(70_000)), metadata(70_000)),
            (Reply::Status(status(0).with_details(vec![0; 70_000])), Metadata::new()),
            (Reply::Value(vec![0; 70_000]), metadata(filling)),
            (Reply::Value(vec![0; 70_000]), metadata(70_000)),
            (Reply::Value(vec![0; 5]), metadata(filling)),
        ];
        for (at, (reply, metadata)) in replies.into_iter().enumerate() {
            let mut frames = Frames::default();
            let remote = Grant { max_message: 1 << 20, ..remote };
            frames.push_reply(3, "S.m", Finished { reply, metadata }, &remote, 64);
            let bytes = bytes_of(frames.next_batch(Vec::new(), |_, _| ()), usize::MAX);
            let header = u32::from(u16::from_le_bytes([bytes[6], bytes[7]]));
            assert!(header <= max_header, "{header} bytes above {max_header}, reply {at}");
        }
    }
}

/// A turn of one call is one part, however much of it waits behind that.
#[test]
fn a_stream_of_long_items_takes_no_more_than_its_turn() {
    let mut frames = Frames::default();
    push(&mut frames, 2, &body(2, 8 * MAX_PART));
    for item in 0..8 {
        frames.push_items(4, packed(item, 40 * KIB));
    }
    let mut order = Vec::new();
    while !frames.is_empty() {
        order.extend(next(&mut frames).iter().map(|frame| frame.id));
    }
    assert_eq!(order, [2, 4].repeat(8));
}

/// Short items that wait behind a long one do not wait for others once for each of them.
#[test]
fn short_items_behind_a_long_one_leave_together() {
    let mut frames = Frames::default();
    push(&mut frames, 2, &body(2, 8 * MAX_PART));
    frames.push_items(4, packed(0, 5 * KIB));
    (1..100).for_each(|item| frames.push_items(4, packed(item, 10)));
    let order: Vec<_> = next(&mut frames).iter().map(|frame| frame.id).collect();
    assert_eq!((order[0], &order[1..101]), (2, &[4; 100][..]));
}
