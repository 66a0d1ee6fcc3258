//! Layers of tower itself, as they come.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use rpc_runtime::{
    ChannelBuilder, Code, Status,
    middleware::{Request, Response, from_fn},
};
use tower::{
    ServiceBuilder,
    limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer,
    retry::{Policy, RetryLayer},
    timeout::TimeoutLayer,
};

use super::{Clerk, DeskClient, both, linked, plain, server};

/// One call waits, and another one is made: it must be shed.
async fn assert_second_is_shed(desk: &DeskClient, clerk: &Clerk) {
    let before = clerk.started();
    let first = desk.wait().start();
    clerk.waiting(1).await;
    let shed = desk.add(1, 2).await.unwrap_err();
    assert_eq!((shed.code(), shed.may_have_run()), (Code::ResourceExhausted, false), "{shed}");
    assert!(shed.message().contains("overloaded"), "{shed}");
    assert_eq!(clerk.started(), before + 1);
    drop(first);
    clerk.waiting(0).await;
}

#[tokio::test]
async fn load_shed_around_a_concurrency_limit_sheds_at_the_server_as_one_layer_and_as_two() {
    let clerk = Clerk::new();
    let one = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1)).into_inner();
    let (desk, _link) = linked(server(&clerk).layer(one), plain()).await;
    assert_second_is_shed(&desk, &clerk).await;
    let two = server(&clerk).layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let (desk, _link) = linked(two, plain()).await;
    assert_second_is_shed(&desk, &clerk).await;
    let passing = from_fn(|call, next| async move { next.run(call).await });
    let between = server(&clerk).layer(LoadShedLayer::new()).layer(passing).layer(ConcurrencyLimitLayer::new(1));
    let (desk, _link) = linked(between, plain()).await;
    assert_second_is_shed(&desk, &clerk).await;
}

#[tokio::test]
async fn load_shed_around_a_concurrency_limit_sheds_at_the_client() {
    let clerk = Clerk::new();
    let shedding = || plain().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let (clients, _link) = both(&clerk, shedding).await;
    for desk in clients {
        assert_second_is_shed(&desk, &clerk).await;
        assert_eq!(desk.add(1, 2).await.unwrap(), 3, "the dropped call left its room");
    }
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_holds_over_all_methods_and_clients_of_a_server() {
    let clerk = Clerk::new();
    let bound = server(&clerk).layer(ConcurrencyLimitLayer::new(2)).bind("mem://limited").await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(bound.serve());
    let connect = || async { DeskClient::new(plain().connect("mem://limited").await.unwrap()) };
    let (first, second) = (connect().await, connect().await);
    let running = [first.wait().start(), second.wait().start()];
    clerk.waiting(2).await;
    let third = first.add(1, 2).start();
    let fourth = second.add(3, 4).start();
    // Time goes on once nothing else does: both are at the server and wait for room.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(clerk.started(), 2);
    clerk.gate.send_replace(true);
    assert_eq!((third.await.unwrap(), fourth.await.unwrap()), (3, 7));
    for call in running {
        call.await.unwrap();
    }
    assert_eq!(clerk.started(), 4);
}

#[tokio::test]
async fn retry_between_load_shed_and_a_limit_of_one_does_not_wait_for_itself() {
    let clerk = Clerk::new();
    let twice = from_fn(|call: Request, next| async move {
        let _ = next.run(call.clone()).await;
        next.run(call).await
    });
    let (desk, _link) = linked(server(&clerk), plain().layer(twice).layer(ConcurrencyLimitLayer::new(1))).await;
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
    assert_eq!(clerk.started(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_layer_ends_a_call_that_may_have_run() {
    let clerk = Clerk::new();
    let limited = || -> ChannelBuilder { plain().layer(TimeoutLayer::new(Duration::from_secs(1))) };
    let (clients, _link) = both(&clerk, limited).await;
    for desk in clients {
        let status = desk.wait().await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Unknown, true), "{status}");
        assert!(status.message().contains("timed out"), "{status}");
        clerk.waiting(0).await;
    }
}

/// Sends again what certainly did not run, three times at most.
#[derive(Clone)]
struct Again(usize);

impl Policy<Request, Response, Status> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request, outcome: &mut Result<Response, Status>) -> Option<Ready<()>> {
        let again = self.0 > 0 && outcome.as_ref().is_err_and(|status| !status.may_have_run());
        self.0 = self.0.saturating_sub(1);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn towers_retry_sends_again_what_was_not_executed() {
    let (clerk, tries) = (Clerk::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&tries);
    let flaky = from_fn(move |call: Request, next| {
        let refused = count.fetch_add(1, SeqCst) < 2;
        async move { if refused { Err(Status::unavailable("not yet")) } else { next.run(call).await } }
    });
    let (desk, _link) = linked(server(&clerk).layer(flaky), plain().layer(RetryLayer::new(Again(3)))).await;
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
    assert_eq!((tries.load(SeqCst), clerk.started()), (3, 1));
    let refused = desk.refuse("it ran".to_owned()).await.unwrap_err();
    assert_eq!((refused.code(), tries.load(SeqCst)), (Code::NotFound, 4), "what may have run is not sent again");
}
