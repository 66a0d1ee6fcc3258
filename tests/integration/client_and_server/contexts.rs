//! What a handler knows of its call, what its own calls inherit, and what outlives it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_runtime::{Channel, Code, Context, Server, Status, rpc_service};
use tokio::sync::oneshot;

use super::{Here, ProbeClient, Scene, client, serve, spawn, within};

#[tokio::test(start_paused = true)]
async fn a_handler_knows_its_peer_its_method_its_deadline_and_the_metadata_of_call_and_connection() {
    let (address, _server) = serve(&Here::new(), "mem://scene").await;
    let builder = Channel::builder().metadata("Token", "secret").metadata("region", "north");
    let probe = ProbeClient::new(builder.connect(&address).await.unwrap());
    let scene = probe.scene().timeout(Duration::from_secs(5)).metadata("tenant", "7").await.unwrap();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = Scene {
        peer: Some(address),
        method: Some("Probe.scene".to_owned()),
        remaining: Some(Duration::from_secs(5)),
        metadata: vec![pair("tenant", "7")],
        connection_metadata: vec![pair("region", "north"), pair("token", "secret")],
        cancelled: false,
    };
    assert_eq!(scene, expected);
    assert_eq!(probe.scene().no_timeout().await.unwrap().remaining, None);
    assert_eq!(probe.scene().await.unwrap().remaining, Some(Duration::from_secs(30)), "the default");
}

#[tokio::test]
async fn a_peer_over_tcp_is_named_by_its_address() {
    let (address, _server) = serve(&Here::new(), "tcp://127.0.0.1:0").await;
    let peer = client(&address).await.scene().await.unwrap().peer.unwrap();
    assert!(peer.starts_with("tcp://127.0.0.1:") && peer != address, "{peer}");
}

#[tokio::test]
async fn there_is_no_context_outside_of_handlers() {
    let context = Context::current();
    assert!(context.is_empty() && !context.is_cancelled());
    assert_eq!((context.peer(), context.deadline(), context.remaining()), (None, None, None));
    assert!(context.method().is_none() && context.metadata().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_has_no_more_time_than_is_left_and_no_more_than_its_own() {
    let (front, _front) = serve(&Here::new(), "mem://nested-front").await;
    let (back, _back) = serve(&Here::new(), "mem://nested-back").await;
    let probe = client(&front).await;
    let nested = |own_ms| probe.nested(back.clone(), own_ms).timeout(Duration::from_secs(5)).metadata("a", "b");
    let longer = nested(60_000).await.unwrap();
    assert_eq!(longer.remaining, Some(Duration::from_secs(5)), "the call's own minute does not count");
    assert_eq!(longer.metadata, [], "metadata is not inherited");
    assert_eq!(nested(2_000).await.unwrap().remaining, Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn a_nested_call_carries_the_trace_of_the_call_it_is_made_in() {
    let (front, _front) = serve(&Here::new(), "mem://trace-front").await;
    let (back, _back) = serve(&Here::new(), "mem://trace-back").await;
    let nested = client(&front).await.nested(back, 1_000).metadata("traceparent", "00-1-2-01").await.unwrap();
    assert_eq!(nested.metadata, [("traceparent".to_owned(), "00-1-2-01".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_that_hangs_ends_with_the_call_it_is_made_in() {
    let back = Here::new();
    let (back_address, _back) = serve(&back, "mem://hanging-back").await;
    let front = Server::builder().service(RelayServer::new(ToHang(client(&back_address).await)));
    spawn(front.bind("mem://hanging-front").await.unwrap().serve());
    let relay = RelayClient::new(Channel::connect("mem://hanging-front").await.unwrap());
    let running = relay.relay().timeout(Duration::from_secs(2)).start();
    back.live(1).await;
    let status = within("the outer call", running).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    back.live(0).await;
    let running = relay.relay().start();
    back.live(1).await;
    drop(running);
    back.live(0).await;
}

#[rpc_service]
trait Relay {
    async fn relay(&self) -> Result<(), Status>;
}

/// Calls the server behind, for ever.
struct ToHang(ProbeClient);

impl Relay for ToHang {
    async fn relay(&self) -> Result<(), Status> {
        self.0.hang().no_timeout().await
    }
}

#[rpc_service]
trait Background {
    /// Spawns tasks in the context, and returns once `hold` is over.
    async fn spawn(&self, hold: bool);
}

/// What the tasks of a handler saw.
#[derive(Default)]
struct Tasks {
    scoped: Option<oneshot::Sender<Scene>>,
    plain: Option<oneshot::Sender<bool>>,
    cancelled: Option<oneshot::Sender<()>>,
    detached: Option<oneshot::Sender<Scene>>,
}

#[derive(Clone, Default)]
struct Spawner(Arc<Mutex<Tasks>>);

impl Background for Spawner {
    async fn spawn(&self, hold: bool) {
        let tasks = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        let context = Context::current();
        if let Some(tx) = tasks.scoped {
            spawn(context.scope(async { tx.send(Scene::of(&Context::current())) }));
        }
        if let Some(tx) = tasks.plain {
            spawn(async { tx.send(Context::current().is_empty()) });
        }
        if let Some(tx) = tasks.cancelled {
            let context = context.clone();
            spawn(async move {
                context.cancelled().await;
                tx.send(())
            });
        }
        if let Some(tx) = tasks.detached {
            let (ended, detached) = (context.clone(), context.detached());
            spawn(async move {
                ended.cancelled().await;
                tx.send(detached.scope(async { Scene::of(&Context::current()) }).await)
            });
        }
        if hold {
            std::future::pending::<()>().await;
        }
    }
}

async fn background(address: &str, tasks: Tasks) -> BackgroundClient {
    let spawner = Spawner(Arc::new(Mutex::new(tasks)));
    spawn(
        Server::builder()
            .service(BackgroundServer::new(spawner))
            .bind(address)
            .await
            .expect("the address is free")
            .serve(),
    );
    BackgroundClient::new(Channel::connect(address).await.expect("it connects"))
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_has_the_context_only_when_it_is_scoped() {
    let ((scoped, scene), (plain, empty)) = (oneshot::channel(), oneshot::channel());
    let tasks = Tasks { scoped: Some(scoped), plain: Some(plain), ..Tasks::default() };
    let client = background("mem://scoped", tasks).await;
    let running = client.spawn(true).timeout(Duration::from_secs(5)).metadata("k", "v").start();
    let scene = within("the scoped task", scene).await.unwrap();
    assert_eq!((scene.method.as_deref(), scene.metadata.len()), (Some("Background.spawn"), 1));
    assert_eq!(scene.remaining, Some(Duration::from_secs(5)));
    assert!(within("the other task", empty).await.unwrap());
    drop(running);
}

#[tokio::test]
async fn a_task_is_told_when_the_call_is_answered() {
    let (tx, told) = oneshot::channel();
    let client = background("mem://told-answered", Tasks { cancelled: Some(tx), ..Tasks::default() }).await;
    client.spawn(false).await.unwrap();
    within("the task", told).await.unwrap();
}

#[tokio::test]
async fn a_task_is_told_when_the_caller_cancels_or_its_time_is_over_or_the_connection_is_lost() {
    for case in ["cancels", "times-out", "leaves"] {
        let ((tx, mut told), (scoped, began)) = (oneshot::channel(), oneshot::channel());
        let tasks = Tasks { cancelled: Some(tx), scoped: Some(scoped), ..Tasks::default() };
        let client = background(&format!("mem://told-{case}"), tasks).await;
        let time = Duration::from_millis(if case == "times-out" { 50 } else { 60_000 });
        let running = client.spawn(true).timeout(time).start();
        within("the handler", began).await.unwrap();
        match case {
            "cancels" => drop(running),
            "times-out" => assert_eq!(running.await.unwrap_err().code(), Code::DeadlineExceeded),
            _ => {
                assert!(told.try_recv().is_err(), "the call goes on");
                client.channel().close();
            }
        }
        within(case, told).await.unwrap();
    }
}

#[tokio::test]
async fn a_detached_context_outlives_its_call_without_its_deadline() {
    let (tx, scene) = oneshot::channel();
    let client = background("mem://detached", Tasks { detached: Some(tx), ..Tasks::default() }).await;
    client.spawn(false).metadata("k", "v").await.unwrap();
    let scene = within("the task", scene).await.unwrap();
    assert_eq!((scene.method.as_deref(), scene.metadata.len()), (Some("Background.spawn"), 1));
    assert_eq!((scene.remaining, scene.cancelled), (None, false));
}
