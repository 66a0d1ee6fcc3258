//! Callers that are not there, not there any more, or offer nothing: a call back ends at once and says so.

use std::time::Duration;

use rpc_runtime::{Channel, Code, ConnectionState, Context, Server, Status, rpc_service, testing};
use tokio::{io::duplex, sync::oneshot, task::JoinHandle, time::Instant};

use super::{End, Pair, PartyClient, spawn, within};
use crate::faults::raw::{Peer, REQUEST, frame, names};

/// A client and its server with a cable between them that can be cut: both read the end without a good-bye.
async fn with_cable(here: &End, there: &End) -> (PartyClient, JoinHandle<()>) {
    let ((ours, mut near), (mut far, theirs)) = (duplex(4_096), duplex(4_096));
    spawn(Server::builder().service(there.service()).serve_connection(theirs, "cable"));
    let cable = spawn(async move {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let channel = Channel::builder().service(here.service()).handshake(ours, "cable").await.unwrap();
    (PartyClient::new(channel), cable)
}

#[tokio::test(start_paused = true)]
async fn a_call_back_under_way_ends_at_once_as_unknown_when_the_client_crashes() {
    let (here, there) = (End::new(), End::new());
    let (client, cable) = with_cable(&here, &there).await;
    client.meet().await.unwrap();
    let caller = there.met();
    let kept = spawn(caller.wait().no_timeout().start());
    here.live(1).await;
    let began = Instant::now();
    cable.abort();
    let lost = within("the call back", kept).await.unwrap().unwrap_err();
    assert_eq!((lost.code(), lost.may_have_run()), (Code::Unavailable, true), "{lost}");
    let later = within("a later one", caller.add(1, 2)).await.unwrap_err();
    assert_eq!((later.code(), later.may_have_run()), (Code::Unavailable, false), "{later}");
    assert!(later.message().contains("the connection was lost"), "{later}");
    assert_eq!(later.method(), Some("Party.add"));
    assert_eq!(began.elapsed(), Duration::ZERO);
    // And what it served for the other end is dropped.
    here.live(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_its_caller_is_dropped_when_the_caller_crashes() {
    let (here, there) = (End::new(), End::new());
    let (client, cable) = with_cable(&here, &there).await;
    let running = client.have_wait().no_timeout().start();
    here.live(1).await;
    there.live(1).await;
    cable.abort();
    let lost = within("the call", running).await.unwrap_err();
    assert_eq!((lost.code(), lost.may_have_run()), (Code::Unavailable, true), "{lost}");
    here.live(0).await;
    there.live(0).await;
}

/// A client that is frozen, not closed: keepalive finds out, for calls in flight are those of either direction.
#[tokio::test(start_paused = true)]
async fn a_call_back_to_a_client_that_is_silent_ends_when_its_connection_is_given_up() {
    let there = End::new();
    let (ours, theirs) = duplex(4_096);
    spawn(Server::builder().service(there.service()).serve_connection(theirs, "silent"));
    let mut peer = Peer::new(ours);
    peer.dial("json").await;
    peer.send(&frame(REQUEST, 0, 2, &names("Party", "meet"), b"[]")).await;
    peer.reply(2).await;
    let began = Instant::now();
    let lost = within("the call back", there.met().wait().no_timeout()).await.unwrap_err();
    assert_eq!((lost.code(), lost.may_have_run()), (Code::Unavailable, true), "{lost}");
    assert!(lost.message().contains("no answer to keepalive"), "{lost}");
    assert!((40..50).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_caller_that_does_not_offer_the_service_is_told_of_by_its_name() {
    let (channel, _link) =
        testing::link(Server::builder().service(End::new().service()), Channel::builder()).await.unwrap();
    let there = PartyClient::new(channel).ask(1, 60).await.unwrap_err();
    assert_eq!(there.code(), Code::Unimplemented);
    let text = "Party.ask at mem://link: there is no service \"Party\" here";
    assert!(there.message().contains(text), "{there}");
}

#[tokio::test]
async fn a_service_that_is_not_offered_has_certainly_not_run() {
    let there = End::new();
    let server = Server::builder().service(there.service());
    let (channel, _link) = testing::link(server, Channel::builder()).await.unwrap();
    PartyClient::new(channel.clone()).meet().await.unwrap();
    let status = there.met().add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unimplemented, false));
}

#[tokio::test]
async fn where_no_call_is_served_there_is_no_caller() {
    let nobody = Channel::caller();
    let status = PartyClient::new(nobody.clone()).add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::FailedPrecondition, false));
    assert!(status.to_string().contains("Party.add at caller: there is no caller here"), "{status}");
    let started = PartyClient::new(nobody.clone()).add(1, 2).start();
    assert_eq!(within("the started one", started).await.unwrap_err().code(), Code::FailedPrecondition);
    assert!(matches!(nobody.state(), ConnectionState::Closed(_)));
    nobody.close();
    assert_eq!((nobody.outstanding_calls(), nobody.stats().connections), (0, 0));
}

#[rpc_service]
trait Keeper {
    /// Keeps its context.
    async fn keep(&self);
}

struct Keeping(std::sync::Mutex<Option<oneshot::Sender<Context>>>);

impl Keeper for Keeping {
    async fn keep(&self) {
        if let Some(tx) = self.0.lock().unwrap().take() {
            let _ = tx.send(Context::current().detached());
        }
    }
}

/// Nothing of the connection is left but the context.
#[tokio::test]
async fn a_context_that_outlives_its_connection_leads_to_a_caller_that_is_gone() {
    let (tx, rx) = oneshot::channel();
    let server = Server::builder().service(KeeperServer::new(Keeping(std::sync::Mutex::new(Some(tx)))));
    let (channel, link) = testing::link(server, Channel::builder().service(End::new().service())).await.unwrap();
    KeeperClient::new(channel.clone()).keep().await.unwrap();
    let context = rx.await.unwrap();
    let call = || context.scope(async { PartyClient::new(Channel::caller()).add(1, 2).await });
    assert_eq!(call().await.unwrap(), 3);
    drop(channel);
    within("the end", link.ended()).await;
    let gone = within("the call", call()).await.unwrap_err();
    assert_eq!((gone.code(), gone.may_have_run()), (Code::Unavailable, false), "{gone}");
    assert_eq!(gone.address(), Some("mem://link"));
}

#[tokio::test]
async fn a_channel_to_the_caller_neither_keeps_the_connection_nor_ends_it() {
    let Pair { there, client, link, .. } = Pair::new().await;
    client.meet().await.unwrap();
    let kept = there.met();
    let mut state = kept.channel().watch_state();
    assert_eq!(kept.channel().state(), ConnectionState::Ready);
    // Many made and dropped.
    client.ask(10, 60).await.unwrap();
    assert_eq!(kept.add(1, 2).await.unwrap(), 3);
    drop(client);
    let reason = within("the end", link.ended()).await;
    assert_eq!(reason.code(), Code::Unavailable);
    let closed = within("its state", state.wait_for(|state| matches!(state, ConnectionState::Closed(_)))).await;
    assert!(closed.is_ok());
    assert_eq!(kept.add(1, 2).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn closing_the_channel_to_the_caller_ends_the_connection_and_all_calls_on_it() {
    let Pair { here, there, client, link } = Pair::new().await;
    client.meet().await.unwrap();
    let ours = client.wait().start();
    there.live(1).await;
    let theirs = there.met().wait().start();
    here.live(1).await;
    there.met().channel().close();
    let status = within("their call", theirs).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, true));
    let status = within("our call", ours).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
    here.live(0).await;
    there.live(0).await;
    within("the end", link.ended()).await;
    assert_eq!(client.add(1, 2).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_server_that_is_stopped_ends_its_calls_back_and_lets_the_handlers_at_the_client_go() {
    let Pair { here, there, client, link } = Pair::new().await;
    client.meet().await.unwrap();
    let theirs = there.met().wait().no_timeout().start();
    here.live(1).await;
    drop(link);
    assert_eq!(within("the call back", theirs).await.unwrap_err().code(), Code::Unavailable);
    here.live(0).await;
    assert_eq!(within("a later one", there.met().add(1, 2)).await.unwrap_err().code(), Code::Unavailable);
}

/// A33: no panic, and nobody waits.
#[test]
fn the_runtime_of_a_client_is_shut_down_while_it_serves_a_call_back_and_waits_for_one() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (servers, clients) = (runtime(), runtime());
    let (here, there) = (End::new(), End::new());
    let service = there.service();
    let address = servers.block_on(async {
        let server = Server::builder().service(service).bind("tcp://127.0.0.1:0").await.unwrap();
        let address = server.local_address().to_owned();
        spawn(server.serve());
        address
    });
    let (client, running) = clients.block_on(async {
        let channel = Channel::builder().service(here.service()).connect(&address).await.unwrap();
        let client = PartyClient::new(channel);
        client.meet().await.unwrap();
        let running = client.have_wait().no_timeout().start();
        here.live(1).await;
        (client, running)
    });
    let theirs = there.met().wait().no_timeout();
    clients.shutdown_timeout(Duration::from_secs(10));
    servers.block_on(async {
        let ended: Result<u64, Status> = within("the call back", theirs).await;
        assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
        assert_eq!(within("our call", running).await.unwrap_err().code(), Code::Unavailable);
        here.live(0).await;
        there.live(0).await;
    });
    drop(client);
}
