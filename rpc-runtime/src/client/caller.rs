//! The channel back to whoever made the call that is being served.

use super::{
    builder::Settings,
    channel::{Channel, Target},
    in_process,
};
use crate::{
    call::Ambient,
    connection::{Connection, ConnectionState},
    router::Router,
    status::{Code, Status},
};

/// The address of a channel that goes nowhere.
const NOWHERE: &str = "caller";

impl Channel {
    /// A channel to whoever made the call that is served here, over the connection that it came in on: so a handler
    /// calls the services that its caller [offers](super::ChannelBuilder::service), to push news or to tell of
    /// progress.
    ///
    /// It is made in the handler, or in a task in its [`Context::scope`](crate::Context::scope), also a
    /// [detached](crate::Context::detached) one, and may be kept when the handler has returned. It does not keep the
    /// connection alive, nor end it when it is dropped. Making one takes less than a microsecond.
    ///
    /// Calls over it have the connection's codec, this side's limits, and 30 s unless they have a timeout of their own
    /// or the call they are made in has less left. No layers are put around them. They fail
    ///
    /// - with `FAILED_PRECONDITION`, *not executed*, when the channel was made where no call is served;
    /// - with `UNIMPLEMENTED`, *not executed*, when the caller does not offer the service;
    /// - with `UNAVAILABLE`, at once, when the caller has gone: *unknown* for those under way, *not executed* for later
    ///   ones, which are also refused so once either side has begun to leave. A server that shuts down still gets the
    ///   answers of calls back that are under way, and its handlers may end, but makes no new ones.
    ///
    /// [`close`](Self::close) ends the connection itself: all calls on it, in both directions, and all their handlers.
    /// The [state](Self::state) is the connection's; the [`stats`](Self::stats) are those of the whole server, or
    /// channel, that serves the call.
    ///
    /// Each direction has limits of its own, so calls of one never wait for those of the other. Handlers may: one that
    /// awaits a call back keeps its place among the [running](crate::Limits::running). When such handlers take all
    /// places at both ends, their calls back find none, and only a deadline ends that, with `DEADLINE_EXCEEDED`. So
    /// where both ends call back, or calls back call back, have more places than there are such calls at once.
    ///
    /// ```
    /// use rpc_runtime::prelude::*;
    ///
    /// #[rpc_service]
    /// trait Progress {
    ///     async fn percent(&self, done: u8);
    /// }
    ///
    /// #[rpc_service]
    /// trait Backup {
    ///     async fn run(&self) -> Result<(), Status>;
    /// }
    ///
    /// struct Disk;
    ///
    /// impl Backup for Disk {
    ///     async fn run(&self) -> Result<(), Status> {
    ///         let progress = ProgressClient::new(Channel::caller());
    ///         for done in [50, 100] {
    ///             progress.percent(done).await?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// struct Bar;
    ///
    /// impl Progress for Bar {
    ///     async fn percent(&self, done: u8) {
    ///         println!("{done} %");
    ///     }
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Status> {
    /// let server = Server::builder().service(BackupServer::new(Disk)).bind("tcp://127.0.0.1:0").await?;
    /// let address = server.local_address().to_owned();
    /// tokio::spawn(server.serve());
    ///
    /// let watched = Channel::builder().service(ProgressServer::new(Bar)).connect(&address).await?;
    /// BackupClient::new(watched).run().await?;
    ///
    /// // This one offers nothing, and nobody calls here.
    /// let blind = BackupClient::new(Channel::connect(&address).await?);
    /// assert!(blind.run().await.unwrap_err().message().contains("there is no service \"Progress\""));
    /// let nobody = ProgressClient::new(Channel::caller()).percent(1).await.unwrap_err();
    /// assert_eq!((nobody.code(), nobody.may_have_run()), (Code::FailedPrecondition, false));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn caller() -> Self {
        let Some(peer) = Ambient::peer() else {
            let text = "there is no caller here: Channel::caller() is for handlers, and for tasks in Context::scope";
            return Self::to_nobody(NOWHERE, Status::of_call(Code::FailedPrecondition, text));
        };
        let back = peer.way_back().ok_or(()).and_then(|way| match Connection::back(way) {
            Ok((connection, endpoint)) => {
                let (codec, limits) = (connection.codec(), endpoint.limits.clone());
                let settings = Settings { codec, limits, ..Settings::default() };
                Ok(Self::on(connection, endpoint, settings))
            }
            Err(way) => in_process::back(way).map(|end| Self::to_end(&end)).ok_or(()),
        });
        back.unwrap_or_else(|()| {
            let text = "the connection that the call came in on is over";
            Self::to_nobody(&peer.address, Status::of_call(Code::Unavailable, text))
        })
    }

    fn to_nobody(address: &str, why: Status) -> Self {
        let why = why.at(address).not_executed();
        let state = ConnectionState::Closed(why.clone());
        Self::made(address.to_owned(), Target::Nobody(why), Settings::default(), Router::default(), state)
    }
}
