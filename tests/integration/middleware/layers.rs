//! What a layer sees and what it can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use rpc_runtime::{
    CallError, Code, Context, Status,
    middleware::{Body, Request, Side, from_fn},
    rpc_service,
};

use super::{Clerk, DeskClient, Name, Notes, Reason, both, linked, plain, server};

#[tokio::test]
async fn the_first_layer_added_sees_a_call_first_and_its_outcome_last_on_both_sides() {
    let notes = Notes::default();
    let noting = |name: &'static str| {
        let notes = notes.clone();
        from_fn(move |call, next| {
            let notes = notes.clone();
            async move {
                notes.add(format!("{name} in"));
                let outcome = next.run(call).await;
                notes.add(format!("{name} out"));
                outcome
            }
        })
    };
    let server = server(&Clerk::new()).layer(noting("server 1")).layer(noting("server 2"));
    let channel = plain().layer(noting("client 1")).layer(noting("client 2"));
    let (desk, _link) = linked(server, channel).await;
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
    let expected = ["client 1 in", "client 2 in", "server 1 in", "server 2 in"];
    let back = ["server 2 out", "server 1 out", "client 2 out", "client 1 out"];
    assert_eq!(notes.take(), [expected, back].concat());
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_method_metadata_deadline_and_ends_on_both_sides() {
    let notes = Notes::default();
    let noting = {
        let notes = notes.clone();
        from_fn(move |call: Request, next| {
            notes.add(format!(
                "{:?} {} {} {} {:?} {:?} {}",
                call.side(),
                call.service(),
                call.method().full_name,
                call.peer(),
                call.remaining(),
                call.metadata(),
                call.body().bytes().len(),
            ));
            async move { next.run(call).await }
        })
    };
    let (desk, _link) = linked(server(&Clerk::new()).layer(noting.clone()), plain().layer(noting)).await;
    desk.add(1, 2).timeout(Duration::from_secs(5)).metadata("tenant", "7").await.unwrap();
    let tail = "Desk Desk.add mem://link Some(5s) {\"tenant\": \"7\"} 2";
    assert_eq!(notes.take(), [format!("{:?} {tail}", Side::Client), format!("{:?} {tail}", Side::Server)]);
    desk.add(1, 2).no_timeout().await.unwrap();
    assert!(notes.take().iter().all(|note| note.contains(" None {} ")));
}

#[tokio::test]
async fn a_layer_can_answer_by_itself() {
    let clerk = Clerk::new();
    let answering = || from_fn(|call: Request, _| async move { call.answer(&42_u64) });
    let (clients, _link) = both(&clerk, || plain().layer(answering())).await;
    for desk in clients {
        assert_eq!(desk.add(1, 2).await.unwrap(), 42);
    }
    let (desk, _link) = linked(server(&clerk).layer(answering()), plain()).await;
    assert_eq!(desk.add(1, 2).await.unwrap(), 42);
    assert_eq!(clerk.started(), 0);
}

#[tokio::test]
async fn a_layer_can_change_metadata_on_the_way_and_on_the_way_back() {
    let stamping = |name: &'static str| {
        from_fn(move |mut call: Request, next| async move {
            let so_far = call.metadata().get("way").unwrap_or_default().to_owned();
            call.metadata_mut().insert("way", format!("{so_far}{name}"));
            call.metadata_mut().remove("secret");
            let mut response = next.run(call).await?;
            response.metadata_mut().append("back", name);
            Ok(response)
        })
    };
    let (desk, _link) = linked(server(&Clerk::new()).layer(stamping("s")), plain().layer(stamping("c"))).await;
    let (seen, metadata) = desk.seen("way".to_owned()).metadata("secret", "x").with_response_metadata().await;
    assert_eq!(seen.unwrap().as_deref(), Some("cs"));
    let entries: Vec<_> = metadata.iter().collect();
    assert_eq!(entries, [("seen", "way"), ("back", "s"), ("back", "c")]);
    assert_eq!(desk.seen("secret".to_owned()).metadata("secret", "x").await.unwrap(), None);
}

#[tokio::test]
async fn a_layer_can_wrap_the_body_in_both_directions() {
    fn flip(body: Body) -> Body {
        body.into_bytes().into_iter().map(|byte| !byte).collect::<Vec<_>>().into()
    }
    let flipping = || {
        from_fn(|mut call: Request, next| async move {
            call.map_body(flip);
            let mut response = next.run(call).await?;
            response.map_body(flip);
            Ok(response)
        })
    };
    let clerk = Clerk::new();
    let (desk, _link) = linked(server(&clerk).layer(flipping()), plain().layer(flipping())).await;
    assert_eq!(desk.echo(vec![1, 2, 3]).await.unwrap(), [1, 2, 3]);
    let failed = desk.fail("why".to_owned()).await;
    assert!(matches!(failed, Err(CallError::Service(Reason(reason))) if reason == "why"));
    let (desk, _link) = linked(server(&clerk), plain().layer(flipping())).await;
    assert!(desk.echo(vec![1, 2, 3]).await.is_err(), "the body was flipped, and nobody flipped it back");
}

#[tokio::test]
async fn a_layer_can_leave_a_value_for_the_handler() {
    let naming = from_fn(|mut call: Request, next| async move {
        call.insert(Name("Ada".to_owned()));
        assert_eq!(call.get::<Name>().expect("it was left").0, "Ada");
        next.run(call).await
    });
    let (desk, _link) = linked(server(&Clerk::new()).layer(naming), plain()).await;
    assert_eq!(desk.who().await.unwrap().as_deref(), Some("Ada"));
    let (desk, _link) = linked(server(&Clerk::new()), plain()).await;
    assert_eq!(desk.who().await.unwrap(), None);
}

#[tokio::test]
async fn a_layer_can_send_a_call_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let flaky = from_fn(move |call: Request, next| {
        let first = count.fetch_add(1, SeqCst) == 0;
        async move { if first { Err(Status::unavailable("not yet")) } else { next.run(call).await } }
    });
    let again = from_fn(|call: Request, next| async move {
        match next.run(call.clone()).await {
            Err(status) if !status.may_have_run() => next.run(call).await,
            outcome => outcome,
        }
    });
    let clerk = Clerk::new();
    let (desk, _link) = linked(server(&clerk).layer(flaky), plain().layer(again)).await;
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
    assert_eq!((tries.load(SeqCst), clerk.started()), (2, 1));
}

#[tokio::test]
async fn a_started_call_goes_through_the_layers_without_being_polled() {
    let clerk = Clerk::new();
    let (clients, _link) =
        both(&clerk, || plain().layer(from_fn(|call, next| async move { next.run(call).await }))).await;
    for desk in clients {
        let running = desk.wait().start();
        clerk.waiting(1).await;
        drop(running);
        clerk.waiting(0).await;
    }
}

#[tokio::test]
async fn dropping_a_call_drops_the_layers_and_the_handler() {
    struct Dropped(Notes);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let (clerk, notes) = (Clerk::new(), Notes::default());
    let noting = |notes: &Notes| {
        let notes = notes.clone();
        from_fn(move |call, next| {
            let dropped = Dropped(notes.clone());
            async move {
                let outcome = next.run(call).await;
                drop(dropped);
                outcome
            }
        })
    };
    let (desk, _link) = linked(server(&clerk).layer(noting(&notes)), plain().layer(noting(&notes))).await;
    let mut call = Box::pin(desk.wait());
    tokio::select! {
        _ = &mut call => panic!("it waits"),
        () = clerk.waiting(1) => {}
    }
    drop(call);
    clerk.waiting(0).await;
    // The next call is answered after the last one's handler was dropped.
    desk.add(1, 2).await.unwrap();
    assert_eq!(notes.take().len(), 4, "two of the dropped call, two of the next");
}

#[tokio::test]
async fn the_context_of_a_call_is_there_in_a_servers_layers() {
    let asking = from_fn(|call: Request, next| async move {
        let context = Context::current();
        context.set_response_metadata("layer", context.method().expect("there is one").name);
        assert_eq!(context.peer(), Some(call.peer()));
        next.run(call).await
    });
    let (desk, _link) = linked(server(&Clerk::new()).layer(asking), plain()).await;
    let (_, metadata) = desk.seen("x".to_owned()).with_response_metadata().await;
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("layer", "seen"), ("seen", "x")]);
}

#[tokio::test]
async fn a_layer_that_panics_at_the_server_costs_its_call_only() {
    let panicking = from_fn(|call: Request, next| async move {
        assert!(call.metadata().get("panic").is_none(), "on purpose");
        next.run(call).await
    });
    let (desk, _link) = linked(server(&Clerk::new()).layer(panicking), plain()).await;
    let (failed, fine) = tokio::join!(desk.add(1, 2).metadata("panic", ""), desk.add(1, 2));
    assert_eq!(failed.unwrap_err().code(), Code::Internal);
    assert_eq!(fine.unwrap(), 3);
}

#[tokio::test]
async fn a_lazy_channel_dials_with_the_first_call_that_comes_through_its_layers() {
    let passing = from_fn(|call, next| async move { next.run(call).await });
    let bound = server(&Clerk::new()).bind("mem://layered-lazy").await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(bound.serve());
    let desk = DeskClient::new(plain().layer(passing).lazy("mem://layered-lazy").unwrap());
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
}

#[rpc_service]
trait Counter {
    /// Starts a call at a desk and gives its outcome.
    async fn ask(&self) -> Result<Option<String>, Status>;
}

struct Clerkless(DeskClient);

impl Counter for Clerkless {
    async fn ask(&self) -> Result<Option<String>, Status> {
        self.0.seen("within".to_owned()).start().await
    }
}

#[tokio::test]
async fn the_layers_of_a_started_call_see_the_context_in_which_it_was_started() {
    let telling = from_fn(|mut call: Request, next| {
        let within = Context::current().method().map_or("nothing", |method| method.full_name);
        call.metadata_mut().insert("within", within);
        async move { next.run(call).await }
    });
    let (desk, _link) = linked(server(&Clerk::new()), plain().layer(telling)).await;
    let counter = CounterClient::from_service(Clerkless(desk));
    assert_eq!(counter.ask().await.unwrap().as_deref(), Some("Counter.ask"));
}
