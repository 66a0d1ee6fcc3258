//! `from_service`: the same client without a connection.

use std::{sync::Arc, time::Duration};

use rpc_runtime::{
    CallError, Channel, Code, Codec, CodecError, CodecKind, Context, DecodeValue, EncodeValue, Limits, Server, Status,
    rpc_service, testing,
};

use super::{Clerk, DeskClient, DeskServer, Reason, plain};

fn desk(clerk: &Clerk) -> DeskClient {
    DeskClient::from_service(clerk.clone())
}

#[tokio::test]
async fn values_errors_statuses_and_metadata_come_back_as_over_a_connection() {
    let desk = desk(&Clerk::new());
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
    assert!(matches!(desk.fail("why".to_owned()).await, Err(CallError::Service(Reason(why))) if why == "why"));
    let refused = desk.refuse("no such row".to_owned()).await.unwrap_err();
    assert_eq!((refused.code(), refused.details(), refused.may_have_run()), (Code::NotFound, &[7][..], true));
    let (seen, metadata) = desk.seen("a".to_owned()).metadata("a", "b").with_response_metadata().await;
    assert_eq!((seen.unwrap().as_deref(), metadata.get("seen")), (Some("b"), Some("a")));
}

#[tokio::test]
async fn a_panic_costs_its_call_internal_and_the_next_one_is_fine() {
    let desk = desk(&Clerk::new());
    let status = desk.panic().await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Internal, true));
    assert!(status.message().contains("on purpose"), "{status}");
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_drops_the_handler_and_the_call_is_unknown() {
    let clerk = Clerk::new();
    let status = desk(&clerk).wait().timeout(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, true));
    clerk.waiting(0).await;
    let expired = desk(&clerk).wait().timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!((expired.code(), expired.may_have_run(), clerk.started()), (Code::DeadlineExceeded, false, 1));
}

#[tokio::test]
async fn dropping_the_call_drops_the_handler_at_once() {
    let clerk = Clerk::new();
    let mut call = Box::pin(desk(&clerk).wait());
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(*clerk.waiting.borrow(), 1);
    drop(call);
    assert_eq!(*clerk.waiting.borrow(), 0);
}

#[tokio::test]
async fn nothing_runs_before_the_call_is_polled() {
    let clerk = Clerk::new();
    drop(desk(&clerk).add(1, 2));
    assert_eq!(clerk.started(), 0);
}

#[rpc_service]
trait Mirror {
    async fn task(&self) -> Option<String>;
    async fn scene(&self) -> (Option<String>, Option<String>, Option<Duration>, Option<String>);
    async fn nested(&self, own_ms: u64) -> Result<Option<Duration>, Status>;
}

/// Calls itself.
struct Glass;

impl Mirror for Glass {
    async fn task(&self) -> Option<String> {
        tokio::task::try_id().map(|id| id.to_string())
    }
    async fn scene(&self) -> (Option<String>, Option<String>, Option<Duration>, Option<String>) {
        let context = Context::current();
        let method = context.method().map(|method| method.full_name.to_owned());
        let token = context.connection_metadata().get("token").map(str::to_owned);
        (context.peer().map(str::to_owned), method, context.remaining(), token)
    }
    async fn nested(&self, own_ms: u64) -> Result<Option<Duration>, Status> {
        let inner = MirrorClient::from_service(Glass);
        Ok(inner.scene().timeout(Duration::from_millis(own_ms)).await?.2)
    }
}

#[tokio::test]
async fn the_handler_is_polled_in_the_callers_task() {
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    let task = tokio::spawn(async { (MirrorClient::from_service(Glass).task().await, tokio::task::id()) });
    let (seen, own) = task.await.unwrap();
    assert_eq!(seen.unwrap(), Some(own.to_string()));
}

#[tokio::test(start_paused = true)]
async fn the_handler_has_a_context_and_its_calls_inherit_the_deadline() {
    let channel = Channel::builder().metadata("token", "t").in_process(MirrorServer::new(Glass));
    let mirror = MirrorClient::new(channel);
    let (peer, method, remaining, token) = mirror.scene().timeout(Duration::from_secs(5)).await.unwrap();
    assert_eq!((peer.as_deref(), method.as_deref()), (Some("in-process"), Some("Mirror.scene")));
    assert_eq!((remaining, token.as_deref()), (Some(Duration::from_secs(5)), Some("t")));
    let nested = mirror.nested(60_000).timeout(Duration::from_secs(5)).await.unwrap();
    assert_eq!(nested, Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn arguments_and_replies_go_through_the_codec_that_was_chosen() {
    for codec in CodecKind::available() {
        let desk = DeskClient::new(plain().codec(*codec).in_process(DeskServer::new(Clerk::new())));
        assert_eq!(desk.echo(vec![0, 255]).await.unwrap(), [0, 255]);
    }
}

#[tokio::test]
async fn the_largest_message_is_the_same_as_over_a_connection_both_ways() {
    let limits = Limits::default().max_message(100);
    let desk = DeskClient::new(plain().limits(limits).in_process(DeskServer::new(Clerk::new())));
    let status = desk.echo(vec![0; 200]).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false));
    assert!(status.message().contains("max_message, 100"), "{status}");
    let status = desk.refuse("x".repeat(90)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "the message of a status is not the body");
    let short = plain().limits(Limits::default().max_message(10)).in_process(MirrorServer::new(Glass));
    let status = MirrorClient::new(short).scene().await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, true));
    assert!(status.message().contains("the reply has") && status.message().contains("max_message, 10"), "{status}");
}

#[tokio::test]
async fn closing_the_channel_ends_its_calls() {
    let clerk = Clerk::new();
    let channel = Channel::in_process(DeskServer::new(clerk.clone()));
    let desk = DeskClient::new(channel.clone());
    let mut call = Box::pin(desk.wait());
    assert!(futures_util::poll!(&mut call).is_pending());
    channel.close();
    let pending = call.await.unwrap_err();
    assert_eq!((pending.code(), pending.may_have_run()), (Code::Cancelled, true));
    clerk.waiting(0).await;
    let later = desk.add(1, 2).await.unwrap_err();
    assert_eq!((later.code(), later.may_have_run()), (Code::Cancelled, false));
    channel.close();
}

#[tokio::test]
async fn a_service_that_can_not_be_registered_fails_its_calls_with_the_reason() {
    let channel = Channel::in_process(DeskServer::new(Clerk::new()).named("a.b"));
    let status = DeskClient::named(channel, "a.b").add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::InvalidArgument, false));
    assert!(status.message().contains("no dot"), "{status}");
}

/// Bears the name of another codec.
struct Usurper;

impl Codec for Usurper {
    fn name(&self) -> &str {
        "json"
    }
    fn encode(&self, _: EncodeValue<'_>, _: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(())
    }
    fn decode<'de>(&self, _: &'de [u8], _: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_codec_that_can_not_be_used_fails_the_calls_with_the_reason() {
    let channel = Channel::builder().codec(&Usurper).in_process(DeskServer::new(Clerk::new()));
    let status = DeskClient::new(channel).add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::InvalidArgument, false));
    assert!(status.message().contains("is named json"), "{status}");
}

#[tokio::test]
async fn a_shared_implementation_works_and_an_unknown_name_is_unimplemented() {
    let shared = Arc::new(Clerk::new());
    let channel = Channel::in_process(DeskServer::from_arc(Arc::clone(&shared)).named("north"));
    assert_eq!(DeskClient::named(channel.clone(), "north").add(1, 2).await.unwrap(), 3);
    let status = DeskClient::new(channel).add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unimplemented, false));
    assert_eq!(shared.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_link_gives_client_and_server_in_one_line_and_ends_with_either() {
    let clerk = Clerk::new();
    let (channel, link) = testing::link(super::server(&clerk), plain()).await.unwrap();
    let desk = DeskClient::new(channel);
    let status = desk.wait().timeout(Duration::from_secs(3_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "fifty minutes take no time");
    clerk.waiting(0).await;
    drop(desk);
    link.ended().await;
    let (channel, link) = testing::link(super::server(&clerk), plain()).await.unwrap();
    drop(link);
    let status = DeskClient::new(channel).wait().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let twice = Server::builder().service(DeskServer::new(clerk.clone())).service(DeskServer::new(clerk));
    assert_eq!(testing::link(twice, plain()).await.map(drop).unwrap_err().code(), Code::AlreadyExists);
}
