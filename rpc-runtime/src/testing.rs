//! A client and a server in one process, over a pipe in memory: for tests, also under tokio's paused time.

use tokio::{io::duplex, task::JoinHandle};

use crate::{
    client::{Channel, ChannelBuilder},
    server::ServerBuilder,
    status::Status,
};

/// How many bytes each direction of the pipe holds.
const PIPE: usize = 64 * 1_024;

/// What both ends call the pipe.
const ADDRESS: &str = "mem://link";

/// Connects a channel to a server that serves it alone, in a task of its own. The channel may offer services, too. No
/// socket, no address and no real time is needed: everything works under `#[tokio::test(start_paused = true)]` (tokio's
/// feature `test-util`), where waits take no time.
///
/// Fails as the handshake does, and when the server's services can not be registered.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// use std::time::Duration;
///
/// use rpc_runtime::testing;
///
/// #[rpc_service]
/// trait Sleeper {
///     async fn sleep(&self, seconds: u64);
/// }
///
/// struct Bed;
///
/// impl Sleeper for Bed {
///     async fn sleep(&self, seconds: u64) {
///         tokio::time::sleep(Duration::from_secs(seconds)).await;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Status> {
/// let (channel, _server) =
///     testing::link(Server::builder().service(SleeperServer::new(Bed)), Channel::builder()).await?;
/// let sleeper = SleeperClient::new(channel);
/// sleeper.sleep(20).await?;
/// assert_eq!(sleeper.sleep(60).await.unwrap_err().code(), Code::DeadlineExceeded);
/// # Ok(())
/// # }
/// ```
pub async fn link(server: ServerBuilder, channel: ChannelBuilder) -> Result<(Channel, Link), Status> {
    let (ours, theirs) = duplex(PIPE);
    #[expect(clippy::disallowed_methods, reason = "the link owns the task and aborts it")]
    let mut link = Link(tokio::spawn(server.serve_connection(theirs, ADDRESS)));
    match channel.handshake(ours, ADDRESS).await {
        Ok(channel) => Ok((channel, link)),
        // The server's own reason is the better one.
        Err(status) => match (&mut link.0).await {
            Ok(Err(refused)) => Err(refused),
            _ => Err(status),
        },
    }
}

/// The serving end of a [`link`]. Dropping it cuts the connection off and drops the handlers.
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
/// let server = Server::builder().service(GreeterServer::new(English));
/// let (channel, link) = rpc_runtime::testing::link(server, Channel::builder()).await?;
/// GreeterClient::new(channel).greet("world").await?;
/// // The channel is gone, and so the connection has ended.
/// assert_eq!(link.ended().await.code(), Code::Unavailable);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it ends the server"]
pub struct Link(JoinHandle<Result<Status, Status>>);

impl Link {
    /// Waits until the connection has ended, such as by the drop of its channel; gives the reason.
    pub async fn ended(mut self) -> Status {
        match (&mut self.0).await {
            Ok(ended) => ended.unwrap_or_else(|refused| refused),
            Err(error) => Status::internal(error.to_string()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}
