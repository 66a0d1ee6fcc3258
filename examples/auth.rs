//! Who may call: a token that the channel sends with each call, and that the server turns into a name for its handlers.
//! `cargo run --example auth`

use rpc_runtime::{
    middleware::{bearer, require_bearer},
    prelude::*,
};

#[rpc_service]
trait Diary {
    async fn write(&self, line: String) -> Result<String, Status>;
}

struct Book;

/// Who calls, as the check of the token found out.
struct User(&'static str);

impl Diary for Book {
    async fn write(&self, line: String) -> Result<String, Status> {
        let user = Context::current().get::<User>().ok_or_else(|| Status::internal("nobody has checked who calls"))?;
        Ok(format!("{} wrote: {line}", user.0))
    }
}

/// A real service asks whoever issued the tokens; against secrets of its own it compares in constant time.
fn check(token: &str) -> Result<User, Status> {
    match token {
        "ada-7f3a" => Ok(User("Ada")),
        "bob-91cc" => Ok(User("Bob")),
        _ => Err(Status::new(Code::PermissionDenied, "this token is nobody's")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .service(DiaryServer::new(Book))
        .layer(require_bearer(check))
        .bind("tcp://127.0.0.1:0")
        .await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = tokio::spawn(server.serve());

    for token in ["ada-7f3a", "bob-91cc", "guessed"] {
        let channel = Channel::builder().layer(bearer(token)).connect(&address).await?;
        match DiaryClient::new(channel).write("dear diary".to_owned()).await {
            Ok(written) => println!("{written}"),
            Err(status) => println!("refused: {status} (may have run: {})", status.may_have_run()),
        }
    }
    let without = DiaryClient::new(Channel::connect(&address).await?);
    let status = without.write("hello".to_owned()).await.expect_err("nobody writes without a token");
    assert_eq!(status.code(), Code::Unauthenticated);
    println!("refused: {status}");

    handle.shut_down();
    drop(without);
    serving.await.expect("the server does not panic")?;
    Ok(())
}
