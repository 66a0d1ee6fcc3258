//! What all connections of a server, or of a channel, share: what they allow and what they offer. Each side is an
//! endpoint, and neither knows here which one it is.

use std::sync::Arc;

use super::ForeignLog;
use crate::{limits::Limits, router::Router};

/// One end of connections.
pub(crate) struct Endpoint {
    /// Where this end is, as a URI; empty when it is nowhere.
    pub(crate) address: Arc<str>,
    /// What each connection allows its peer.
    pub(crate) limits: Limits,
    /// What the peer can call.
    pub(crate) router: Router,
    /// Which peers of other protocols were told of.
    pub(crate) foreign: ForeignLog,
}

impl Endpoint {
    pub(crate) fn new(address: &str, limits: Limits, router: Router) -> Arc<Self> {
        Arc::new(Self { address: Arc::from(address), limits, router, foreign: ForeignLog::default() })
    }
}
