//! One handshaken transport and the calls on it, the same code on both ends. The pending table, the streams, the
//! frames and the clock's rules are pure; a driver task reads, a runner polls quick handlers, pumps send what callers
//! stream, a flusher writes, and callers append under one short lock.

mod accounts;
mod assembly;
mod calls;
mod consuming;
mod driver;
mod endpoint;
mod flusher;
mod foreign;
mod frames;
mod handshake;
mod ids;
mod incoming;
mod liveness;
mod output;
mod producing;
mod receive;
mod serving;
mod shared;
mod slot;
mod stats;
mod stream_frames;
mod streams;
mod sync;
#[cfg(test)]
mod tests;
mod turns;

use std::{
    any::Any,
    fmt,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

pub(crate) use accounts::Accounts;
use consuming::CallItems;
use driver::Driver;
pub(crate) use driver::Ended;
pub(crate) use endpoint::Endpoint;
pub(crate) use foreign::{ForeignLog, TurnedAway};
use producing::Pump;
use serving::Serving;
use shared::{Request, Shared};
pub(crate) use slot::CallId;
use slot::Polled;
pub(crate) use stats::Reason;
pub use stats::{Closed, Refused, Stats};
use sync::{AbortHandle, Handle, spawn};

use crate::{
    call::{Answer, Ending, Items, OutgoingRequest, Peer},
    codec::CodecKind,
    limits::Limits,
    metadata::Metadata,
    status::{Code, Status},
    transport::{Transport, Writer},
};

/// What a connection, or the channel over it, is up to.
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
/// # let server = Server::builder().service(GreeterServer::new(English)).bind("mem://state").await?;
/// # tokio::spawn(server.serve());
/// use rpc_runtime::ConnectionState;
///
/// let channel = Channel::lazy("mem://state")?;
/// assert_eq!(channel.state(), ConnectionState::Idle);
/// GreeterClient::new(channel.clone()).greet("world").await?;
/// assert_eq!(channel.state(), ConnectionState::Ready);
///
/// let mut watched = channel.watch_state();
/// channel.close();
/// let closed = watched.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await;
/// assert!(closed.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Nobody has asked for a connection yet.
    Idle,
    /// An address is being dialled, or the handshake is on its way.
    Connecting,
    /// Calls go through.
    Ready,
    /// One side is leaving: calls in flight are answered, new ones are refused.
    Draining,
    /// Over, with the reason.
    Closed(Status),
}

impl PartialEq for ConnectionState {
    /// Two closed states are equal whatever their reasons.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// One end of a connection. When the last clone of its owner's is dropped, the peer is told and the connection ends; a
/// call in flight holds one. One that a handler [calls back](Self::back) on keeps nothing alive.
#[derive(Clone)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    /// Where its tasks are.
    runtime: Handle,
    _owner: Option<Arc<Owner>>,
}

struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Connection {
    /// The dialling side's handshake; must run within the channel's time.
    pub(crate) async fn dial(
        mut transport: Transport,
        endpoint: &Arc<Endpoint>,
        codec: CodecKind,
        metadata: &Metadata,
        watch: watch::Sender<ConnectionState>,
    ) -> Result<Self, Status> {
        let limits = &endpoint.limits;
        let handshake = handshake::dial(&mut transport, codec, limits, metadata);
        let agreement = match tokio::time::timeout(limits.handshake_timeout, handshake).await {
            Ok(agreement) => agreement?,
            Err(_) => return Err(late_handshake(limits)),
        };
        let (connection, running) = start(transport, agreement, endpoint, 0, watch);
        #[expect(clippy::disallowed_methods, reason = "the connection's owner ends it when it is dropped")]
        spawn(running);
        Ok(connection)
    }

    /// The accepting side's handshake, and the future that serves the connection until its end. The connection ends
    /// when that future is dropped.
    pub(crate) async fn accept(
        mut transport: Transport,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Self, impl Future<Output = Ended> + Send + use<>), TurnedAway> {
        let limits = &endpoint.limits;
        let counts = &endpoint.accounts.counts;
        let shaking = counts.shaking();
        if let Some(status) = endpoint.accounts.refusal() {
            counts.refused(|refused| &mut refused.memory_connections);
            let reason = status.message().to_owned();
            handshake::refuse(&mut transport, &endpoint.codecs, status.code(), reason).await;
            return Err(status.into());
        }
        let handshake = handshake::accept(&mut transport, endpoint);
        let agreement = match tokio::time::timeout(limits.handshake_timeout, handshake).await {
            Ok(agreement) => agreement,
            Err(_) => Err(late_handshake(limits).into()),
        };
        let agreement = agreement.inspect_err(|turned_away| {
            counts.refused(match turned_away.foreign {
                Some(_) => |refused| &mut refused.foreign,
                None => |refused| &mut refused.handshake,
            });
        })?;
        drop(shaking);
        Ok(start(transport, agreement, endpoint, 1, watch::Sender::new(ConnectionState::Ready)))
    }

    /// The connection behind a [peer's](Peer::way_back) way back, and the end that is here; or what else it is.
    pub(crate) fn back(way: Arc<dyn Any + Send + Sync>) -> Result<(Self, Arc<Endpoint>), Arc<dyn Any + Send + Sync>> {
        let serving = way.downcast::<Serving>()?;
        let (shared, runtime) = (Arc::clone(&serving.shared), serving.runtime.clone());
        Ok((Self { shared, runtime, _owner: None }, Arc::clone(&serving.endpoint)))
    }

    /// Sends a request; fails with *not executed* when it can not even wait.
    pub(crate) fn send(
        &self,
        mut request: OutgoingRequest,
        deadline: Option<Instant>,
        now: Instant,
        waker: Option<Waker>,
    ) -> Result<CallId, Status> {
        // Taken out, for they are of users, and never dropped under a lock.
        let items = request.items.take();
        let id = self.shared.send(request, deadline, now, waker)?;
        if let Some((mut items, (wire_id, key))) = items.zip(self.shared.stream_of(id)) {
            items.accept_up_to(self.shared.max_item());
            self.runtime.spawn(Pump::new(Arc::clone(&self.shared), wire_id, key, items));
        }
        Ok(id)
    }

    /// The outcome of a call, once.
    pub(crate) fn poll(&self, id: CallId, cx: &Context<'_>) -> Poll<Answer> {
        match self.shared.poll(id, cx.waker()) {
            Polled::Ready(answer, _old) => Poll::Ready(answer),
            Polled::Opened(metadata, key, _old) => {
                let items = Items::new(CallItems::new(self.clone(), id, key));
                Poll::Ready(Answer { ending: Ending::Opened(items), metadata, body: Vec::new() })
            }
            Polled::Pending | Polled::OtherWaker => Poll::Pending,
        }
    }

    /// The caller of this call has gone: the peer is told.
    pub(crate) fn abandon(&self, id: CallId) {
        self.shared.abandon(id);
    }

    /// What both ends agreed on.
    pub(crate) fn codec(&self) -> CodecKind {
        self.shared.codec
    }

    /// Tells what the connection is up to.
    pub(crate) fn state(&self) -> &watch::Sender<ConnectionState> {
        &self.shared.watch
    }

    /// The peer's address, as a URI.
    pub(crate) fn address(&self) -> &str {
        &self.shared.peer.address
    }

    /// Ends all calls of this side as closed here. A second time does nothing.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Takes no new calls of the peer, and ends once all are answered.
    pub(crate) fn drain(&self) {
        self.shared.request(Request::Drain);
    }

    /// Ends at once. The peer is told why if its transport takes that without waiting.
    pub(crate) fn abort(&self, why: String) {
        self.shared.lock().why.get_or_insert(why);
        self.shared.request(Request::Abort);
    }

    /// Calls of this side that wait for something.
    pub(crate) fn outstanding(&self) -> usize {
        self.shared.lock().calls.occupied()
    }

    /// Responses that found no call waiting for them.
    pub(crate) fn late_responses(&self) -> u64 {
        self.shared.lock().calls.late()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Refuses an accepted transport without a handshake of its own. Tells once the peer can read the reason.
pub(crate) async fn refuse(
    mut transport: Transport,
    endpoint: Arc<Endpoint>,
    code: Code,
    reason: String,
    told: oneshot::Sender<()>,
) {
    handshake::tell_refusal(&mut transport, &endpoint.codecs, code, reason).await;
    // Nobody has to know.
    let _ = told.send(());
    handshake::discard(&mut transport).await;
}

fn start(
    transport: Transport,
    agreement: handshake::Agreement,
    endpoint: &Arc<Endpoint>,
    side: u64,
    watch: watch::Sender<ConnectionState>,
) -> (Connection, impl Future<Output = Ended> + Send + use<>) {
    let Transport { reader, writer, peer } = transport;
    let inline = match &writer {
        Writer::Shared(writer) => Some(Arc::clone(writer)),
        Writer::Owned(_) => None,
    };
    let peer = Peer::new(peer, agreement.metadata, Arc::clone(&endpoint.address));
    watch.send_if_modified(|state| {
        let open = !matches!(state, ConnectionState::Closed(_));
        if open {
            *state = ConnectionState::Ready;
        }
        open
    });
    let shared = Arc::new(Shared::new(side, agreement.codec, endpoint, agreement.remote, peer, inline, watch));
    let serving = Serving::new(Arc::clone(&shared), Arc::clone(endpoint));
    let driver = Driver::new(Arc::clone(&shared), reader, Arc::clone(&serving));
    let serving_weak: Weak<Serving> = Arc::downgrade(&serving);
    shared.peer.is_reached_by(serving_weak);
    let owner = Owner { shared: Arc::clone(&shared) };
    let (shared_too, runtime) = (Arc::clone(&shared), Handle::current());
    let connection = Connection { shared: shared_too, runtime, _owner: Some(Arc::new(owner)) };
    let running = async move {
        #[expect(clippy::disallowed_methods, reason = "the driver's future owns it and aborts it")]
        let flusher = spawn(flusher::run(shared, writer));
        let _flusher = AbortOnDrop(flusher.abort_handle());
        serving.start();
        driver.await
    };
    (connection, running)
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn late_handshake(limits: &Limits) -> Status {
    let text = format!("the handshake took longer than handshake_timeout, {:?}", limits.handshake_timeout);
    Status::of_call(Code::Unavailable, text)
}
