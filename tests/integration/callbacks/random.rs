//! Random callers at both ends of one connection, under limits that they meet: whatever they do, nothing is left.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, Limits, Server, Stats};

use super::{End, PartyClient, spawn, within};

/// Xorshift: the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Makes calls of all kinds, and gives up on some of them.
async fn call_at_random(client: PartyClient, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    for _ in 0..200 {
        let patience = Duration::from_millis(random.below(20));
        let outcome = match random.below(6) {
            0 => client.add(1, 2).await.map(|sum| sum == 3),
            1 => client.ask(random.below(4), 60).timeout(patience).await.map(|_| true),
            2 => client.have_wait().timeout(patience).await.map(|_| false),
            3 => {
                let size = random.below(200_000) as usize;
                client.echo(vec![7; size]).timeout(patience).await.map(|bytes| bytes.len() == size)
            }
            4 => {
                // Somebody who does not wait for the answer.
                let running = client.have_wait().start();
                for _ in 0..random.below(5) {
                    tokio::task::yield_now().await;
                }
                drop(running);
                Ok(true)
            }
            _ => client.ask(1, 60).await.map(|depth| depth == 1),
        };
        match outcome {
            Ok(right) => assert!(right, "a wrong value"),
            Err(status) => assert_eq!(status.code(), Code::DeadlineExceeded, "{status}"),
        }
    }
}

fn is_settled(stats: &Stats) -> bool {
    let busy = stats.calls_in_flight + stats.calls_waiting + stats.calls_abandoned;
    busy + stats.served_in_flight + stats.running + stats.handlers_abandoned == 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_calls_in_both_directions_leave_nothing_behind() {
    // More places than callers at both ends: else they may wait for each other until their deadlines.
    let limits = Limits::default().in_flight(90).running(80).request_window(1 << 20).max_message(300_000);
    let (here, there) = (End::new(), End::new());
    let server = Server::builder().limits(limits.clone()).service(there.service());
    let server = server.bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = spawn(server.serve());
    let channel = Channel::builder().limits(limits).service(here.service()).connect(&address).await.unwrap();
    let client = PartyClient::new(channel.clone());
    client.meet().await.unwrap();
    let caller = there.met();
    let callers = (1..=24).map(|n| spawn(call_at_random(if n % 2 == 0 { client.clone() } else { caller.clone() }, n)));
    for caller in within("the callers", join_all(callers)).await {
        caller.expect("no caller fails");
    }
    here.live(0).await;
    there.live(0).await;
    let settled = async {
        while !is_settled(&channel.stats()) || !is_settled(&handle.stats()) {
            tokio::task::yield_now().await;
        }
    };
    within("the tables", settled).await;
    assert_eq!(within("a last call", client.ask(3, 60)).await.unwrap(), 3);
    drop((client, channel));
    handle.shut_down();
    let drained = within("the server", serving).await.unwrap().unwrap();
    assert_eq!((drained.cut_connections, drained.cut_calls), (0, 0));
    let stats = handle.stats();
    assert_eq!((stats.memory_held, stats.protocol_faults), (0, 0));
}
