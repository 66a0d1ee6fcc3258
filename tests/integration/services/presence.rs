//! The chat with presence: who is there, what all hear, and how it is noticed that one is gone.

use futures_util::stream as streams;
use rpc_runtime::{Channel, Server, Streaming, stream, testing};
use services::presence::{
    Event::{self, Joined, Left, Missed, Said},
    Lobby, NameTaken, RoomClient, RoomServer,
};

use super::{refused, take, within};

/// So many events the room keeps.
const KEPT: usize = 8;

/// A client with a connection of its own to this room.
async fn enter(lobby: &Lobby) -> (RoomClient, testing::Link) {
    let server = Server::builder().service(RoomServer::new(lobby.clone()));
    let (channel, link) = testing::link(server, Channel::builder()).await.unwrap();
    (RoomClient::new(channel), link)
}

/// A member that says nothing.
async fn listen(room: &RoomClient, name: &str) -> Streaming<Event> {
    within(room.join(name.to_owned(), streams::pending::<String>())).await.unwrap()
}

fn joined(name: &str) -> Event {
    Joined(name.to_owned())
}

fn left(name: &str) -> Event {
    Left(name.to_owned())
}

fn said(name: &str, text: &str) -> Event {
    Said(name.to_owned(), text.to_owned())
}

#[tokio::test]
async fn a_member_hears_all_that_is_said_and_its_own_words() {
    let lobby = Lobby::new(KEPT);
    let ((ada, _ada), (bob, _bob)) = (enter(&lobby).await, enter(&lobby).await);
    let (says, lines) = stream::channel(1);
    let mut ada_hears = ada.join("Ada".to_owned(), lines).await.unwrap();
    let mut bob_hears = listen(&bob, "Bob").await;
    says.send("Hello!".to_owned()).await.unwrap();
    assert_eq!(take(&mut ada_hears, 3).await, [joined("Ada"), joined("Bob"), said("Ada", "Hello!")]);
    assert_eq!(take(&mut bob_hears, 2).await, [joined("Bob"), said("Ada", "Hello!")]);
}

#[tokio::test]
async fn whoever_has_joined_is_online() {
    let lobby = Lobby::new(KEPT);
    let (room, _link) = enter(&lobby).await;
    assert!(room.online().await.unwrap().is_empty());
    let _members = (listen(&room, "Bob").await, listen(&room, "Ada").await);
    assert_eq!(room.online().await.unwrap(), ["Ada", "Bob"]);
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_costs_its_owner_nothing() {
    let lobby = Lobby::new(KEPT);
    let (room, _link) = enter(&lobby).await;
    let mut hears = listen(&room, "Ada").await;
    let again = room.join("Ada".to_owned(), streams::pending::<String>()).await;
    assert_eq!(refused(again.map(drop)), NameTaken);
    let _bob = listen(&room, "Bob").await;
    assert_eq!(take(&mut hears, 2).await, [joined("Ada"), joined("Bob")]);
}

#[tokio::test]
async fn a_member_that_drops_its_stream_leaves_and_its_name_is_free() {
    let lobby = Lobby::new(KEPT);
    let (room, _link) = enter(&lobby).await;
    let (mut hears, bob) = (listen(&room, "Ada").await, listen(&room, "Bob").await);
    drop(bob);
    assert_eq!(take(&mut hears, 3).await, [joined("Ada"), joined("Bob"), left("Bob")]);
    assert_eq!(room.online().await.unwrap(), ["Ada"]);
    let _bob = listen(&room, "Bob").await;
}

#[tokio::test]
async fn a_member_that_has_said_all_stays() {
    let lobby = Lobby::new(KEPT);
    let (room, _link) = enter(&lobby).await;
    let mut hears = room.join("Ada".to_owned(), streams::iter(["one".to_owned()])).await.unwrap();
    let _bob = {
        assert_eq!(take(&mut hears, 2).await, [joined("Ada"), said("Ada", "one")]);
        listen(&room, "Bob").await
    };
    assert_eq!(take(&mut hears, 1).await, [joined("Bob")]);
    assert_eq!(room.online().await.unwrap(), ["Ada", "Bob"]);
}

#[tokio::test]
async fn a_member_whose_connection_is_lost_leaves() {
    let lobby = Lobby::new(KEPT);
    let ((ada, _ada), (bob, link)) = (enter(&lobby).await, enter(&lobby).await);
    let (mut hears, _bob) = (listen(&ada, "Ada").await, listen(&bob, "Bob").await);
    drop(link);
    assert_eq!(take(&mut hears, 3).await, [joined("Ada"), joined("Bob"), left("Bob")]);
    assert_eq!(ada.online().await.unwrap(), ["Ada"]);
}

/// A member whose bytes do not come through any more although its connection stands, as when a cable is cut.
#[tokio::test(start_paused = true)]
async fn a_member_that_falls_silent_leaves_when_it_does_not_answer_the_keepalive() {
    let lobby = Lobby::new(KEPT);
    let (ada, _ada) = enter(&lobby).await;
    let mut hears = listen(&ada, "Ada").await;
    let (near, mut middle) = tokio::io::duplex(1 << 16);
    let (mut other_middle, far) = tokio::io::duplex(1 << 16);
    let server = Server::builder().service(RoomServer::new(lobby)).serve_connection(far, "cable");
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    let _serving = tokio::spawn(server);
    let joining = async {
        let bob = RoomClient::new(Channel::builder().handshake(near, "cable").await.unwrap());
        (listen(&bob, "Bob").await, bob)
    };
    let _bob = tokio::select! {
        bob = joining => bob,
        _ = tokio::io::copy_bidirectional(&mut middle, &mut other_middle) => unreachable!("nobody closes it"),
    };
    assert_eq!(take(&mut hears, 3).await, [joined("Ada"), joined("Bob"), left("Bob")]);
}

#[tokio::test]
async fn a_member_that_does_not_read_holds_up_nobody_and_is_told_that_it_missed_something() {
    const LINES: u64 = 500;
    let lobby = Lobby::new(KEPT);
    let ((ada, _ada), (bob, _bob)) = (enter(&lobby).await, enter(&lobby).await);
    let mut lagging = listen(&bob, "Bob").await;
    let (says, lines) = stream::channel(1);
    let mut hears = ada.join("Ada".to_owned(), lines).await.unwrap();
    take(&mut hears, 1).await;
    let text = "x".repeat(1_000);
    for _ in 0..LINES {
        within(says.send(text.clone())).await.unwrap();
        assert_eq!(take(&mut hears, 1).await, [said("Ada", &text)]);
    }
    assert_eq!(take(&mut lagging, 2).await, [joined("Bob"), joined("Ada")]);
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < LINES {
        match take(&mut lagging, 1).await.remove(0) {
            Missed(more) => missed += more,
            _ => heard += 1,
        }
    }
    assert!(missed > 0);
    assert_eq!(heard + missed, LINES);
}
