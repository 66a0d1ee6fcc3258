//! Calls back without a connection: a channel to a service in the same process offers services of its own.

use std::sync::Arc;

use rpc_runtime::{Channel, ChannelBuilder, Code, CodecKind, ConnectionState};

use super::{End, PartyClient, spawn, within};

fn pair(builder: ChannelBuilder) -> (End, End, PartyClient) {
    let (here, there) = (End::new(), End::new());
    let channel = builder.service(here.service()).in_process(there.service());
    (here, there, PartyClient::new(channel))
}

#[tokio::test]
async fn calls_go_back_and_forth_in_the_same_process() {
    for codec in [CodecKind::Bincode, CodecKind::Json] {
        let (_, there, client) = pair(Channel::builder().codec(codec));
        assert_eq!(within("the call", client.ask(9, 60)).await.unwrap(), 9);
        client.meet().await.unwrap();
        assert_eq!(there.met().ask(9, 60).await.unwrap(), 9, "{codec:?}");
    }
}

#[tokio::test]
async fn a_channel_in_process_that_offers_nothing_is_told_of_by_the_name_of_the_service() {
    let client = PartyClient::from_service(End::new());
    let status = client.ask(1, 60).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("there is no service \"Party\" here"), "{status}");
}

#[tokio::test]
async fn services_that_can_not_be_offered_fail_every_call_in_process() {
    let builder = Channel::builder().service(End::new().service()).service(End::new().service());
    let client = PartyClient::new(builder.in_process(End::new().service()));
    let status = client.add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::AlreadyExists, false));
}

/// However the owner leaves, calls back of tasks end at once.
#[tokio::test]
async fn a_channel_in_process_that_is_closed_or_dropped_ends_the_calls_back() {
    for close in [true, false] {
        let (here, there, client) = pair(Channel::builder());
        client.meet().await.unwrap();
        let kept = there.met();
        let running = spawn(kept.wait().no_timeout().start());
        here.live(1).await;
        if close {
            client.channel().close();
        } else {
            drop(client);
        }
        let ended = within("the call back", running).await.unwrap().unwrap_err();
        assert_eq!((ended.code(), ended.may_have_run()), (Code::Unavailable, true), "{ended}");
        here.live(0).await;
        let later = kept.add(1, 2).await.unwrap_err();
        assert_eq!((later.code(), later.may_have_run()), (Code::Unavailable, false), "{later}");
        assert!(matches!(kept.channel().state(), ConnectionState::Closed(_)));
    }
}

#[tokio::test]
async fn closing_the_channel_to_the_caller_in_process_closes_the_callers_too() {
    let (_, there, client) = pair(Channel::builder());
    client.meet().await.unwrap();
    let running = spawn(client.wait().start());
    there.live(1).await;
    there.met().channel().close();
    assert_eq!(within("the call", running).await.unwrap().unwrap_err().code(), Code::Unavailable);
    there.live(0).await;
    assert_eq!(client.add(1, 2).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(there.met().add(1, 2).await.unwrap_err().code(), Code::Cancelled);
    assert!(matches!(client.channel().state(), ConnectionState::Closed(_)));
}

#[tokio::test]
async fn nothing_is_left_of_both_ends_when_the_channel_is_dropped() {
    let (here, there, client) = pair(Channel::builder());
    client.ask(3, 60).await.unwrap();
    client.meet().await.unwrap();
    drop(client);
    // The kept channel to the caller keeps neither end.
    assert!(!there.met.lock().unwrap().is_empty());
    assert_eq!((Arc::strong_count(&here.gate), Arc::strong_count(&there.gate)), (1, 1));
}
