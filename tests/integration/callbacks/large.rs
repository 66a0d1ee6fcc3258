//! A36 in both directions at once: large bodies that fill the link both ways do not stall.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Server};
use tokio::time::timeout;

use super::{End, PartyClient, spawn, within};

/// What each direction of the link holds.
const LINK: usize = 4_096;
/// The largest message, less what its encoding adds.
const LARGEST: usize = (4 << 20) - 5;
/// A build for tests moves about 10 MB in a second.
const PATIENCE: Duration = Duration::from_secs(90);

/// Both ends echo at the other at once, as many of this size.
async fn echo_both_ways(count: usize, size: usize) {
    let (ours, theirs) = tokio::io::duplex(LINK);
    let (here, there) = (End::new(), End::new());
    spawn(Server::builder().service(there.service()).serve_connection(theirs, "link"));
    let channel = Channel::builder().service(here.service()).timeout(None).handshake(ours, "link").await.unwrap();
    let client = PartyClient::new(channel);
    client.meet().await.unwrap();
    let echo_all = async |client: &PartyClient| {
        let echoes = (0..count).map(|n| client.echo(vec![n as u8; size]).no_timeout());
        let echoed = join_all(echoes).await.into_iter().map(|echoed| echoed.expect("it is answered"));
        echoed.enumerate().filter(|(n, bytes)| bytes.len() == size && bytes[size / 2] == *n as u8).count()
    };
    let caller = there.met();
    let both = async { tokio::join!(echo_all(&client), echo_all(&caller)) };
    assert_eq!(timeout(PATIENCE, both).await.expect("nothing stalls"), (count, count));
    assert_eq!(within("a small call", client.ask(2, 60)).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoes_of_64_kib_256_at_once_in_both_directions_do_not_stall() {
    echo_both_ways(256, 64 << 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoes_of_4_mib_16_at_once_in_both_directions_do_not_stall() {
    echo_both_ways(16, LARGEST).await;
}
