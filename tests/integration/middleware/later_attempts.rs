//! Attempts that outlive their call: a failure that says *not executed* stays true.

use std::sync::Arc;

use rpc_runtime::{
    Code, Status,
    middleware::{Request, from_fn},
};
use tokio::sync::{Notify, mpsc};

use super::{Clerk, both, linked, plain, server};

#[tokio::test]
async fn an_attempt_behind_the_end_of_a_call_that_was_not_executed_does_not_run() {
    let (clerk, go) = (Clerk::new(), Arc::new(Notify::new()));
    let (tell, mut told) = mpsc::channel(1);
    let late = {
        let go = Arc::clone(&go);
        move || {
            let (go, tell) = (Arc::clone(&go), tell.clone());
            from_fn(move |call: Request, next| {
                let (go, tell) = (Arc::clone(&go), tell.clone());
                async move {
                    #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
                    tokio::spawn(async move {
                        go.notified().await;
                        tell.send(next.run(call).await).await.unwrap();
                    });
                    Err(Status::new(Code::Unavailable, "the layer does not wait"))
                }
            })
        }
    };
    let (clients, _link) = both(&clerk, || plain().layer(late())).await;
    let (at_server, _link2) = linked(server(&clerk).layer(late()), plain()).await;
    for desk in clients.into_iter().chain([at_server]) {
        let status = desk.add(1, 2).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, false), "{status}");
        go.notify_one();
        let attempt = told.recv().await.unwrap().unwrap_err();
        assert_eq!((attempt.code(), attempt.may_have_run()), (Code::Cancelled, false), "{attempt}");
        assert_eq!(clerk.started(), 0, "the caller was told that it was not executed");
    }
}

#[tokio::test]
async fn an_attempt_behind_the_end_of_a_call_that_had_its_value_runs() {
    let (clerk, go) = (Clerk::new(), Arc::new(Notify::new()));
    let (tell, mut told) = mpsc::channel(1);
    let shadowing = {
        let go = Arc::clone(&go);
        from_fn(move |call: Request, next| {
            let (go, tell) = (Arc::clone(&go), tell.clone());
            async move {
                let outcome = next.run(call.clone()).await;
                #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
                tokio::spawn(async move {
                    go.notified().await;
                    tell.send(next.run(call).await).await.unwrap();
                });
                outcome
            }
        })
    };
    let (clients, _link) = both(&clerk, || plain().layer(shadowing.clone())).await;
    for desk in clients {
        assert_eq!(desk.add(1, 2).await.unwrap(), 3);
        go.notify_one();
        assert!(told.recv().await.unwrap().is_ok());
    }
    assert_eq!(clerk.started(), 4);
}

#[tokio::test]
async fn a_layer_that_panics_in_a_call_that_was_started_is_named_as_the_cause() {
    let panicking = || from_fn(|_: Request, _| async { panic!("the layer is broken") });
    let (clients, _link) = both(&Clerk::new(), || plain().layer(panicking())).await;
    for desk in clients {
        let status = desk.add(1, 2).start().await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(status.message().contains("panicked") && status.message().contains("the layer is broken"), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_a_layer_ends_when_its_channel_is_closed() {
    let waiting = || from_fn(|_: Request, _| std::future::pending());
    let (clients, _link) = both(&Clerk::new(), || plain().timeout(None).layer(waiting())).await;
    for desk in clients {
        let call = desk.add(1, 2).start();
        tokio::task::yield_now().await;
        desk.channel().close();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(100), call).await;
        let status = ended.expect("it ends").unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, false), "{status}");
    }
}
