//! E10: more calls than the handlers can do, for as long as one likes. What is begun is finished in time, and what was
//! refused did not run. In paused time, so that the machine has no say. `chaos overload` is the same between processes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rpc_runtime::{Channel, Limits, Server, Status, rpc_service, testing};
use tokio::{task::JoinSet, time::sleep};

#[rpc_service]
trait Work {
    async fn work(&self);
}

/// Counts the handlers that began.
#[derive(Clone, Default)]
struct Worker(Arc<AtomicU64>);

impl Work for Worker {
    async fn work(&self) {
        self.0.fetch_add(1, Relaxed);
        sleep(HANDLER).await;
    }
}

const HANDLER: Duration = Duration::from_millis(10);
const RUNNING: u64 = 8;
const DEADLINE: Duration = Duration::from_millis(200);
const STEPS: u64 = 300;

/// How the calls ended that were made at so many times the rate that the handlers can do, and how many handlers began.
/// More than `in_flight` wait at their caller.
async fn overloaded(factor: u64, in_flight: u32) -> (Vec<Result<(), Status>>, u64) {
    let worker = Worker::default();
    let limits = Limits::default().running(RUNNING as usize).in_flight(in_flight);
    let server = Server::builder().service(WorkServer::new(worker.clone())).limits(limits);
    let (channel, _server) = testing::link(server, Channel::builder()).await.unwrap();
    let (client, mut calls) = (WorkClient::new(channel), JoinSet::new());
    for _ in 0..STEPS {
        for _ in 0..factor * RUNNING {
            calls.spawn(client.work().timeout(DEADLINE));
        }
        sleep(HANDLER).await;
    }
    (calls.join_all().await, worker.0.load(Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_server_with_more_to_do_than_it_can_does_four_fifths_of_what_it_can() {
    for (factor, in_flight) in [(2, 4_096), (4, 4_096), (16, 4_096), (2, 32), (4, 32), (16, 32)] {
        let (outcomes, _) = overloaded(factor, in_flight).await;
        let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        let possible = STEPS * RUNNING;
        assert!(succeeded * 5 >= possible * 4, "{factor} times, {in_flight} in flight: {succeeded} of {possible}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_overloaded_server_did_not_execute_is_said_to_be_so() {
    let (outcomes, executed) = overloaded(8, 32).await;
    let refused = |outcome: &&Result<(), Status>| outcome.as_ref().is_err_and(|status| !status.may_have_run());
    let refused = outcomes.iter().filter(refused).count() as u64;
    assert!(refused > 0, "nothing was refused");
    assert!(executed <= outcomes.len() as u64 - refused, "{executed} executed, {refused} refused");
}
