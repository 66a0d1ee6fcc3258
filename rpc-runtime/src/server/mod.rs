//! The serving side: a listener, its connections, and their orderly end.

mod builder;
mod connections;
mod room;

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::sync::watch;

pub use builder::ServerBuilder;
use connections::Connections;

use crate::{
    connection::{Accounts, Endpoint, Stats},
    status::Status,
    transport::Listener,
};

/// A server that is bound to its address and serves once [`serve`](Self::serve) is awaited.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Arith {
/// #     async fn sum(&self, a: i64, b: i64) -> i64;
/// # }
/// # struct Calculator;
/// # impl Arith for Calculator {
/// #     async fn sum(&self, a: i64, b: i64) -> i64 {
/// #         a + b
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Status> {
/// let server = Server::builder().service(ArithServer::new(Calculator)).bind("tcp://127.0.0.1:0").await?;
/// println!("serving at {}", server.local_address());
/// # let handle = server.handle();
/// # handle.shut_down();
/// let drained = server.serve_until(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await?;
/// assert_eq!((drained.cut_connections, drained.cut_calls), (0, 0));
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: Listener,
    address: String,
    endpoint: Arc<Endpoint>,
    max_connections: usize,
    drain_timeout: Duration,
    phase: watch::Sender<Phase>,
}

/// How far the end of a server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No new connections and calls; calls in flight are answered.
    Draining,
    /// The time for that is over: whatever is left is cut off.
    Late,
    /// Whatever is left is cut off.
    Stopping,
}

impl Phase {
    fn is_over(self) -> bool {
        matches!(self, Self::Late | Self::Stopping)
    }
}

/// What was left when the time for draining was over. All zero after an orderly end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections that had not ended.
    pub cut_connections: usize,
    /// Calls on them that had not been answered; their handlers were dropped.
    pub cut_calls: usize,
}

/// Ends a server from elsewhere, and tells what it has counted. Cheap to clone.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> Result<String, Status>;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> Result<String, Status> {
/// #         if name.is_empty() { Err(Status::invalid_argument("nobody")) } else { Ok(format!("hello, {name}")) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// let server = Server::builder().service(GreeterServer::new(English)).bind("mem://handle").await?;
/// let handle = server.handle();
/// let serving = tokio::spawn(server.serve());
/// let greeter = GreeterClient::new(Channel::connect("mem://handle").await?);
/// greeter.greet("world").await?;
/// assert_eq!((handle.stats().served_total, handle.stats().connections), (1, 1));
///
/// // Answers what is in flight, waits until the connections have ended, and then `serve` returns.
/// handle.shut_down();
/// drop(greeter);
/// let drained = serving.await.expect("the server does not panic")?;
/// assert_eq!(drained.cut_calls, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ServerHandle {
    phase: watch::Sender<Phase>,
    accounts: Arc<Accounts>,
}

impl ServerHandle {
    /// Begins the orderly end, as the future of [`Server::serve_until`] does.
    pub fn shut_down(&self) {
        self.phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serving;
            if serving {
                *phase = Phase::Draining;
            }
            serving
        });
    }

    /// Ends the server now: connections are cut off, handlers dropped.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// What the server has counted since it was bound; also after its end.
    pub fn stats(&self) -> Stats {
        self.accounts.stats()
    }
}

impl Server {
    /// The settings of a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address it is bound to, as a URI, with the real port where 0 was asked for.
    pub fn local_address(&self) -> &str {
        &self.address
    }

    /// A handle that ends the server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { phase: self.phase.clone(), accounts: Arc::clone(&self.endpoint.accounts) }
    }

    /// What the server has counted since it was bound. While it serves, its [handle](Self::handle) tells.
    pub fn stats(&self) -> Stats {
        self.endpoint.accounts.stats()
    }

    /// Serves until a [handle](Self::handle) ends it, or what it [accepts from](ServerBuilder::accept_from) has ended.
    /// Dropping the future cuts off all connections.
    pub async fn serve(self) -> Result<Drained, Status> {
        self.serve_until(std::future::pending()).await
    }

    /// Serves until `shutdown` is ready, or as long as [`serve`](Self::serve) does; then takes no new connections,
    /// refuses new calls as *not executed*, lets those in flight finish, and after the time for draining (30 s by
    /// default) cuts off what is left.
    ///
    /// It does not fail for what one connection does, nor while there are no descriptors left: it then tries again.
    /// Dropping the future cuts off all connections.
    pub async fn serve_until(self, shutdown: impl Future<Output = ()>) -> Result<Drained, Status> {
        let handle = self.handle();
        let mut serving = self.serving();
        tokio::select! {
            biased;
            () = shutdown => {}
            () = serving.accept() => {}
        }
        handle.shut_down();
        Ok(serving.drain().await)
    }

    fn serving(self) -> Serving {
        let Self { listener, endpoint, max_connections, drain_timeout, phase, .. } = self;
        let connections = Connections::new(endpoint, max_connections, drain_timeout, phase.subscribe());
        Serving { listener, connections, drain_timeout, phase }
    }
}

/// A server at work. Its futures have no type: else whoever polls them would compile all that they do.
struct Serving {
    listener: Listener,
    connections: Connections,
    drain_timeout: Duration,
    phase: watch::Sender<Phase>,
}

impl Serving {
    /// Accepts connections until the server is to end, or there are none to come.
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let Self { listener, connections, phase, .. } = self;
        Box::pin(async move {
            let mut ending = phase.subscribe();
            tokio::select! {
                biased;
                _ = ending.wait_for(|phase| *phase != Phase::Serving) => {}
                () = connections.accept_all(listener) => {}
            }
        })
    }

    /// Ends the connections.
    fn drain(self) -> Pin<Box<dyn Future<Output = Drained> + Send>> {
        let Self { listener, mut connections, drain_timeout, phase } = self;
        drop(listener);
        Box::pin(async move {
            let mut ending = phase.subscribe();
            tokio::select! {
                biased;
                () = connections.ended() => {}
                () = tokio::time::sleep(drain_timeout) => {
                    phase.send_if_modified(|phase| {
                        let draining = !phase.is_over();
                        if draining {
                            *phase = Phase::Late;
                        }
                        draining
                    });
                }
                _ = ending.wait_for(|phase| phase.is_over()) => {}
            }
            if !phase.borrow().is_over() {
                phase.send_replace(Phase::Stopping);
            }
            connections.ended().await;
            connections.drained()
        })
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
