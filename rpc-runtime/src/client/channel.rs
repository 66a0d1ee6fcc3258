//! A handle to a server: it dials when it must, and typed clients share it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{
    builder::{ChannelBuilder, Settings},
    engine,
    in_process::{self, End, InProcess, Pair},
};
use crate::{
    call::{Answer, CallService, OutgoingRequest},
    connection::{Connection, ConnectionState, Endpoint, Stats},
    router::{Router, Service},
    status::{Code, Status},
    transport::{self, Address, Transport},
};

/// A connection to a server, shared by typed clients. Cheap to clone; `Send + Sync + 'static`.
///
/// The connection ends when the last clone is dropped and the last call in flight has its outcome. Once it is lost
/// or closed, calls fail with the reason, *not executed*.
///
/// Calls may go in both directions: a channel [offers](ChannelBuilder::service) services to the other end, and a
/// handler calls back by [`Channel::caller`]. Calls that the channel serves do not keep the connection.
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
/// # let server = Server::builder().service(ArithServer::new(Calculator)).bind("tcp://127.0.0.1:0").await?;
/// # let address = &server.local_address().to_owned();
/// # tokio::spawn(server.serve());
/// // Dialled at once, with the defaults; an address is such as tcp://127.0.0.1:7000 or unix:///run/arith.sock.
/// let channel = Channel::connect(address).await?;
/// let arith = ArithClient::new(channel.clone());
/// assert_eq!(arith.sum(1, 2).await?, 3);
///
/// // Dialled with the first call, and with settings.
/// let as_json = Channel::builder().codec(CodecKind::Json).lazy(address)?;
/// assert_eq!(ArithClient::new(as_json).sum(1, 2).await?, 3);
///
/// channel.close();
/// assert_eq!(arith.sum(1, 2).await.unwrap_err().code(), Code::Cancelled);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    /// Where to dial; the name of a pipe that was handed over.
    address: String,
    target: Target,
    settings: Settings,
    layers: Option<CallService>,
    endpoint: Arc<Endpoint>,
    connection: OnceLock<Connection>,
    dialling: Mutex<()>,
    state: watch::Sender<ConnectionState>,
    /// Whether it was closed here, whatever had become of its connection.
    closed_here: watch::Sender<bool>,
}

/// What is at a channel's other end.
pub(super) enum Target {
    Address(Address),
    /// A pipe that was handed over.
    Pipe,
    /// The caller of a call that is served: there is a connection, and no other can be had.
    Caller,
    InProcess(InProcess),
    /// Why there is nobody.
    Nobody(Status),
}

impl Channel {
    /// Connects to an address such as `tcp://127.0.0.1:7000`, `unix:///run/arith.sock` or `mem://name`, with
    /// default settings. Fails, and is given up, as [`ChannelBuilder::connect`] is.
    pub async fn connect(address: &str) -> Result<Self, Status> {
        Self::builder().connect(address).await
    }

    /// A channel that connects with its first call. Fails only when the address can not be understood.
    pub fn lazy(address: &str) -> Result<Self, Status> {
        Self::builder().lazy(address)
    }

    /// A channel to a service in this process, without a connection: what a client's `from_service` and `from_arc`
    /// make. For an implementation that is shared, or behind `dyn`, give it `FooServer::from_arc(..)`.
    ///
    /// Everything else is as over a connection: arguments and replies go through the codec, within
    /// [`max_message`](crate::Limits::max_message), calls have deadlines, metadata and a context, and dropping a call
    /// drops its handler, which is polled in the caller's task. A handler that panics costs its call `INTERNAL`. A
    /// service whose name can not be registered, or a codec that can not be used, fails every call with the reason.
    /// [`Channel::caller`] leads to the services that the channel's builder [offers](ChannelBuilder::service), as long
    /// as the channel is there.
    #[must_use]
    pub fn in_process(service: impl Service) -> Self {
        Self::builder().in_process(service)
    }

    /// The settings of a channel.
    pub fn builder() -> ChannelBuilder {
        ChannelBuilder::default()
    }

    /// The address, as a URI.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// What the channel is up to now.
    pub fn state(&self) -> ConnectionState {
        self.0.state.borrow().clone()
    }

    /// Tells each change of the state; a watcher that is slow sees the latest only.
    pub fn watch_state(&self) -> watch::Receiver<ConnectionState> {
        self.0.state.subscribe()
    }

    /// Ends the connection: pending and later calls end with `CANCELLED`, also those that wait in a layer, and the peer
    /// is told. Handlers of the services that it offers are dropped, and their calls end with `UNAVAILABLE` there. A
    /// second time does nothing.
    pub fn close(&self) {
        self.0.closed_here.send_replace(true);
        if let Target::InProcess(there) = &self.0.target {
            return there.close();
        }
        if self.0.connection.get().is_none() {
            self.0.state.send_replace(ConnectionState::Closed(self.closed_here()));
        }
        // Whoever dials looks in the other order, so that one of both sees what the other did.
        if let Some(connection) = self.0.connection.get() {
            connection.close();
        }
    }

    /// How many calls of this channel's connection hold memory: those without an outcome, those whose outcome was
    /// not looked at, and those whose caller has gone while the server has not answered yet.
    pub fn outstanding_calls(&self) -> usize {
        self.0.connection.get().map_or(0, Connection::outstanding)
    }

    /// How many responses came for calls that nobody waited for any more, or that never were.
    pub fn late_responses(&self) -> u64 {
        self.0.connection.get().map_or(0, Connection::late_responses)
    }

    /// What this channel has counted since it was made, over all of its connections.
    pub fn stats(&self) -> Stats {
        self.0.endpoint.accounts.stats()
    }

    pub(super) fn new(address: Address, settings: Settings) -> Result<Self, Status> {
        let router = settings.offered.router()?;
        Ok(Self::made(address.to_string(), Target::Address(address), settings, router, ConnectionState::Idle))
    }

    pub(super) fn made(
        address: String,
        target: Target,
        settings: Settings,
        router: Router,
        state: ConnectionState,
    ) -> Self {
        // Nobody dials a channel.
        let endpoint = Arc::new(Endpoint::new(settings.limits.clone(), settings.memory, router));
        Self::at(endpoint, address, target, settings, watch::Sender::new(state))
    }

    fn at(
        endpoint: Arc<Endpoint>,
        address: String,
        target: Target,
        settings: Settings,
        state: watch::Sender<ConnectionState>,
    ) -> Self {
        let layers = CallService::layered(&settings.layers);
        let (connection, dialling, closed_here) = (OnceLock::new(), Mutex::new(()), watch::Sender::new(false));
        Self(Arc::new(Inner { address, target, settings, layers, endpoint, connection, dialling, state, closed_here }))
    }

    /// The calling side of a connection that is another's.
    pub(super) fn on(connection: Connection, endpoint: Arc<Endpoint>, settings: Settings) -> Self {
        let (address, state) = (connection.address().to_owned(), connection.state().clone());
        let channel = Self::at(endpoint, address, Target::Caller, settings, state);
        channel.0.connection.get_or_init(|| connection);
        channel
    }

    pub(super) fn over(
        transport: Transport,
        settings: Settings,
    ) -> Pin<Box<dyn Future<Output = Result<Self, Status>> + Send>> {
        Box::pin(async move {
            let router = settings.offered.router()?;
            let channel =
                Self::made(transport.peer.clone(), Target::Pipe, settings, router, ConnectionState::Connecting);
            let connection = channel.shake_hands(transport).await?;
            channel.0.connection.get_or_init(|| connection);
            Ok(channel)
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn to_service(service: &dyn Service, settings: Settings) -> Self {
        let endpoint = Arc::new(Endpoint::new(settings.limits.clone(), settings.memory, Router::default()));
        let (there, state) = InProcess::new(service, &settings, &endpoint);
        Self::at(endpoint, in_process::ADDRESS.to_owned(), Target::InProcess(there), settings, state)
    }

    /// A channel to one end of a pair in this process.
    pub(super) fn to_end(end: &Arc<End>) -> Self {
        let Pair { codec, endpoint, state, .. } = end.pair();
        let settings = Settings { codec: *codec, limits: endpoint.limits.clone(), ..Settings::default() };
        let target = Target::InProcess(InProcess::to(end));
        Self::at(Arc::clone(endpoint), in_process::ADDRESS.to_owned(), target, settings, state.clone())
    }

    /// What calls pass through on their way.
    pub(super) fn layers(&self) -> Option<&CallService> {
        self.0.layers.as_ref()
    }

    /// Makes one call without layers, dialling first if there is no connection.
    pub(super) async fn reach(&self, request: OutgoingRequest, deadline: Option<Instant>) -> Answer {
        match &self.0.target {
            Target::Address(_) | Target::Pipe | Target::Caller => engine::dial_and_call(self, request, deadline).await,
            Target::InProcess(there) => there.call(request, deadline, self).await,
            Target::Nobody(why) => Answer::of_status(why.clone()),
        }
    }

    /// The connection, if there is one: also when it is over, for then it knows why.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.0.connection.get()
    }

    /// Dials if there is no connection. It has no type: else whoever connects would compile all that is done for it.
    pub(super) fn dialled(&self) -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send + '_>> {
        Box::pin(async { self.ready().await.map(drop) })
    }

    /// The connection, dialled if there is none. One caller dials; the others wait for it.
    pub(super) async fn ready(&self) -> Result<&Connection, Status> {
        let _dialling = self.0.dialling.lock().await;
        if let Some(connection) = self.0.connection.get() {
            return Ok(connection);
        }
        if self.is_closed() {
            return Err(self.closed_here().not_executed());
        }
        let dialling = Dialling(&self.0.state);
        self.0.state.send_if_modified(|state| {
            let idle = *state == ConnectionState::Idle;
            if idle {
                *state = ConnectionState::Connecting;
            }
            idle
        });
        let mut state = self.0.state.subscribe();
        let dialled = tokio::select! {
            biased;
            _ = state.wait_for(|state| matches!(state, ConnectionState::Closed(_))) => Err(self.closed_here()),
            dialled = self.dial() => dialled,
        };
        let connection = dialled.map_err(|status| status.at(&self.0.address).not_executed())?;
        std::mem::forget(dialling);
        let connection = self.0.connection.get_or_init(|| connection);
        if self.is_closed() {
            connection.close();
        }
        Ok(connection)
    }

    /// Waits until it is closed here, which ends calls wherever they are; a layer may live with a lost connection.
    pub(super) fn closing(&self) -> impl Future<Output = Status> + Send + use<> {
        let (mut closed, status) = (self.0.closed_here.subscribe(), self.closed_here());
        async move {
            // A channel that is gone ends nothing: what still goes on holds none of its own.
            if closed.wait_for(|closed| *closed).await.is_err() {
                std::future::pending::<()>().await;
            }
            status
        }
    }

    fn is_closed(&self) -> bool {
        matches!(&*self.0.state.borrow(), ConnectionState::Closed(_))
    }

    fn closed_here(&self) -> Status {
        Status::of_call(Code::Cancelled, "the connection was closed here").at(&self.0.address)
    }

    async fn dial(&self) -> Result<Connection, Status> {
        let Target::Address(target) = &self.0.target else {
            return Err(Status::of_call(Code::Unavailable, "a pipe that was handed over can not be dialled again"));
        };
        let timeout = self.0.settings.connect_timeout;
        let transport = match tokio::time::timeout(timeout, transport::connect(target)).await {
            Ok(Ok(transport)) => transport,
            Ok(Err(error)) => return Err(Status::of_call(Code::Unavailable, error.to_string()).with_source(error)),
            Err(_) => {
                let text = format!("nothing answered within connect_timeout, {timeout:?}");
                return Err(Status::of_call(Code::Unavailable, text));
            }
        };
        self.shake_hands(transport).await
    }

    async fn shake_hands(&self, transport: Transport) -> Result<Connection, Status> {
        let Settings { codec, metadata, .. } = &self.0.settings;
        let shaken = Connection::dial(transport, &self.0.endpoint, *codec, metadata, self.0.state.clone());
        shaken.await.map_err(|status| status.at(&self.0.address).not_executed())
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &*self.0.state.borrow();
        f.debug_struct("Channel").field("address", &self.0.address).field("state", state).finish_non_exhaustive()
    }
}

/// Dialling that fails, or is given up, leaves the channel idle.
struct Dialling<'a>(&'a watch::Sender<ConnectionState>);

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.0.send_if_modified(|state| {
            let connecting = *state == ConnectionState::Connecting;
            if connecting {
                *state = ConnectionState::Idle;
            }
            connecting
        });
    }
}
