//! What all connections of a server, or of a channel, share: what they allow and what they offer. Each side is an
//! endpoint, and neither knows here which one it is.

use std::sync::Arc;

use crate::{codec::CodecKind, limits::Limits, router::Router};

/// One end of connections.
pub(crate) struct Endpoint {
    /// What each connection allows its peer.
    pub(crate) limits: Limits,
    /// What the peer can call.
    pub(crate) router: Router,
    /// What a peer that dials may ask for, no two of one name.
    pub(crate) codecs: Vec<CodecKind>,
}

impl Endpoint {
    pub(crate) fn new(limits: Limits, router: Router, codecs: Vec<CodecKind>) -> Arc<Self> {
        Arc::new(Self { limits, router, codecs })
    }
}
