//! What all connections of a server, or of a channel, share: what they allow and what they offer. Each side is an
//! endpoint, and neither knows here which one it is.

use std::sync::Arc;

use super::ForeignLog;
use crate::{limits::Limits, router::Router};

/// One end of connections.
pub(crate) struct Endpoint {
    /// What each connection allows its peer.
    pub(crate) limits: Limits,
    /// What the peer can call.
    pub(crate) router: Router,
    /// Which peers of other protocols were told of.
    pub(crate) foreign: ForeignLog,
}

impl Endpoint {
    pub(crate) fn new(limits: Limits, router: Router) -> Arc<Self> {
        Arc::new(Self { limits, router, foreign: ForeignLog::default() })
    }
}
