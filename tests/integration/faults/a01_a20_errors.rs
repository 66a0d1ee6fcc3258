//! A3 to A8: what fails for one call and for nobody else on its connection.

use std::collections::BTreeMap;

use futures_util::future::join;
use rpc_runtime::{CallError, Channel, Code, CodecKind, Server, Status, rpc_service};

use super::{
    a01_a20_desk::{Book, DeskClient, DeskServer, Hall, Panic, Refused, Tally, assert_status, soon, spawn},
    peer_a::{Peer, REQUEST, RESPONSE, fields},
};

/// The desk as others believe it to be.
#[rpc_service(name = "Desk")]
trait Misunderstood {
    async fn subtract(&self, a: i64, b: i64) -> i64;
    #[rpc(name = "echo")]
    async fn echo_as_map(&self, text: String) -> BTreeMap<String, String>;
    #[rpc(name = "refuse")]
    async fn refuse_with_a_number(&self, text: String) -> Result<u8, [u64; 4]>;
}

#[rpc_service(name = "Desk")]
trait AddsTexts {
    async fn add(&self, a: String, b: String) -> i64;
}

#[rpc_service(name = "Desk")]
trait AddsOne {
    async fn add(&self, a: i64) -> i64;
}

#[rpc_service(name = "Desk")]
trait AddsThree {
    async fn add(&self, a: i64, b: i64, c: i64) -> i64;
}

#[rpc_service]
trait Nobody {
    async fn echo(&self, text: String) -> String;
}

const CODECS: [CodecKind; 4] = [CodecKind::Bincode, CodecKind::Json, CodecKind::MessagePack, CodecKind::Postcard];

async fn next_call_works(channel: &Channel) {
    assert_eq!(soon(DeskClient::new(channel.clone()).add(20, 3)).await.expect("the call goes on"), 23);
}

/// A3.
#[tokio::test]
async fn an_unknown_service_or_method_is_an_error_for_that_call() {
    for hall in Hall::both("a3").await {
        let channel = hall.channel().await;
        let nobody = soon(NobodyClient::new(channel.clone()).echo(String::new())).await.unwrap_err();
        assert_status(&nobody, Code::Unimplemented, false, "Nobody");
        next_call_works(&channel).await;
        let method = soon(MisunderstoodClient::new(channel.clone()).subtract(2, 1)).await.unwrap_err();
        assert_status(&method, Code::Unimplemented, false, "subtract");
        next_call_works(&channel).await;
        hall.is_sound(&channel).await;
    }
}

/// A3. Names without a method, without a service, with a dot in them.
#[tokio::test]
async fn a_name_that_is_not_service_and_method_is_an_error_for_that_call() {
    let book = Book::default();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let builder = Server::builder().service(DeskServer::new(book.clone()));
    let serving = spawn(builder.serve_connection(theirs, "pipe://caller"));
    let mut peer = soon(Peer::greet(ours)).await;
    let headers = [
        fields(&[(1, b"Desk")]),
        fields(&[(3, b"add")]),
        fields(&[(1, b"Desk"), (3, b"")]),
        fields(&[(1, b"Desk.add"), (3, b"add")]),
        fields(&[(1, b"Desk"), (3, b"Desk.add")]),
        fields(&[(1, b"Desk"), (3, b"\xff\xfe")]),
        Vec::from(&b"Desk.add"[..]),
    ];
    for (id, header) in (1..).map(|n| 4 * n).zip(headers) {
        peer.send(REQUEST, id, &header, b"[1,2]").await;
        let refused = soon(peer.next()).await.unwrap();
        assert_eq!((refused.kind, refused.id), (RESPONSE, id));
        assert_eq!(refused.header[..3], fields(&[(1, &[2])]), "a status");
        assert_eq!(refused.header[refused.header.len() - 2..], fields(&[(7, &[])]), "not executed");
        peer.call(id + 2, "add", "[1,2]").await;
        let answer = soon(peer.next()).await.unwrap();
        assert_eq!((answer.id, &answer.header[..], &answer.body[..]), (id + 2, &[][..], &b"3"[..]));
    }
    assert_eq!(book.tally().started, 7, "only the valid ones ran");
    drop(peer);
    assert_status(&soon(serving).await.unwrap().unwrap(), Code::Unavailable, true, "without a good-bye");
}

/// A4.
#[tokio::test]
async fn arguments_that_can_not_be_decoded_are_an_error_for_that_call() {
    for hall in Hall::both("a4").await {
        for codec in CODECS {
            let channel = hall.channel_with(codec).await;
            let before = hall.book.tally().started;
            let texts = AddsTextsClient::new(channel.clone()).add("one".to_owned(), "two, and more".to_owned());
            let one = AddsOneClient::new(channel.clone()).add(1);
            let three = AddsThreeClient::new(channel.clone()).add(1, 2, 3);
            let refused = [soon(texts).await, soon(one).await, soon(three).await].map(Result::unwrap_err);
            for status in refused {
                assert_status(&status, Code::InvalidArgument, false, "Desk.add");
                next_call_works(&channel).await;
            }
            assert_eq!(hall.book.tally().started, before + 3, "only the valid ones ran");
            hall.is_sound(&channel).await;
        }
    }
}

/// A5.
#[tokio::test]
async fn a_reply_that_the_caller_can_not_decode_fails_that_call_and_no_bystander() {
    for hall in Hall::both("a5").await {
        for codec in CODECS {
            let channel = hall.channel_with(codec).await;
            let desk = DeskClient::new(channel.clone());
            let wrong = MisunderstoodClient::new(channel.clone());
            let (reply, bystander) = soon(join(wrong.echo_as_map("x".repeat(100)), desk.echo("y".to_owned()))).await;
            assert_status(&reply.unwrap_err(), Code::Internal, true, "the reply can not be decoded");
            assert_eq!(bystander.unwrap(), "y");
            let (error, bystander) =
                soon(join(wrong.refuse_with_a_number("x".to_owned()), desk.echo("z".to_owned()))).await;
            let error = error.unwrap_err();
            assert_status(error.status().unwrap(), Code::Internal, true, "error can not be decoded");
            assert_eq!(bystander.unwrap(), "z");
            next_call_works(&channel).await;
            hall.is_sound(&channel).await;
        }
    }
}

/// A6.
#[tokio::test]
async fn a_reply_that_can_not_be_encoded_is_an_error_for_that_call() {
    for hall in Hall::both("a6").await {
        let channel = hall.channel_with(CodecKind::Json).await;
        let desk = DeskClient::new(channel.clone());
        let (map, bystander) = soon(join(desk.map_of_pairs(), desk.echo("y".to_owned()))).await;
        assert_status(&map.unwrap_err(), Code::Internal, true, "the reply can not be encoded as json");
        assert_eq!(bystander.unwrap(), "y");
        next_call_works(&channel).await;
        let other = DeskClient::new(hall.channel_with(CodecKind::Bincode).await);
        assert_eq!(soon(other.map_of_pairs()).await.unwrap(), BTreeMap::from([((1, 2), 3)]), "bincode can");
        hall.is_sound(&channel).await;
    }
}

/// A7.
#[tokio::test]
async fn an_application_error_arrives_typed_and_byte_exact() {
    let texts = [
        String::new(),
        "100 %s %n %00 {} {0}".to_owned(),
        "a\0b\0".to_owned(),
        "line\nline\r\n\tend\u{2028}\u{7f}\u{1b}[0m\\ \"".to_owned(),
        "\u{1F980}\u{FFFD}\u{10FFFF}".to_owned(),
        "x%\n\0é".repeat((1 << 20) / 6),
    ];
    for hall in Hall::both("a7").await {
        for codec in CODECS {
            let channel = hall.channel_with(codec).await;
            let desk = DeskClient::new(channel.clone());
            for text in &texts {
                match soon(desk.refuse(text.clone())).await {
                    Err(CallError::Service(Refused(came))) => assert!(came == *text, "{} bytes", text.len()),
                    other => panic!("{} bytes gave {other:?}", text.len()),
                }
                next_call_works(&channel).await;
            }
            hall.is_sound(&channel).await;
        }
    }
}

/// A8.
#[tokio::test]
async fn a_handler_that_panics_costs_its_call_an_internal_error_and_nobody_else_anything() {
    for hall in Hall::both("a8").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let bystander = desk.wait_inline(1).start();
        let other_bystander = desk.wait(1).start();
        for (at, cause) in [
            (Panic::BeforeItWaits, "panicked: before it waits"),
            (Panic::AfterItWaited, "panicked: after it waited"),
            (Panic::InTheDropOfALocal, "panicked: in the drop of a local"),
        ] {
            let panicked: [Status; 2] =
                [soon(desk.panic(at)).await.unwrap_err(), soon(desk.panic_inline(at)).await.unwrap_err()];
            for status in panicked {
                assert_status(&status, Code::Internal, true, cause);
            }
            next_call_works(&channel).await;
        }
        let stumbled = soon(desk.stumble()).await.unwrap_err();
        assert_status(&stumbled, Code::Internal, true, "before there is a future");
        hall.book.call(1);
        let (inline, in_task) = soon(join(bystander, other_bystander)).await;
        assert_eq!((inline.unwrap(), in_task.unwrap()), (1, 1));
        hall.is_sound(&channel).await;
    }
}

/// A8. Nobody is there to get the error of a handler that panics while it is dropped.
#[tokio::test]
async fn a_handler_that_panics_while_it_is_cancelled_leaves_the_server_alive() {
    for hall in Hall::both("a8-cancel").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let (in_task, inline) =
            (desk.panic(Panic::WhenCancelled).start(), desk.panic_inline(Panic::WhenCancelled).start());
        hall.book.until(|tally| tally.started == 2).await;
        drop((in_task, inline));
        hall.book.until(|tally| tally.ended == 2).await;
        next_call_works(&channel).await;
        hall.is_sound(&channel).await;
    }
}

/// A8. Many at once, which their connection takes along.
#[tokio::test]
async fn handlers_that_panic_as_they_are_dropped_with_their_connection_leave_none_of_the_others() {
    const CALLS: usize = 40;
    let hall = Hall::open("tcp://127.0.0.1:0").await;
    let address = hall.address.strip_prefix("tcp://").unwrap();
    let mut peer = soon(Peer::greet(tokio::net::TcpStream::connect(address).await.unwrap())).await;
    let waiting = [("wait", "[1]"), ("wait_inline", "[1]")];
    let panicking = [("panic", r#"["WhenCancelled"]"#), ("panic_inline", r#"["WhenCancelled"]"#)];
    let calls = waiting.into_iter().chain(panicking).cycle().take(CALLS);
    for (id, (method, arguments)) in (1..).map(|n| 2 * n).zip(calls) {
        peer.call(id, method, arguments).await;
    }
    hall.book.until(|tally| tally == Tally { started: CALLS, ended: 0 }).await;
    drop(peer);
    hall.book.until(|tally| tally.ended == CALLS).await;
    hall.is_sound(&hall.channel().await).await;
}
