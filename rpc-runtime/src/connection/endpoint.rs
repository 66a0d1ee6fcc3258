//! What all connections of a server, or of a channel, share: what they allow and what they offer. Each side is an
//! endpoint, and neither knows here which one it is.

use std::sync::Arc;

use super::accounts::Accounts;
use crate::{limits::Limits, router::Router};

/// One end of connections.
pub(crate) struct Endpoint {
    /// What each connection allows its peer.
    pub(crate) limits: Limits,
    /// What the peer can call.
    pub(crate) router: Router,
    /// What the connections hold and have counted.
    pub(crate) accounts: Arc<Accounts>,
}

impl Endpoint {
    /// The connections may hold so many bytes of `memory` together.
    pub(crate) fn new(limits: Limits, memory: usize, router: Router) -> Arc<Self> {
        Arc::new(Self { limits, router, accounts: Accounts::new(memory) })
    }
}
