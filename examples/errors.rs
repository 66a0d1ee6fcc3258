//! The ways in which a call can fail: the service's own error, a status of the handler's, and one of the framework's.
//! `cargo run --example errors`

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[rpc_service]
trait Library {
    /// A typed error: for what a caller can act on.
    async fn lend(&self, title: &str) -> Result<u32, LendError>;
    /// A status: for everything else, with a code that everybody understands.
    async fn shelf(&self, title: &str) -> Result<String, Status>;
    /// Asks `shelf` for each title.
    async fn catalogue(&self, titles: Vec<String>) -> Result<Vec<String>, Status>;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum LendError {
    Lent { days_left: u32 },
}

struct Books;

impl Library for Books {
    async fn lend(&self, title: &str) -> Result<u32, LendError> {
        if title == "Ulysses" { Err(LendError::Lent { days_left: 12 }) } else { Ok(28) }
    }

    async fn shelf(&self, title: &str) -> Result<String, Status> {
        match title {
            "Ulysses" => Ok("Joyce".to_owned()),
            _ => Err(Status::not_found(format!("there is no {title}")).with_details(title.as_bytes())),
        }
    }

    async fn catalogue(&self, titles: Vec<String>) -> Result<Vec<String>, Status> {
        let mut shelves = Vec::new();
        for title in titles {
            // `?` hands a status up. Of one that came from a call elsewhere, code and message stay.
            shelves.push(self.shelf(&title).await?);
        }
        Ok(shelves)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let library = LibraryClient::from_service(Books);
    match library.lend("Ulysses").await {
        Err(CallError::Service(LendError::Lent { days_left })) => println!("lent for {days_left} days more"),
        Err(CallError::Status(status)) => return Err(status),
        Ok(days) => println!("yours for {days} days"),
    }

    let status = library.shelf("Emma").await.expect_err("it is not there");
    assert_eq!((status.code(), status.details()), (Code::NotFound, &b"Emma"[..]));
    println!("{status}");

    let status = library.catalogue(vec!["Ulysses".to_owned(), "Emma".to_owned()]).await.expect_err("one is not there");
    assert_eq!((status.code(), status.may_have_run()), (Code::NotFound, true));

    // Nobody is there: sure not to have run, so that it may be tried again, here or elsewhere.
    let nobody = LibraryClient::new(Channel::lazy("mem://nobody")?);
    let status = nobody.shelf("Ulysses").await.expect_err("nobody listens");
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, false));
    println!("{status}");
    Ok(())
}
