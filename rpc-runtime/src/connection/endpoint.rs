//! What all connections of a server, or of a channel, share: what they allow and what they offer. Each side is an
//! endpoint, and neither knows here which one it is.

use std::sync::Arc;

use super::{ForeignLog, accounts::Accounts};
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
    /// What the connections hold and have counted.
    pub(crate) accounts: Arc<Accounts>,
}

impl Endpoint {
    /// The connections may hold so many bytes of `memory` together.
    pub(crate) fn new(limits: Limits, memory: usize, router: Router) -> Self {
        Self {
            address: Arc::default(),
            limits,
            router,
            codecs: Vec::new(),
            foreign: ForeignLog::default(),
            accounts: Accounts::new(memory),
        }
    }

    /// For the side that is dialled: where it is, and the codecs that it speaks.
    pub(crate) fn listening(mut self, address: &str, codecs: Vec<CodecKind>) -> Self {
        (self.address, self.codecs) = (Arc::from(address), codecs);
        self
    }
}
