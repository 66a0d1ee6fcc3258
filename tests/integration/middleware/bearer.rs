//! The bearer token of a channel, and the check of it at a server.

use rpc_runtime::{
    Code, Status,
    middleware::{bearer, require_bearer},
};

use super::{Clerk, Name, linked, plain, server};

fn check(token: &str) -> Result<Name, Status> {
    match token {
        "secret of ada" => Ok(Name("Ada".to_owned())),
        _ => Err(Status::new(Code::PermissionDenied, "not a token of anybody")),
    }
}

#[tokio::test]
async fn a_call_with_the_right_token_gets_through_and_its_handler_knows_whose_it_is() {
    let channel = plain().layer(bearer("secret of ada"));
    let (desk, _link) = linked(server(&Clerk::new()).layer(require_bearer(check)), channel).await;
    assert_eq!(desk.who().await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(desk.seen("authorization".to_owned()).await.unwrap(), None, "the token itself is not for the handler");
}

#[tokio::test]
async fn a_call_without_a_token_or_with_a_wrong_one_is_refused_and_not_executed() {
    let clerk = Clerk::new();
    let (desk, _link) = linked(server(&clerk).layer(require_bearer(check)), plain()).await;
    let refused = |status: Status| (status.code(), status.may_have_run());
    let add = || desk.add(1, 2);
    assert_eq!(refused(add().await.unwrap_err()), (Code::Unauthenticated, false));
    let basic = add().metadata("authorization", "Basic YTpi").await.unwrap_err();
    assert_eq!(refused(basic), (Code::Unauthenticated, false));
    let wrong = add().metadata("authorization", "Bearer wrong").await.unwrap_err();
    assert_eq!(refused(wrong), (Code::PermissionDenied, false));
    assert_eq!(clerk.started(), 0);
    assert_eq!(add().metadata("Authorization", "bearer secret of ada").await.unwrap(), 3);
}

#[tokio::test]
async fn a_calls_own_token_goes_before_that_of_its_channel() {
    let channel = plain().layer(bearer("wrong"));
    let (desk, _link) = linked(server(&Clerk::new()).layer(require_bearer(check)), channel).await;
    assert!(desk.who().await.is_err());
    let own = desk.who().metadata("authorization", "Bearer secret of ada");
    assert_eq!(own.await.unwrap().as_deref(), Some("Ada"));
}
