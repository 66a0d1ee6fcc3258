//! How a call ends that goes through layers, and whether it may have run.

use std::time::Duration;

use rpc_runtime::{
    CallError, Code, Status,
    middleware::{Request, Response, from_fn},
};

use super::{Clerk, Notes, Reason, both, linked, plain, server};
use crate::faults::raw::{self, Peer};

/// What a layer sees of an outcome.
fn seen(outcome: &Result<Response, Status>) -> String {
    match outcome {
        Ok(response) if response.is_service_error() => "service error".to_owned(),
        Ok(_) => "value".to_owned(),
        Err(status) => format!("{} {}", status.code(), if status.may_have_run() { "unknown" } else { "not" }),
    }
}

#[tokio::test]
async fn a_layer_sees_every_outcome_with_its_code_on_both_sides_and_leaves_it_as_it_is() {
    let (notes, clerk) = (Notes::default(), Clerk::new());
    let noting = {
        let notes = notes.clone();
        from_fn(move |call: Request, next| {
            let notes = notes.clone();
            async move {
                let outcome = next.run(call).await;
                notes.add(seen(&outcome));
                outcome
            }
        })
    };
    let (clients, _link) = both(&clerk, || plain().layer(noting.clone())).await;
    let (twice, _link2) = linked(server(&clerk).layer(noting.clone()), plain().layer(noting.clone())).await;
    for (desk, times) in clients.into_iter().map(|desk| (desk, 1)).chain([(twice, 2)]) {
        assert_eq!(desk.add(1, 2).await.unwrap(), 3);
        assert_eq!(notes.take(), vec!["value"; times]);
        let failed = desk.fail("why".to_owned()).await;
        assert!(matches!(failed, Err(CallError::Service(Reason(reason))) if reason == "why"));
        assert_eq!(notes.take(), vec!["service error"; times]);
        let refused = desk.refuse("no such row".to_owned()).await.unwrap_err();
        assert_eq!((refused.code(), refused.message(), refused.details()), (Code::NotFound, "no such row", &[7][..]));
        assert_eq!(refused.method(), Some("Desk.refuse"));
        assert_eq!(notes.take(), vec!["NOT_FOUND unknown"; times]);
        let panicked = desk.panic().await.unwrap_err();
        assert!(panicked.message().contains("on purpose"), "{panicked}");
        assert_eq!(notes.take(), vec!["INTERNAL unknown"; times]);
    }
}

#[tokio::test]
async fn what_a_layer_refuses_before_the_handler_was_not_executed() {
    let clerk = Clerk::new();
    let refusing = || from_fn(|_, _| async { Err(Status::new(Code::PermissionDenied, "not you")) });
    let (clients, _link) = both(&clerk, || plain().layer(refusing())).await;
    let (at_server, _link2) = linked(server(&clerk).layer(refusing()), plain()).await;
    for desk in clients.into_iter().chain([at_server]) {
        let status = desk.add(1, 2).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message(), status.may_have_run()),
            (Code::PermissionDenied, "not you", false)
        );
        assert_eq!(status.method(), Some("Desk.add"));
    }
    assert_eq!(clerk.started(), 0);
}

#[tokio::test]
async fn what_a_layer_fails_after_the_handler_ran_is_unknown() {
    let clerk = Clerk::new();
    let failing = || {
        from_fn(|call, next| async move {
            next.run(call).await?;
            Err(Status::internal("the layer failed"))
        })
    };
    let (clients, _link) = both(&clerk, || plain().layer(failing())).await;
    let (at_server, _link2) = linked(server(&clerk).layer(failing()), plain()).await;
    for desk in clients.into_iter().chain([at_server]) {
        let status = desk.add(1, 2).await.unwrap_err();
        assert!(status.may_have_run(), "{status:?}");
    }
    assert_eq!(clerk.started(), 3);
}

#[tokio::test]
async fn a_call_of_which_one_attempt_ran_is_unknown_however_the_last_one_ended() {
    // The first attempt runs and fails; the second one has a header that is too large to be sent.
    let clerk = Clerk::new();
    let twice = from_fn(|call: Request, next| async move {
        let first = next.run(call.clone()).await;
        assert!(first.is_err_and(|status| status.may_have_run()));
        let mut second = call;
        second.metadata_mut().insert("large", "x".repeat(70_000));
        let second = next.run(second).await;
        assert!(second.as_ref().is_err_and(|status| !status.may_have_run()), "{second:?}");
        second
    });
    let (desk, _link2) = linked(server(&clerk), plain().layer(twice)).await;
    let status = desk.refuse("first".to_owned()).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, true));
    assert_eq!(clerk.started(), 1);
}

#[tokio::test]
async fn arguments_that_can_not_be_decoded_behind_a_layer_were_not_executed() {
    let passing = from_fn(|call, next| async move { next.run(call).await });
    let cutting = from_fn(|mut call: Request, next| async move {
        call.map_body(|_| Vec::new().into());
        next.run(call).await
    });
    let (desk, _link) = linked(server(&Clerk::new()).layer(passing), plain().layer(cutting)).await;
    let status = desk.add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::InvalidArgument, false));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_waits_is_ended_by_the_deadline() {
    let clerk = Clerk::new();
    let waiting = || from_fn(|_, _| std::future::pending());
    let (clients, _link) = both(&clerk, || plain().layer(waiting())).await;
    for desk in clients {
        let status = desk.add(1, 2).timeout(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false));
    }
    let (desk, _link) = linked(server(&clerk).layer(waiting()), plain()).await;
    let status = desk.add(1, 2).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(clerk.started(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_waits_after_the_handler_ran_is_ended_by_the_deadline_as_unknown() {
    let clerk = Clerk::new();
    let waiting = || {
        from_fn(|call, next| async move {
            next.run(call).await?;
            std::future::pending().await
        })
    };
    let (clients, _link) = both(&clerk, || plain().layer(waiting())).await;
    for desk in clients {
        let status = desk.add(1, 2).timeout(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_room_behind_a_layer_is_not_executed_and_names_the_limit() {
    let clerk = Clerk::new();
    let passing = from_fn(|call, next| async move { next.run(call).await });
    let server = server(&clerk).limits(rpc_runtime::Limits::default().in_flight(1));
    let (desk, _link) = linked(server, plain().layer(passing)).await;
    let _first = desk.wait().start();
    clerk.waiting(1).await;
    let status = desk.add(1, 2).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false));
    assert!(status.message().contains("in_flight"), "{status}");
}

#[tokio::test]
async fn a_status_that_a_servers_layer_got_from_a_call_of_its_own_loses_its_details() {
    let clerk = Clerk::new();
    let (other, _other) = linked(server(&clerk), plain()).await;
    let asking = from_fn(move |_, _| {
        let other = other.clone();
        async move { Err(other.refuse("elsewhere".to_owned()).await.expect_err("it refuses")) }
    });
    let (desk, _link) = linked(server(&clerk).layer(asking), plain()).await;
    let status = desk.add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.details()), (Code::NotFound, &[][..]));
    assert_eq!(status.message(), "Desk.refuse at mem://link: elsewhere");
    assert!(!status.may_have_run(), "no handler of this server was reached");
}

#[tokio::test(start_paused = true)]
async fn closing_the_channel_ends_what_waits_in_a_layer() {
    let clerk = Clerk::new();
    let waiting = || {
        from_fn(|call: Request, next| async move {
            if call.metadata().get("first").is_some() {
                next.run(call).await?;
            }
            std::future::pending().await
        })
    };
    let (clients, _link) = both(&clerk, || plain().layer(waiting())).await;
    for desk in clients {
        let (before, behind) = (
            desk.add(1, 2).timeout(Duration::from_secs(3_600)).start(),
            desk.add(1, 2).no_timeout().metadata("first", ""),
        );
        let close = async {
            // Paused time goes on once nothing else can.
            tokio::time::sleep(Duration::from_secs(1)).await;
            desk.channel().close();
        };
        let (before, behind, ()) = tokio::join!(before, behind, close);
        let (before, behind) = (before.unwrap_err(), behind.unwrap_err());
        assert_eq!((before.code(), before.may_have_run()), (Code::Cancelled, false));
        assert_eq!((behind.code(), behind.may_have_run()), (Code::Cancelled, true));
        let later = desk.add(1, 2).timeout(Duration::from_secs(3_600)).await.unwrap_err();
        assert_eq!((later.code(), later.may_have_run()), (Code::Cancelled, false));
    }
}

#[tokio::test]
async fn a_layer_that_panics_in_a_started_call_is_named_in_its_outcome() {
    let clerk = Clerk::new();
    let panicking = || from_fn(|_, _| async { panic!("on purpose") });
    let (clients, _link) = both(&clerk, || plain().layer(panicking())).await;
    for desk in clients {
        let status = desk.add(1, 2).start().await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Internal, true));
        assert!(status.message().contains("on purpose"), "{status}");
    }
}

#[tokio::test]
async fn a_status_is_cut_for_a_peer_that_grants_headers_longer_than_there_are() {
    let (near, far) = tokio::io::duplex(1 << 20);
    let mut peer = Peer::new(near);
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(server(&Clerk::new()).serve_connection(far, "raw"));
    peer.send(&raw::hello_granting(
        "json",
        r#"{"max_message":4194304,"request_window":4194304,"max_header":4294967295}"#,
    ))
    .await;
    peer.handshake().await;
    let body = format!("[\"{}\"]", "x".repeat(100_000)).into_bytes();
    let header = [raw::names("Desk", "refuse"), raw::field(5, &raw::varint(body.len() as u64))].concat();
    peer.send(&raw::in_parts(raw::REQUEST, 2, &header, &body)).await;
    let reply = peer.reply(2).await;
    assert_eq!(reply.code(), u64::from(Code::NotFound.number()));
    assert!((65_000..65_536).contains(&reply.message().len()), "{}", reply.message().len());
}
