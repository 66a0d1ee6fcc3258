//! The settings of a channel.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;

use super::{channel::Channel, offered::Offered};
use crate::{
    call::{CallService, LayeredService, Layers},
    codec::CodecKind,
    limits::{Limits, MEMORY},
    metadata::Metadata,
    router::Service,
    status::{Code, Status},
    transport::{Address, Transport},
};

/// What a channel is made with. Everything has a default.
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
/// # let server = Server::builder().service(GreeterServer::new(English)).bind("mem://builder").await?;
/// # tokio::spawn(server.serve());
/// use std::time::Duration;
///
/// let channel = Channel::builder()
///     .codec(CodecKind::Json)
///     .timeout(Duration::from_secs(2))
///     .metadata("client", "documentation")
///     .connect("mem://builder")
///     .await?;
/// assert_eq!(GreeterClient::new(channel).greet("world").await?, "hello, world");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChannelBuilder {
    pub(super) settings: Settings,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) codec: CodecKind,
    pub(super) limits: Limits,
    pub(super) memory: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Duration,
    pub(super) metadata: Metadata,
    pub(super) layers: Layers,
    pub(super) offered: Offered,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            codec: CodecKind::default(),
            limits: Limits::default(),
            memory: MEMORY,
            timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(10),
            metadata: Metadata::new(),
            layers: Layers::default(),
            offered: Offered::default(),
        }
    }
}

impl ChannelBuilder {
    /// The codec to ask for, bincode by default: a [`CodecKind`], or a reference to a [`Codec`](crate::Codec) of your
    /// own. A server that does not know it refuses the connection. One whose feature is off, or whose name can not be
    /// used, is an error (`INVALID_ARGUMENT`) when the channel is made.
    #[must_use]
    pub fn codec(mut self, codec: impl Into<CodecKind>) -> Self {
        self.settings.codec = codec.into();
        self
    }

    /// What this side allows, in place of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Bytes that partial frames and messages, calls that wait for room, and requests that were not written may hold
    /// together: 256 MiB by default. Above three quarters further calls fail with `RESOURCE_EXHAUSTED`, *not
    /// executed*; at the limit the connection is closed with that reason. Replies that came whole and were not looked
    /// at are their callers', and do not count.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.settings.memory = bytes;
        self
    }

    /// The time of calls that have none of their own: 30 s by default, `None` for no limit. Calls with streams have
    /// only what is set on the call, and what the call that they are made in has left.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeout = timeout.into();
        self
    }

    /// The time for reaching the address, before the handshake: 10 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// Sends an entry with the handshake, where the server's handlers see it in `Context::connection_metadata`.
    /// The whole handshake has at most 4 KiB.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.metadata.append(key, value);
        self
    }

    /// Puts a layer around all calls of the channel, within those added before: the first one added sees a call
    /// first and its outcome last. Any tower layer will do whose service can be cloned; see
    /// [`middleware`](crate::middleware). Services that the channel [offers](Self::service) have none.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<CallService, Service: LayeredService> + Send + Sync + 'static,
    {
        self.settings.layers.add(layer);
        self
    }

    /// Offers a service to the other end, whose handlers call it by [`Channel::caller`] while they serve a call of this
    /// channel. Two under one name, or a name that can not be used, are an error when the channel is made:
    /// `ALREADY_EXISTS`, `INVALID_ARGUMENT`.
    ///
    /// It can be reached while there is a connection: from the first call on a [lazy](Self::lazy) channel, and until
    /// the last clone of the channel is dropped, or it is closed, which drops the handlers that are at work. So whoever
    /// only listens keeps a clone. A service that itself keeps a clone keeps the connection for ever; one that wants to
    /// call the other end asks for [`Channel::caller`], too.
    ///
    /// Its handlers are bounded by this side's [`Limits`], counted apart from the calls that the channel makes. Layers
    /// of the channel are put around the calls that it makes, and not around the services that it offers.
    ///
    /// ```
    /// # use rpc_runtime::prelude::*;
    /// # #[rpc_service]
    /// # trait Screen {
    /// #     async fn show(&self, text: String) -> usize;
    /// # }
    /// # #[rpc_service]
    /// # trait Printer {
    /// #     async fn print(&self, pages: u32) -> Result<usize, Status>;
    /// # }
    /// # struct Here;
    /// # impl Printer for Here {
    /// #     async fn print(&self, pages: u32) -> Result<usize, Status> {
    /// #         ScreenClient::new(Channel::caller()).show(format!("{pages} pages")).await
    /// #     }
    /// # }
    /// struct Terminal;
    ///
    /// impl Screen for Terminal {
    ///     async fn show(&self, text: String) -> usize {
    ///         text.len()
    ///     }
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Status> {
    /// # let server = Server::builder().service(PrinterServer::new(Here)).bind("mem://printer").await?;
    /// # tokio::spawn(server.serve());
    /// let channel = Channel::builder().service(ScreenServer::new(Terminal)).connect("mem://printer").await?;
    /// // Its handler shows something on the caller's screen.
    /// assert_eq!(PrinterClient::new(channel).print(12).await?, "12 pages".len());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service(mut self, service: impl Service) -> Self {
        self.settings.offered.add(service);
        self
    }

    /// A channel to a service in this process: see [`Channel::in_process`]. The services that the channel offers are
    /// called back without a connection, too.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a service is handed over, so that its owner is the channel")]
    pub fn in_process(self, service: impl Service) -> Channel {
        Channel::to_service(&service, self.settings)
    }

    /// Connects now. Fails with the address and the cause, *not executed*: `UNAVAILABLE` when nobody answers there in
    /// time, the server's own code when it refuses, `INVALID_ARGUMENT` when the address can not be understood or the
    /// codec not be used, or as [`service`](Self::service) says. Dropping the future gives the attempt up.
    pub async fn connect(self, address: &str) -> Result<Channel, Status> {
        let channel = self.lazy(address)?;
        channel.dialled().await?;
        Ok(channel)
    }

    /// Connects with the first call. Fails only when the address can not be understood, the codec not be used, or a
    /// [service](Self::service) not be offered.
    pub fn lazy(self, address: &str) -> Result<Channel, Status> {
        self.settings.codec.check()?;
        let parsed = address.parse::<Address>();
        let address =
            parsed.map_err(|error| Status::of_call(Code::InvalidArgument, error.to_string()).not_executed())?;
        Channel::new(address, self.settings)
    }

    /// Shakes hands over a pipe of any kind, with `peer` as its name in errors. Fails as [`connect`](Self::connect)
    /// does; dropping the future drops the pipe. Once it is lost, the channel can not dial it again.
    pub async fn handshake<T>(self, io: T, peer: &str) -> Result<Channel, Status>
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.settings.codec.check()?;
        Channel::over(Transport::new(io, peer), self.settings).await
    }

    /// Shakes hands over a [`Transport`], which callers may be able to write to by themselves. Fails as
    /// [`connect`](Self::connect) does; dropping the future drops the transport. Once it is lost, the channel can not
    /// dial it again.
    pub async fn connect_over(self, transport: Transport) -> Result<Channel, Status> {
        self.settings.codec.check()?;
        Channel::over(transport, self.settings).await
    }
}
