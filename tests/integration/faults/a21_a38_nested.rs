//! A failure of an inner call that a handler passes on with `?` (A38).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_runtime::{CallError, Channel, Code, Server, Status, rpc_service};

use super::{
    a21_a38_service::{FaultsClient, Seen, serve, settled, spawn, within},
    peer_b::{Ending, Peer, kind, request},
};

#[rpc_service]
trait Front {
    /// Adds at the server behind.
    async fn add(&self, a: u64, b: u64) -> Result<u64, Status>;
    /// Asks the server behind for what it does not have.
    async fn unknown(&self) -> Result<u64, Status>;
    /// Fails with a status of its own.
    async fn own(&self) -> Result<u64, Status>;
}

/// What the server behind does not have. It fails with an error of its own, too.
#[rpc_service(name = "Faults")]
trait FaultsOfTomorrow {
    async fn missing(&self) -> Result<u64, String>;
}

struct FrontHere {
    behind: FaultsClient,
    inner: Arc<Mutex<Option<Status>>>,
}

impl FrontHere {
    fn keep(&self, status: Status) -> Status {
        *self.inner.lock().expect("not poisoned") = Some(status.clone());
        status
    }
}

impl Front for FrontHere {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Status> {
        let sum =
            self.behind.add(a, b).timeout(Duration::from_millis(200)).await.map_err(|status| self.keep(status))?;
        Ok(sum)
    }
    async fn unknown(&self) -> Result<u64, Status> {
        let missing = FaultsOfTomorrowClient::new(self.behind.channel().clone()).missing().await;
        Ok(missing.inspect_err(|error| {
            if let CallError::Status(status) = error {
                self.keep(status.clone());
            }
        })?)
    }
    async fn own(&self) -> Result<u64, Status> {
        Err(Status::not_found("no such row").with_details([1, 2, 3]))
    }
}

type Inner = Arc<Mutex<Option<Status>>>;

/// A server in front of another one, over a pipe; and what its last inner call ended with.
fn front(behind: Channel) -> (tokio::io::DuplexStream, Inner) {
    let inner = Inner::default();
    let here = FrontHere { behind: FaultsClient::new(behind), inner: Arc::clone(&inner) };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    spawn(Server::builder().service(FrontServer::new(here)).serve_connection(theirs, "client"));
    (ours, inner)
}

async fn front_client(behind: Channel) -> (FrontClient, Inner) {
    let (io, inner) = front(behind);
    (FrontClient::new(Channel::builder().handshake(io, "front").await.expect("it shakes hands")), inner)
}

/// The address of a server that is not there.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("the address is free");
    format!("tcp://{}", listener.local_addr().expect("it is bound"))
}

fn taken(inner: &Inner) -> Status {
    inner.lock().expect("not poisoned").take().expect("the inner call failed")
}

/// A38.
#[tokio::test]
async fn an_inner_call_that_was_not_executed_is_unknown_to_the_caller_of_the_handler() {
    let address = nobody().await;
    let (front, inner) = front_client(Channel::lazy(&address).unwrap()).await;
    let outer = within("the outer call", front.add(1, 2)).await.unwrap_err();
    let inner = taken(&inner);
    assert_eq!((inner.code(), inner.may_have_run()), (Code::Unavailable, false), "{inner}");
    assert_eq!((outer.code(), outer.may_have_run()), (Code::Unavailable, true), "{outer}");
    assert!(outer.message().contains("Faults.add") && outer.message().contains(&address), "{outer}");
    settled(front.channel()).await;
}

/// A38.
#[tokio::test]
async fn an_inner_call_that_the_server_behind_refused_is_unknown_through_its_own_error_type_too() {
    let (address, _server) = serve(&Seen::new()).await;
    let (front, inner) = front_client(Channel::connect(&address).await.unwrap()).await;
    let outer = within("the outer call", front.unknown()).await.unwrap_err();
    let inner = taken(&inner);
    assert_eq!((inner.code(), inner.may_have_run()), (Code::Unimplemented, false), "{inner}");
    assert_eq!((outer.code(), outer.may_have_run()), (Code::Unimplemented, true), "{outer}");
    assert_eq!(within("the next", front.add(1, 2)).await.unwrap(), 3);
    settled(front.channel()).await;
}

/// A38. On the wire, where the caller may be of another make.
#[tokio::test]
async fn a_passed_on_failure_does_not_carry_the_field_not_executed() {
    let (io, inner) = front(Channel::lazy(&nobody().await).unwrap());
    let mut peer = Peer::dial(io).await;
    // More often than it takes to earn trust.
    for n in 1..=200 {
        peer.send(&request(2 * n, "Front.add", None, &[1, 2])).await;
        let reply = within("the reply", peer.next_of(kind::RESPONSE)).await.unwrap();
        let Ending::Status { code, message, not_executed } = reply.ending() else { panic!("it has a status") };
        assert_eq!((reply.id, code, not_executed), (2 * n, 14, false), "{message}");
        assert!(!taken(&inner).may_have_run());
    }
}

/// A38.
#[tokio::test]
async fn the_details_of_an_inner_failure_stay_behind_and_those_of_an_own_status_travel() {
    let (io, _inner) = front(Channel::lazy(&nobody().await).unwrap());
    let behind = Channel::builder().handshake(io, "front").await.unwrap();
    let outermost = Outermost(FrontClient::new(behind));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    spawn(Server::builder().service(FrontServer::new(outermost)).serve_connection(theirs, "client"));
    let client = FrontClient::new(Channel::builder().handshake(ours, "outermost").await.unwrap());
    let own = within("an own status", client.own()).await.unwrap_err();
    assert_eq!((own.code(), own.details()), (Code::AlreadyExists, &[9][..]), "{own}");
    assert!(own.may_have_run());
    let passed_on = within("one passed on", client.unknown()).await.unwrap_err();
    assert_eq!((passed_on.code(), passed_on.details()), (Code::NotFound, &[][..]), "{passed_on}");
    assert!(passed_on.message().contains("no such row") && passed_on.may_have_run(), "{passed_on}");
}

/// Passes a failure of the server behind on.
struct Outermost(FrontClient);

impl Front for Outermost {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Status> {
        self.0.add(a, b).await
    }
    async fn unknown(&self) -> Result<u64, Status> {
        let number = self.0.own().await?;
        Ok(number)
    }
    async fn own(&self) -> Result<u64, Status> {
        Err(Status::new(Code::AlreadyExists, "own").with_details([9]))
    }
}
