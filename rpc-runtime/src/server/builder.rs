//! The settings of a server.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::{Phase, Server};
use crate::{
    connection::{Connection, Endpoint},
    limits::{Limits, MEMORY},
    router::{Router, Service},
    status::{Code, Status},
    transport::{Address, Listener, Transport},
};

/// What a server is made with: its services, and limits that have defaults.
pub struct ServerBuilder {
    router: Router,
    /// The first registration that failed.
    refused: Option<Status>,
    limits: Limits,
    memory: usize,
    max_connections: usize,
    drain_timeout: Duration,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            router: Router::default(),
            refused: None,
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

    /// What each connection allows, in place of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Bytes that partial frames and messages, requests that were not started, and unsent output of all connections
    /// may hold together: 256 MiB by default. Above three quarters further connections and calls are refused with
    /// `RESOURCE_EXHAUSTED`, *not executed*; at the limit the connection that holds most is closed with that reason.
    ///
    /// Counted is memory and not only bytes: a message that grows may take twice what has come of it. Not counted are
    /// the values of handlers, the block of 256 KiB that a thread reads into, and up to 12 KiB of each connection. What
    /// comes is counted once it was taken, so that each thread may be above the limit by 1 MiB and one message; and
    /// handlers that end in one moment, by their replies.
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
    /// not be understood, else `UNAVAILABLE`; and with `ALREADY_EXISTS` when a service was registered twice.
    pub async fn bind(self, address: &str) -> Result<Server, Status> {
        if let Some(status) = self.refused {
            return Err(status);
        }
        let parsed = address.parse::<Address>();
        let parsed = parsed.map_err(|error| Status::of_call(Code::InvalidArgument, error.to_string()))?;
        let listener = Listener::bind(&parsed).await.map_err(|error| {
            let code = match error.kind() {
                std::io::ErrorKind::AddrInUse => Code::AlreadyExists,
                std::io::ErrorKind::PermissionDenied => Code::PermissionDenied,
                _ => Code::Unavailable,
            };
            Status::of_call(code, format!("can not listen: {error}")).at(address).with_source(error)
        })?;
        Ok(Server {
            address: listener.local_address().to_string(),
            listener,
            endpoint: Endpoint::new(self.limits, self.memory, self.router),
            max_connections: self.max_connections,
            drain_timeout: self.drain_timeout,
            phase: watch::Sender::new(Phase::Serving),
        })
    }

    /// Serves one pipe of any kind, `peer` being its name in errors and contexts, until it ends; gives the reason.
    /// Fails when a service was registered twice or the handshake fails. Dropping the future cuts it off.
    pub async fn serve_connection<T>(self, io: T, peer: &str) -> Result<Status, Status>
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        if let Some(status) = self.refused {
            return Err(status);
        }
        let transport = Transport::from_io(io, peer.to_owned());
        let endpoint = Endpoint::new(self.limits, self.memory, self.router);
        let (_connection, running) = Connection::accept(transport, &endpoint).await?;
        Ok(running.await.reason)
    }
}
