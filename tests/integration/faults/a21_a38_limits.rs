//! Duplicate services, the limit of calls in flight, and the limit of a message (A27, A28, A29).

use std::time::Duration;

use rpc_runtime::{Channel, Code, Limits, Server, Status};

use super::{
    a21_a38_service::{FaultsClient, Seen, against_peer, over_pipe, promptly, serve, serves, settled, spawn, within},
    peer_b::{Ending, Peer, credit, end, kind, request, response, response_in_parts, response_with_header},
};

fn assert_duplicate(status: &Status) {
    assert_eq!(status.code(), Code::AlreadyExists, "{status}");
    assert!(status.message().contains("Faults"), "{status}");
}

/// A27.
#[tokio::test]
async fn a_service_registered_twice_is_an_error_and_not_a_panic() {
    let seen = Seen::new();
    let twice = || Server::builder().service(seen.service()).service(seen.service());
    assert_duplicate(&twice().bind("mem://a27").await.unwrap_err());
    let (_ours, theirs) = tokio::io::duplex(64);
    assert_duplicate(&twice().serve_connection(theirs, "client").await.unwrap_err());
    let named = || seen.service().named("Faults");
    let status = Server::builder().service(seen.service()).service(named()).bind("mem://a27").await.unwrap_err();
    assert_duplicate(&status);
}

/// A27.
#[tokio::test]
async fn the_same_service_under_two_names_is_no_duplicate() {
    let seen = Seen::new();
    let server = Server::builder().service(seen.service()).service(seen.service().named("again"));
    let server = server.bind("mem://a27-named").await.unwrap();
    spawn(server.serve());
    serves("mem://a27-named").await;
    let again = FaultsClient::named(Channel::connect("mem://a27-named").await.unwrap(), "again");
    assert_eq!(within("the other", again.add(1, 2)).await.unwrap(), 3);
}

/// A28.
#[tokio::test]
async fn a_call_above_the_limit_in_flight_waits_within_its_deadline_and_names_the_limit() {
    let seen = Seen::new();
    let limits = Limits::default().in_flight(3);
    let server = Server::builder().service(seen.service()).limits(limits).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.local_address().to_owned();
    spawn(server.serve());
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let full: Vec<_> = (0..3).map(|_| client.wait().start()).collect();
    seen.live(3).await;
    let late = client.add(1, 2).timeout(Duration::from_millis(50));
    let late = within("the fourth ends", late).await.unwrap_err();
    assert_eq!((late.code(), late.may_have_run()), (Code::DeadlineExceeded, false), "{late}");
    assert!(late.message().contains("in_flight") && late.message().contains('3'), "{late}");
    assert_eq!(seen.executed(), 0);
    let patient = client.add(3, 4).start();
    let dropped = client.add(5, 6).start();
    drop(dropped);
    seen.open_gate();
    for call in full {
        assert_eq!(within("one of the first", call).await.unwrap(), 1);
    }
    assert_eq!(promptly("the one that waited", patient).await.unwrap(), 7);
    assert_eq!(seen.executed(), 4, "what ended while it waited was never run");
    settled(client.channel()).await;
    serves(&address).await;
}

/// A28.
#[tokio::test(start_paused = true)]
async fn calls_above_the_limit_in_flight_are_sent_in_their_order_as_others_are_answered() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let grant = r#"{"in_flight":2,"request_window":65536,"max_message":65536}"#;
    let (channel, mut peer) =
        tokio::join!(Channel::builder().handshake(ours, "peer"), Peer::accept_granting(theirs, grant));
    let client = FaultsClient::new(channel.unwrap());
    let calls: Vec<_> = (0..6).map(|n| client.echo(vec![n]).start()).collect();
    let mut waiting = std::collections::VecDeque::new();
    for n in 0..6 {
        while waiting.len() < 2 && n + (waiting.len() as u8) < 6 {
            waiting.push_back(peer.next_of(kind::REQUEST).await.unwrap());
        }
        assert!(
            tokio::time::timeout(Duration::from_secs(1), peer.next_of(kind::REQUEST)).await.is_err(),
            "no third call before one of the two is answered"
        );
        let frame = waiting.pop_front().unwrap();
        assert_eq!(frame.body, [1, n]);
        peer.send(&response(frame.id, &frame.body)).await;
    }
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), [n]);
    }
    settled(client.channel()).await;
}

const ONE_AT_A_TIME: &str = r#"{"in_flight":1,"request_window":65536,"max_message":65536}"#;

async fn against_one_at_a_time() -> (FaultsClient, Peer<tokio::io::DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(4_096);
    let (channel, peer) =
        tokio::join!(Channel::builder().handshake(ours, "peer"), Peer::accept_granting(theirs, ONE_AT_A_TIME));
    (FaultsClient::new(channel.expect("it connects")), peer)
}

/// A28.
#[tokio::test]
async fn a_call_that_waits_is_sent_however_the_one_before_it_was_ended() {
    let (client, mut peer) = against_one_at_a_time().await;
    for terminal in [|id| response(id, &[3]), end, |id| response_with_header(id, 20_000)] {
        let first = client.add(1, 2).start();
        let waits = client.add(3, 4).start();
        let frame = within("the first", peer.next_of(kind::REQUEST)).await.unwrap();
        peer.send(&terminal(frame.id)).await;
        let frame = promptly("the one that waited", peer.next_of(kind::REQUEST)).await.unwrap();
        assert_eq!(frame.body, [3, 4]);
        peer.send(&response(frame.id, &[7])).await;
        assert_eq!(within("its reply", waits).await.unwrap(), 7);
        if let Err(status) = within("the outcome of the first", first).await {
            assert!(matches!(status.code(), Code::Aborted | Code::ResourceExhausted), "{status}");
        }
    }
    settled(client.channel()).await;
}

/// A28.
#[tokio::test]
async fn a_call_that_waits_behind_one_that_is_dropped_is_sent_at_once() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let grant = r#"{"in_flight":64,"request_window":65536,"max_message":65536}"#;
    let (channel, mut peer) =
        tokio::join!(Channel::builder().handshake(ours, "peer"), Peer::accept_granting(theirs, grant));
    let client = FaultsClient::new(channel.unwrap());
    let takes_half_of_the_window = client.echo(vec![1; 40_000]).start();
    within("the first", peer.next_of(kind::REQUEST)).await.unwrap();
    let too_large_now = client.echo(vec![2; 40_000]).start();
    let behind = client.add(3, 4).start();
    drop(too_large_now);
    let frame = promptly("the one behind", peer.next_of(kind::REQUEST)).await.unwrap();
    assert_eq!(frame.body, [3, 4]);
    peer.send(&response(frame.id, &[7])).await;
    assert_eq!(within("its reply", behind).await.unwrap(), 7);
    drop(takes_half_of_the_window);
}

/// A28.
#[tokio::test]
async fn a_call_that_waits_for_the_room_of_an_unsent_request_is_sent_when_that_is_dropped() {
    let (ours, theirs) = tokio::io::duplex(1_024);
    let (channel, mut peer) = tokio::join!(
        Channel::builder().handshake(ours, "peer"),
        Peer::accept_granting(theirs, r#"{"in_flight":64,"request_window":65536,"max_message":65536}"#)
    );
    let client = FaultsClient::new(channel.unwrap());
    let fills_the_pipe = client.echo(vec![1; 3_000]).start();
    tokio::task::yield_now().await;
    let unsent = client.echo(vec![2; 50_000]).start();
    let waits = client.echo(vec![3; 30_000]).start();
    drop(unsent);
    let frame = within("the first", peer.next_of(kind::REQUEST)).await.unwrap();
    assert_eq!(frame.body[3], 1);
    let frame = promptly("the one that waited", peer.next_of(kind::REQUEST)).await.unwrap();
    assert_eq!((frame.body.len(), frame.body[3]), (30_003, 3));
    peer.send(&response(frame.id, &[1, 3])).await;
    assert_eq!(within("its reply", waits).await.unwrap(), [3]);
    drop(fills_the_pipe);
}

/// The default.
const LIMIT: usize = 4 << 20;
/// What bincode adds to a list of about four million bytes.
const ENCODING: usize = 5;

fn assert_too_large(status: &Status, size: usize, limit: usize, may_have_run: bool) {
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, may_have_run), "{status}");
    for number in [size, limit] {
        assert!(status.message().contains(&number.to_string()), "{number} is in {status}");
    }
}

/// A29.
#[tokio::test]
async fn a_request_over_the_limit_fails_at_its_sender_and_one_at_the_limit_passes() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let status = client.echo(vec![1; LIMIT - ENCODING + 1]).await.unwrap_err();
    assert_too_large(&status, LIMIT + 1, LIMIT, false);
    let echoed = within("at the limit", client.echo(vec![1; LIMIT - ENCODING])).await.unwrap();
    assert_eq!(echoed.len(), LIMIT - ENCODING);
    assert_eq!(within("a later call", client.add(1, 2)).await.unwrap(), 3);
    settled(client.channel()).await;
    serves(&address).await;
}

/// A29.
#[tokio::test]
async fn a_response_over_the_limit_fails_for_its_caller_and_costs_nobody_else() {
    let seen = Seen::new();
    let client = over_pipe(&seen, 1 << 16).await;
    let bystander = client.wait().start();
    let status = within("the large one", client.bytes((LIMIT - ENCODING + 1) as u64)).await.unwrap_err();
    assert_too_large(&status, LIMIT + 1, LIMIT, true);
    let largest = within("at the limit", client.bytes((LIMIT - ENCODING) as u64)).await.unwrap();
    assert_eq!(largest.len(), LIMIT - ENCODING);
    seen.open_gate();
    assert_eq!(within("the bystander", bystander).await.unwrap(), 1);
    settled(client.channel()).await;
}

/// A29.
#[tokio::test]
async fn each_side_keeps_to_the_limit_that_the_other_has_set() {
    let seen = Seen::new();
    let server = Server::builder().service(seen.service()).limits(Limits::default().max_message(100_000));
    let server = server.bind("mem://a29").await.unwrap();
    spawn(server.serve());
    let builder = Channel::builder().limits(Limits::default().max_message(50_000));
    let client = FaultsClient::new(builder.connect("mem://a29").await.unwrap());
    let status = within("the reply", client.bytes(60_000)).await.unwrap_err();
    assert_too_large(&status, 60_003, 50_000, true);
    let wide = FaultsClient::new(Channel::connect("mem://a29").await.unwrap());
    let status = wide.echo(vec![1; 100_000]).await.unwrap_err();
    assert_too_large(&status, 100_005, 100_000, false);
    assert_eq!(within("a reply that fits", wide.bytes(90_000)).await.unwrap().len(), 90_000);
    for client in [client, wide] {
        assert_eq!(within("a later call", client.add(1, 2)).await.unwrap(), 3);
        settled(client.channel()).await;
    }
    serves("mem://a29").await;
}

/// A29.
#[tokio::test]
async fn a_peer_that_sends_more_than_it_may_costs_that_call_and_not_the_connection() {
    let (client, mut peer) = against_peer(Channel::builder(), 1 << 20).await;
    let large = client.bytes(1).start();
    let id = peer.next().await.unwrap().id;
    let sent = spawn(async move {
        peer.send(&response_in_parts(id, &vec![0; LIMIT + 1])).await;
        peer
    });
    let status = within("the large reply", large).await.unwrap_err();
    assert_too_large(&status, LIMIT + 1, LIMIT, true);
    let mut peer = within("all of it is taken", sent).await.unwrap();
    let next = client.add(1, 2).start();
    let frame = within("the next call", peer.next_of(kind::REQUEST)).await.unwrap();
    peer.send(&credit(frame.body.len() as u32)).await;
    peer.send(&response(frame.id, &[3])).await;
    assert_eq!(within("its reply", next).await.unwrap(), 3);
    settled(client.channel()).await;
}

/// A29.
#[tokio::test]
async fn a_peer_that_announces_a_request_over_the_limit_is_refused_at_its_first_part() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let socket = tokio::net::TcpStream::connect(&address["tcp://".len()..]).await.unwrap();
    let mut peer = Peer::dial(socket).await;
    let mut first = request(2, "Faults.echo", None, &[0; 100]);
    // MORE, and the field `total` behind the others: 4 MiB and one byte.
    first[5] = 1;
    let total = [5, 4, 0x81, 0x80, 0x80, 0x02];
    let header = usize::from(u16::from_le_bytes([first[6], first[7]]));
    first.splice(16 + header..16 + header, total);
    first[0] += total.len() as u8;
    first[6] += total.len() as u8;
    peer.send(&first).await;
    let reply = within("the refusal", peer.next_of(kind::RESPONSE)).await.unwrap();
    let Ending::Status { code, message, not_executed } = reply.ending() else { panic!("a status") };
    assert_eq!((reply.id, code, not_executed), (2, 8, true), "{message}");
    assert!(message.contains("4194305") && message.contains("4194304"), "{message}");
    peer.send(&request(4, "Faults.add", None, &[1, 2])).await;
    let reply = within("a later call", peer.next_of(kind::RESPONSE)).await.unwrap();
    assert_eq!((reply.id, &reply.body[..]), (4, &[3][..]));
    serves(&address).await;
}
