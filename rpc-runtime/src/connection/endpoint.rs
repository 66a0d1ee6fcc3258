//! What all connections of a server, or of a channel, share: what they allow and what they offer. Each side is an
//! endpoint, and neither knows here which one it is.

use std::sync::Arc;

use super::ForeignLog;
use crate::{codec::CodecKind, limits::Limits, router::Router};

/// One end of connections.
pub(crate) struct Endpoint {
    /// Where this end is, as a URI; empty when it is nowhere.
    pub(crate) address: Arc<str>,
    /// What each connection allows its peer.
    pub(crate) limits: Limits,
    /// What the peer can call.
    pub(crate) router: Router,
    /// What a peer that dials may ask for, no two of one name.
    pub(crate) codecs: Vec<CodecKind>,
    /// Which peers of other protocols were told of.
    pub(crate) foreign: ForeignLog,
}

impl Endpoint {
    pub(crate) fn new(address: &str, limits: Limits, router: Router, codecs: Vec<CodecKind>) -> Arc<Self> {
        Arc::new(Self { address: Arc::from(address), limits, router, codecs, foreign: ForeignLog::default() })
    }
}
