//! The peer in Python (`tests/python/peer.py`) as a client of a real server, and as a server of a real client. It was
//! written from PROTOCOL.md; each of its steps is asserted by name.

use std::{process::Stdio, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use rpc_runtime::{CodecKind, prelude::*};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
};

use super::arith::{Args, ArithError, ArithServer, Calculator, Started, later::ArithClient};
use crate::faults::raw::within_time;

/// For the whole conversation, most of which is a machine that does much else.
const TIME: Duration = Duration::from_secs(60);

/// The Python program, which is killed when this is dropped.
struct Python {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    fn start(arguments: &[&str]) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/python/peer.py");
        let mut command = Command::new("python3");
        // No compiled files beside the program.
        command.args(["-B", program]).args(arguments).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("python3 can not be run: install it (./check does), this test needs it");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line; what the program said of its failure when there is none.
    async fn line(&mut self) -> String {
        match within_time(TIME, "a line of the Python peer", self.lines.next_line()).await.unwrap() {
            Some(line) => line,
            None => panic!("the Python peer failed:\n{}", self.errors().await),
        }
    }

    async fn did(&mut self, steps: &[&str]) {
        for step in steps {
            assert_eq!(self.line().await, format!("ok: {step}"));
        }
    }

    /// It has ended well, and said nothing else.
    async fn ended(mut self) {
        let rest = within_time(TIME, "the end of the Python peer", self.lines.next_line()).await.unwrap();
        assert_eq!(rest, None);
        let errors = self.errors().await;
        let status = within_time(TIME, "the end of the Python peer", self.child.wait()).await.unwrap();
        assert!(status.success() && errors.is_empty(), "{status}:\n{errors}");
    }

    async fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            within_time(TIME, "the errors of the Python peer", errors.read_to_string(&mut text)).await.unwrap();
        }
        text
    }
}

#[tokio::test]
async fn a_client_in_python_is_served() {
    let service = ArithServer::new(Calculator(Started::none()));
    let server = Server::builder().service(service).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.local_address().trim_start_matches("tcp://").to_owned();
    let (host, port) = address.split_once(':').unwrap();
    let handle = server.handle();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve());
    let mut python = Python::start(&["client", host, port]);
    let steps = [
        "refusal",
        "handshake",
        "unary call by position",
        "unary call by name",
        "metadata both ways",
        "many calls at a time",
        "application error",
        "unknown method",
        "deadline",
        "cancel",
        "a large message in parts each way",
        "the request window and its credit",
        "items of the server",
        "credit for items",
        "a stream that is not read stops no other",
        "items, and the service's error",
        "a stream that can not be opened",
        "cancel of a stream",
        "items of the client",
        "credit from the server",
        "a producer that fails",
        "an answer before the end of the items",
        "cancel of the callee",
        "one item at a time, both ways",
        "an item in parts each way",
        "a call back",
        "a half-close cuts items",
        "goaway of the client, half-close",
        "a call is in flight",
    ];
    python.did(&steps).await;
    handle.shut_down();
    python.did(&["goaway of the server"]).await;
    python.ended().await;
    let drained = within_time(TIME, "the end of the server", serving.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!((drained.cut_connections, drained.cut_calls), (0, 0));
}

#[tokio::test]
async fn a_server_in_python_is_called() {
    let mut python = Python::start(&["server"]);
    let line = python.line().await;
    let address = format!("tcp://127.0.0.1:{}", line.strip_prefix("port ").expect("the port first"));

    let refused = Channel::builder().codec(CodecKind::Bincode).connect(&address).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("codecs: json"), "{refused}");
    python.did(&["refusal"]).await;

    let offered = ArithServer::new(Calculator(Started::none()));
    let channel = Channel::builder().codec(CodecKind::Json).service(offered).connect(&address).await.unwrap();
    python.did(&["handshake"]).await;
    let client = ArithClient::new(channel.clone());
    calls_of_python(&client, &mut python).await;
    items_of_python(&client, &mut python).await;
    items_for_python(&client, &mut python).await;
    items_both_ways(&client).await;
    assert_eq!(client.relay(Args::of(1, 2)).await.unwrap(), 3);
    channel.close();
    python.did(&["goaway of the client"]).await;

    let channel = Channel::builder().codec(CodecKind::Json).connect(&address).await.unwrap();
    let client = ArithClient::new(channel.clone());
    assert_eq!(client.sum(Args::of(20, 22)).await.unwrap(), 42);
    let mut states = channel.watch_state();
    let left = states.wait_for(|state| matches!(state, rpc_runtime::ConnectionState::Closed(_)));
    within_time(TIME, "the end of the connection", left).await.unwrap();
    let late = client.sum(Args::of(1, 2)).await.unwrap_err();
    assert_eq!((late.code(), late.may_have_run()), (Code::Unavailable, false), "{late}");
    python.did(&["handshake", "goaway of the server"]).await;
    python.ended().await;
}

async fn calls_of_python(client: &ArithClient, python: &mut Python) {
    let (sum, metadata) = client.sum(Args::of(-1, 43)).metadata("key", "value").with_response_metadata().await;
    assert_eq!((sum.unwrap(), metadata.get("key")), (42, Some("value")));
    let failure = client.div(Args::of(1, 0)).await.unwrap_err();
    assert!(matches!(failure.service(), Some(ArithError::DivideByZero)), "{failure:?}");
    let failure = client.mul().await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::Unimplemented, false));

    let failure = client.slow().timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::DeadlineExceeded, true));
    python.did(&["deadline"]).await;
    let slow = client.slow().start();
    assert_eq!(client.sum(Args::of(1, 2)).await.unwrap(), 3);
    drop(slow);
    python.did(&["cancel"]).await;

    // Twelve megabytes, of a window of four.
    let text = "x".repeat(1_000_000);
    let started: Vec<_> = (0..12).map(|_| client.echo(text.clone()).start()).collect();
    for echo in started {
        assert!(within_time(TIME, "an echo", echo).await.unwrap() == text);
    }
}

/// More of them than windows hold.
const MANY: u64 = 10_000;

async fn items_of_python(client: &ArithClient, python: &mut Python) {
    let counted: Vec<_> = client.count(0, MANY).await.unwrap().try_collect().await.unwrap();
    assert_eq!(counted, (0..MANY).collect::<Vec<_>>());
    let nothing: Vec<_> = client.units(3).await.unwrap().try_collect().await.unwrap();
    assert_eq!(nothing, [(), (), ()]);

    let mut quotients = client.quotients(6).await.unwrap();
    assert_eq!([quotients.next().await.unwrap().unwrap(), quotients.next().await.unwrap().unwrap()], [3, 6]);
    let failure = quotients.next().await.unwrap().unwrap_err();
    assert!(matches!(failure.service(), Some(ArithError::DivideByZero)), "{failure:?}");
    assert!(quotients.next().await.is_none());
    let failure = client.quotients(0).await.unwrap_err();
    assert!(matches!(failure.service(), Some(ArithError::DivideByZero)), "{failure:?}");

    let mut watched = client.watch().await.unwrap();
    assert_eq!(watched.next().await.unwrap().unwrap(), 7);
    drop(watched);
    python.did(&["cancel"]).await;
}

async fn items_for_python(client: &ArithClient, python: &mut Python) {
    let numbers: Vec<_> = (0..i64::try_from(MANY).unwrap()).collect();
    let sum = numbers.iter().sum::<i64>();
    assert_eq!(within_time(TIME, "the total", client.total(1, stream::iter(numbers))).await.unwrap(), sum + 1);
    let first = client.first(stream::iter([7]).chain(stream::pending()));
    assert_eq!(within_time(TIME, "the first", first).await.unwrap(), Some(7));
    // Whose end nobody waits for: its consumer does not want more than one.
    let leave = client.leave(stream::repeat(7));
    assert_eq!(within_time(TIME, "the one", leave).await.unwrap(), Some(7));
    python.did(&["the items are stopped"]).await;
}

async fn items_both_ways(client: &ArithClient) {
    let (sender, texts) = rpc_runtime::stream::channel(1);
    let mut echoes = client.echo_items(texts).await.unwrap();
    for text in ["a".to_owned(), "x".repeat(1_000_000), "b".to_owned()] {
        sender.send(text.clone()).await.unwrap();
        let echo = within_time(TIME, "the echo", echoes.next()).await.unwrap().unwrap();
        assert!(echo == text, "{} bytes", echo.len());
    }
    drop(sender);
    assert!(within_time(TIME, "the end of the echoes", echoes.next()).await.is_none());
}
