//! What a channel offers: how it is registered, and when it can be reached.

use rpc_runtime::{Channel, ChannelBuilder, Code, Server, testing};

use super::{End, PartyClient, spawn, within};
use crate::faults::raw;

fn party() -> super::PartyServer<End> {
    End::new().service()
}

#[tokio::test]
async fn services_that_can_not_be_offered_are_an_error_when_the_channel_is_made() {
    let twice = || Channel::builder().service(party()).service(party());
    let bad = || Channel::builder().service(party().named("a.b"));
    let cases: [(&dyn Fn() -> ChannelBuilder, Code); 2] =
        [(&twice, Code::AlreadyExists), (&bad, Code::InvalidArgument)];
    for (builder, code) in cases {
        // Nobody is there: what can not be offered is told before anybody is dialled.
        let connected = builder().connect("mem://nobody-is-here").await.unwrap_err();
        let lazy = builder().lazy("mem://nobody-is-here").unwrap_err();
        let (ours, theirs) = tokio::io::duplex(4_096);
        let shaken = builder().handshake(ours, "pipe").await.unwrap_err();
        for status in [connected, lazy, shaken] {
            assert_eq!((status.code(), status.may_have_run()), (code, false), "{status}");
        }
        assert!(raw::Peer::new(theirs).rest().await.is_empty(), "nothing was sent");
    }
}

#[tokio::test]
async fn two_instances_of_one_service_are_offered_by_names() {
    let there = End::new();
    let channel = Channel::builder().service(party().named("left")).service(party().named("right"));
    let (channel, _link) = testing::link(Server::builder().service(there.service()), channel).await.unwrap();
    PartyClient::new(channel.clone()).meet().await.unwrap();
    let caller = there.met().channel().clone();
    for name in ["left", "right"] {
        assert_eq!(PartyClient::named(caller.clone(), name).add(1, 2).await.unwrap(), 3);
    }
    assert_eq!(PartyClient::new(caller).add(1, 2).await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn one_builder_makes_many_channels_that_offer_the_same() {
    let builder = Channel::builder().service(party());
    assert!(format!("{builder:?}").contains("\"Party\""), "{builder:?}");
    for _ in 0..3 {
        let server = Server::builder().service(party());
        let (channel, _link) = testing::link(server, builder.clone()).await.unwrap();
        assert_eq!(PartyClient::new(channel).ask(1, 60).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_lazy_channel_offers_its_services_once_it_has_dialled() {
    let server = Server::builder().service(party()).bind("mem://offers-lazily").await.unwrap();
    spawn(server.serve());
    let channel = Channel::builder().service(party()).lazy("mem://offers-lazily").unwrap();
    assert_eq!(within("the call", PartyClient::new(channel).ask(2, 60)).await.unwrap(), 2);
}
