//! The counters against what random callers did: nothing is left, and nothing is counted twice.

use std::time::Duration;

use rpc_runtime::{Channel, Limits, Stats};
use tokio::{task::JoinSet, time::Instant};

use super::floods::{FloodClient, Flooded};

/// A small generator (Marsaglia's xorshift), so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

async fn call(flood: FloodClient, mut random: Random) {
    let timeout = Duration::from_micros(1 + random.below(8_000));
    let size = 1 << random.below(20);
    let patience = Duration::from_micros(random.below(6_000));
    let outcome = async {
        match random.below(4) {
            0 => drop(flood.add(1, 2).timeout(timeout).start().await),
            1 => drop(flood.fill(size).timeout(timeout).start().await),
            2 => drop(flood.measure(vec![1; size as usize]).timeout(timeout).start().await),
            _ => drop(flood.wait().timeout(timeout).start().await),
        }
    };
    let _ = tokio::time::timeout(patience, outcome).await;
}

fn left(stats: &Stats) -> [usize; 8] {
    [
        stats.handshakes,
        stats.calls_in_flight,
        stats.calls_waiting,
        stats.calls_abandoned,
        stats.served_in_flight,
        stats.running,
        stats.handlers_abandoned,
        stats.memory_held,
    ]
}

async fn settles(seed: u64, stats: impl Fn() -> Stats) {
    let bound = Instant::now() + Duration::from_secs(20);
    while left(&stats()) != [0; 8] {
        assert!(Instant::now() < bound, "seed {seed}: {:?}", stats());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_random_calls_that_are_cancelled_late_or_cut_off() {
    for seed in 1..=8_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let limits = Limits::default().in_flight(16).running(4).stall_timeout(Duration::from_secs(1));
        let memory = if seed % 2 == 0 { 2 << 20 } else { 64 << 20 };
        let flooded = Flooded::start(limits.clone(), memory).await;
        let mut channels = Vec::new();
        for _ in 0..4 {
            channels.push(
                Channel::builder().limits(limits.clone()).memory(memory).connect(&flooded.address).await.unwrap(),
            );
        }
        let mut tasks = JoinSet::new();
        for n in 0..120 {
            let flood = FloodClient::new(channels[n % channels.len()].clone());
            tasks.spawn(call(flood, Random(random.below(u64::MAX) | 1)));
        }
        let cut = random.below(3);
        if cut > 0 {
            tokio::time::sleep(Duration::from_micros(random.below(8_000))).await;
            channels[0].close();
        }
        if cut > 1 {
            tasks.abort_all();
        }
        while tasks.join_next().await.is_some() {}
        for channel in &channels {
            settles(seed, || channel.stats()).await;
        }
        settles(seed, || flooded.handle.stats()).await;
        channels.iter().for_each(Channel::close);
        flooded.is_back_at_its_baseline().await;
        let (server, sent) = (flooded.handle.stats(), channels.iter().map(|channel| channel.stats().calls_total));
        assert!(server.served_total <= sent.sum(), "seed {seed}: {server:#?}");
        // Callers that give up are no hostile peers.
        let faults = |stats: &Stats| (stats.closed.protocol, stats.closed.silent, stats.protocol_faults);
        assert_eq!((faults(&server), server.refused.in_flight), ((0, 0, 0), 0), "seed {seed}: {server:?}");
        for channel in &channels {
            assert_eq!((left(&channel.stats()), faults(&channel.stats())), ([0; 8], (0, 0, 0)), "seed {seed}");
            assert_eq!(channel.outstanding_calls(), 0, "seed {seed}");
        }
    }
}
