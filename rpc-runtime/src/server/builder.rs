//! The settings of a server.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use futures_core::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tower_layer::Layer;

use super::{Phase, Server};
use crate::{
    call::{CallService, LayeredService, Layers},
    codec::CodecKind,
    connection::{Connection, Endpoint},
    limits::{Limits, MEMORY},
    router::{Router, Service},
    status::{Code, Status},
    transport::{Address, Listener, Transport},
};

/// What a server is made with: its services, and limits that have defaults.
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
/// use std::time::Duration;
///
/// let server = Server::builder()
///     .service(GreeterServer::new(English))
///     .limits(Limits::default().max_message(1 << 20))
///     .max_connections(100)
///     .drain_timeout(Duration::from_secs(5))
///     .bind("tcp://127.0.0.1:0")
///     .await?;
/// # server.handle().shut_down();
/// server.serve().await?;
/// # Ok(())
/// # }
/// ```
pub struct ServerBuilder {
    router: Router,
    /// The first registration of a service or codec that failed.
    refused: Option<Status>,
    layers: Layers,
    codecs: Vec<CodecKind>,
    limits: Limits,
    memory: usize,
    max_connections: usize,
    drain_timeout: Duration,
}

/// How many codecs of their own a server may have: a refusal of a handshake has room to name them.
const MAX_CODECS: usize = 8;

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            router: Router::default(),
            refused: None,
            layers: Layers::default(),
            codecs: CodecKind::available().to_vec(),
            limits: Limits::default(),
            memory: MEMORY,
            max_connections: 10_000,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl ServerBuilder {
    /// Adds a service. Two under one name are an error when the server is bound.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a service is handed over, so that its owner is the server")]
    pub fn service(mut self, service: impl Service) -> Self {
        if let Err(status) = self.router.register(&service) {
            self.refused.get_or_insert(status);
        }
        self
    }

    /// Puts a layer around the handlers of all services, within those added before: the first one added sees a call
    /// first and its outcome last. Any tower layer will do whose service can be cloned; see
    /// [`middleware`](crate::middleware). A call that is refused before it gets a handler, such as one of an unknown
    /// method, does not come to them.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<CallService, Service: LayeredService> + Send + Sync + 'static,
    {
        self.layers.add(layer);
        self
    }

    /// Adds a [`Codec`](crate::Codec) of your own, by reference, to those that are built in; at most eight. One whose
    /// name can not be used, or is used already, is an error when the server is bound. A [`CodecKind`] that is built in
    /// is spoken anyway.
    #[must_use]
    pub fn codec(mut self, codec: impl Into<CodecKind>) -> Self {
        if let Err(status) = self.add_codec(codec.into()) {
            self.refused.get_or_insert(status);
        }
        self
    }

    /// What each connection allows, in place of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Bytes that partial frames and messages, requests that were not started, and unsent output of all connections
    /// may hold together: 256 MiB by default. Above three quarters, calls of connections that hold more than half of an
    /// even share are refused with `RESOURCE_EXHAUSTED`, *not executed*; at the limit those that hold most are closed
    /// with that reason. So many peers that hold much keep nobody out who holds little. Above one and a half times the
    /// limit, while those who go have not given back yet, connections and calls are refused whoever makes them.
    ///
    /// Counted is memory and not only bytes: a message that grows may take twice what has come of it. Not counted are
    /// the values of handlers, the block of 256 KiB that a thread reads into, and up to 12 KiB of each connection. What
    /// comes is counted once it was taken, so that each thread may be above the limit by 1 MiB and one message; and
    /// handlers that end in one moment, by their replies: above three quarters a connection runs one at a time.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// How many connections there may be: 10,000 by default, and never more than the process's limit of file
    /// descriptors less 64, or half of a limit that is lower than 128. Further ones are refused with the reason.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// How long calls in flight may take once the server is to end: 30 s by default.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Takes an address such as `tcp://127.0.0.1:7000`, `unix:///run/arith.sock` or `mem://name`. Fails with the
    /// address and the cause: `ALREADY_EXISTS` when it is taken, `PERMISSION_DENIED`, `INVALID_ARGUMENT` when it can
    /// not be understood, else `UNAVAILABLE`; and when a service or codec could not be added: `ALREADY_EXISTS` for
    /// two of one name, `INVALID_ARGUMENT` for a name that can not be used.
    pub async fn bind(self, address: &str) -> Result<Server, Status> {
        self.listen(address).await
    }

    /// Serves transports that somebody else accepts, such as a listener that the system handed over, one that encrypts,
    /// or a simulated network. `address` is what the server calls itself. An error is waited out, for a little
    /// longer each time, and the stream's end begins the server's orderly end: keep it open as long as calls are to
    /// come.
    ///
    /// Fails as [`bind`](Self::bind) does when a service or codec could not be added.
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
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use rpc_runtime::{Transport, stream};
    ///
    /// let (ours, theirs) = tokio::io::duplex(64 * 1_024);
    /// let (accepted, transports) = stream::channel(1);
    /// accepted.send(Ok(Transport::new(theirs, "pipe://client"))).await?;
    ///
    /// let server = Server::builder().service(GreeterServer::new(English)).accept_from(transports, "pipe://server")?;
    /// let serving = tokio::spawn(server.serve());
    /// let channel = Channel::builder().connect_over(Transport::new(ours, "pipe://server")).await?;
    /// assert_eq!(GreeterClient::new(channel).greet("world").await?, "hello, world");
    ///
    /// // No more connections are to come.
    /// drop(accepted);
    /// serving.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept_from<S>(self, transports: S, address: &str) -> Result<Server, Status>
    where
        S: Stream<Item = io::Result<Transport>> + Send + 'static,
    {
        Ok(self.checked()?.listening(Listener::given(Box::pin(transports), address)))
    }

    /// Without a type, as all that a server does: else whoever binds one would compile that.
    fn listen(self, address: &str) -> Pin<Box<dyn Future<Output = Result<Server, Status>> + Send + '_>> {
        Box::pin(self.bound(address))
    }

    async fn bound(self, address: &str) -> Result<Server, Status> {
        let builder = self.checked()?;
        let parsed = address.parse::<Address>();
        let parsed = parsed.map_err(|error| Status::of_call(Code::InvalidArgument, error.to_string()))?;
        let listener = Listener::bind(&parsed).await.map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::AddrInUse => Code::AlreadyExists,
                io::ErrorKind::PermissionDenied => Code::PermissionDenied,
                _ => Code::Unavailable,
            };
            Status::of_call(code, format!("can not listen: {error}")).at(address).with_source(error)
        })?;
        Ok(builder.listening(listener))
    }

    fn checked(mut self) -> Result<Self, Status> {
        self.refused.take().map_or(Ok(self), Err)
    }

    fn listening(self, listener: Listener) -> Server {
        let address = listener.local_address().to_owned();
        let router = self.router.layered(&self.layers);
        Server {
            endpoint: Arc::new(Endpoint::new(self.limits, self.memory, router).listening(&address, self.codecs)),
            address,
            listener,
            max_connections: self.max_connections,
            drain_timeout: self.drain_timeout,
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    /// Serves one pipe of any kind, `peer` being its name in errors and contexts, until it ends; gives the reason.
    /// Fails when a service or codec could not be added, or the handshake fails. Dropping the future cuts it off.
    pub async fn serve_connection<T>(self, io: T, peer: &str) -> Result<Status, Status>
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.serve_transport(Transport::new(io, peer)).await
    }

    fn serve_transport(self, transport: Transport) -> Pin<Box<dyn Future<Output = Result<Status, Status>> + Send>> {
        Box::pin(async move {
            let Self { router, layers, codecs, limits, memory, .. } = self.checked()?;
            let endpoint = Endpoint::new(limits, memory, router.layered(&layers));
            let endpoint = Arc::new(endpoint.listening("", codecs));
            let accepted = Connection::accept(transport, &endpoint).await;
            let (_connection, running) = accepted.map_err(|turned_away| turned_away.status)?;
            Ok(running.await.reason)
        })
    }

    fn add_codec(&mut self, codec: CodecKind) -> Result<(), Status> {
        codec.check()?;
        let CodecKind::Custom(_) = codec else { return Ok(()) };
        let name = codec.name();
        if self.codecs.contains(&codec) {
            return Err(Status::of_call(Code::AlreadyExists, format!("two codecs are named {name}")));
        }
        let own = self.codecs.len() - CodecKind::available().len();
        if own == MAX_CODECS {
            let text = format!("the codec {name} is number {} of a server's own, the limit is {MAX_CODECS}", own + 1);
            return Err(Status::of_call(Code::InvalidArgument, text));
        }
        self.codecs.push(codec);
        Ok(())
    }
}
