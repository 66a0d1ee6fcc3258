//! Orderly ends with calls back under way (A23, A24).

use std::time::Duration;

use rpc_runtime::{Channel, Code, ConnectionState, Drained, Server, ServerHandle, Status};
use tokio::task::JoinHandle;

use super::{End, Pair, PartyClient, spawn, within};
use crate::faults::raw::{self, GO_AWAY, Peer, REQUEST, UNAVAILABLE, frame, names};

struct Serving {
    there: End,
    here: End,
    client: PartyClient,
    handle: ServerHandle,
    server: JoinHandle<Result<Drained, Status>>,
}

async fn serving(drain: Duration) -> Serving {
    let (here, there) = (End::new(), End::new());
    let server = Server::builder().service(there.service()).drain_timeout(drain);
    let server = server.bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let server = spawn(server.serve());
    let channel = Channel::builder().service(here.service()).connect(&address).await.unwrap();
    Serving { there, here, client: PartyClient::new(channel), handle, server }
}

impl Serving {
    /// The client knows of the shutdown.
    async fn draining(&self) {
        let mut state = self.client.channel().watch_state();
        let draining = state.wait_for(|state| *state == ConnectionState::Draining);
        within("the good-bye", draining).await.expect("the sender is here");
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_lets_a_handler_have_the_answer_of_its_call_back() {
    let serving = serving(Duration::from_secs(30)).await;
    let running = serving.client.have_wait().start();
    serving.here.live(1).await;
    serving.handle.shut_down();
    serving.draining().await;
    serving.here.open_gate();
    assert_eq!(within("the call", running).await.unwrap(), 1);
    let drained = within("the server", serving.server).await.unwrap().unwrap();
    assert_eq!((drained.cut_connections, drained.cut_calls), (0, 0));
}

#[tokio::test]
async fn a_server_that_shuts_down_makes_no_new_calls_back_and_its_handlers_may_still_answer() {
    let serving = serving(Duration::from_secs(30)).await;
    serving.client.meet().await.unwrap();
    let running = serving.client.wait().start();
    serving.there.live(1).await;
    serving.handle.shut_down();
    serving.draining().await;
    let refused = within("the call back", serving.there.met().add(1, 2)).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::Unavailable, false));
    assert!(refused.message().contains("this side is shutting down"), "{refused}");
    serving.there.open_gate();
    assert_eq!(within("the call", running).await.unwrap(), 1);
    let drained = within("the server", serving.server).await.unwrap().unwrap();
    assert_eq!(drained.cut_calls, 0);
}

#[tokio::test]
async fn a_call_back_that_is_not_answered_while_the_server_drains_is_cut_off() {
    let serving = serving(Duration::from_millis(50)).await;
    let running = serving.client.have_wait().no_timeout().start();
    serving.here.live(1).await;
    serving.handle.shut_down();
    let drained = within("the server", serving.server).await.unwrap().unwrap();
    assert_eq!((drained.cut_connections, drained.cut_calls), (1, 1));
    assert_eq!(within("the call", running).await.unwrap_err().code(), Code::Unavailable);
    serving.here.live(0).await;
    serving.there.live(0).await;
}

#[tokio::test]
async fn a_client_that_closes_while_it_serves_a_call_back_drops_that_handler_and_the_call_back_ends_at_once() {
    let Pair { here, there, client, link } = Pair::new().await;
    client.meet().await.unwrap();
    let theirs = there.met().wait().no_timeout().start();
    here.live(1).await;
    client.channel().close();
    let status = within("the call back", theirs).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
    here.live(0).await;
    let reason = within("the end", link.ended()).await;
    assert!(reason.message().contains("closing"), "{reason}");
}

#[tokio::test]
async fn a_client_that_drops_its_last_channel_while_it_serves_a_call_back_ends_the_connection() {
    let Pair { here, there, client, link } = Pair::new().await;
    client.meet().await.unwrap();
    let theirs = there.met().wait().no_timeout().start();
    here.live(1).await;
    drop(client);
    let status = within("the call back", theirs).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
    here.live(0).await;
    within("the end", link.ended()).await;
}

/// The handler at the client makes a call of its own back. That ends as closed here, which the handler may pass on
/// before it is dropped itself.
#[tokio::test]
async fn a_client_that_closes_within_calls_back_and_forth_ends_all_of_them() {
    let Pair { here, there, client, link } = Pair::new().await;
    client.meet().await.unwrap();
    // There, here, there: the last one waits.
    let nested = there.met().have_wait().no_timeout().start();
    here.live(1).await;
    there.live(1).await;
    client.channel().close();
    let status = within("the outer call", nested).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled) && status.may_have_run(), "{status}");
    here.live(0).await;
    there.live(0).await;
    within("the end", link.ended()).await;
}

/// A23: a client that has said good-bye serves no more, and still gets its answer.
#[tokio::test]
async fn a_call_back_to_a_client_that_has_said_good_bye_is_refused_here_and_its_own_call_is_answered() {
    let (ours, theirs) = tokio::io::duplex(4_096);
    spawn(Server::builder().service(End::new().service()).serve_connection(theirs, "raw"));
    let mut peer = Peer::new(ours);
    peer.dial("json").await;
    let ask = |id| frame(REQUEST, 0, id, &names("Party", "ask"), b"[1,60]");
    peer.send(&[ask(2), raw::go_away()].concat()).await;
    peer.end().await;
    let frames = raw::frames(&peer.rest().await);
    let reply = frames.iter().find(|frame| frame.id == 2).unwrap();
    assert_eq!(reply.code(), UNAVAILABLE);
    assert!(!frames.iter().any(|frame| frame.kind == REQUEST), "{frames:?}");
    assert_eq!(frames.iter().filter(|frame| frame.kind == GO_AWAY && frame.code() == 0).count(), 1);
}
