//! Code of users in streams: what panics or fails there costs its own call, on either side, and the context is there.

use futures_util::StreamExt;
use rpc_runtime::{Code, Status, Streaming};

use super::{
    Linked, collect,
    service::{Failing, Fault, Fragile},
    within,
};

/// What came, and why it ended.
async fn fate(linked: &Linked, fault: Fault) -> (Vec<Fragile>, Option<Status>) {
    let stream: Streaming<Fragile> = linked.tides.fragile(fault).await.unwrap();
    within("the end", collect(stream)).await
}

#[tokio::test]
async fn a_servers_stream_that_panics_costs_its_own_call_behind_the_items_that_came() {
    let linked = Linked::new().await;
    for (fault, text) in [
        (Fault::PollPanics, "on purpose, in a poll"),
        (Fault::DropPanics, "on purpose, in a drop"),
        (Fault::SerializePanics, "on purpose, in serialize"),
        (Fault::SerializeFails, "on purpose"),
    ] {
        let (items, status) = fate(&linked, fault).await;
        let status = status.unwrap();
        assert_eq!(
            (items, status.code(), status.may_have_run()),
            (vec![Fragile(None)], Code::Internal, true),
            "{fault:?}"
        );
        assert!(status.message().contains(text), "{fault:?}: {status}");
        linked.is_as_before().await;
    }
}

#[tokio::test]
async fn a_clients_stream_that_fails_costs_its_own_call_and_ends_its_handler() {
    let linked = Linked::new().await;
    for (fault, code, text) in [
        (Fault::PollPanics, Code::Internal, "on purpose, in a poll"),
        (Fault::DropPanics, Code::Internal, "on purpose, in a drop"),
        (Fault::SerializePanics, Code::Internal, "on purpose, in serialize"),
        (Fault::SerializeFails, Code::InvalidArgument, "on purpose"),
    ] {
        let call = linked.tides.fragiles(linked.here.watched(Failing::new(fault)));
        let status = within("the end", call).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (code, true), "{fault:?}: {status}");
        assert!(status.message().contains(text), "{fault:?}: {status}");
        linked.is_as_before().await;
    }
}

#[tokio::test]
async fn a_clients_stream_that_panics_when_it_is_cancelled_harms_nobody() {
    let linked = Linked::new().await;
    let failing = Failing::new(Fault::DropPanics);
    let stream = super::silence::<Fragile>().inspect(move |_| {
        let _failing = &failing;
    });
    let call = linked.tides.fragiles(linked.here.watched(stream)).start();
    linked.here.live(2).await;
    drop(call);
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_servers_stream_is_polled_and_dropped_in_its_context() {
    let linked = Linked::new().await;
    let mut scenes = linked.tides.scene().await.unwrap();
    for _ in 0..3 {
        let scene = within("an item", scenes.next()).await.unwrap().unwrap();
        assert_eq!(scene, (Some("Tides.scene".to_owned()), false));
    }
    drop(scenes);
    assert_eq!(linked.here.dropped_in().await.0.as_deref(), Some("Tides.scene"));
    linked.is_as_before().await;
}
