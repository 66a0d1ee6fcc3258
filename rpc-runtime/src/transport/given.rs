//! Transports that somebody else accepts, and hands over one by one.

use std::{future::poll_fn, io, pin::Pin};

use futures_core::Stream;
use tokio::sync::Mutex;

use super::Transport;

/// The transports that are still to come.
pub(crate) type Transports = Pin<Box<dyn Stream<Item = io::Result<Transport>> + Send>>;

pub(super) struct Listener(Mutex<Option<Transports>>);

impl Listener {
    pub(super) fn new(transports: Transports) -> Self {
        Self(Mutex::new(Some(transports)))
    }

    /// The next one; none after the end, also when it is asked again.
    pub(super) async fn accept(&self) -> io::Result<Option<Transport>> {
        let mut transports = self.0.lock().await;
        let Some(open) = &mut *transports else { return Ok(None) };
        let next = poll_fn(|cx| open.as_mut().poll_next(cx)).await;
        if next.is_none() {
            *transports = None;
        }
        next.transpose()
    }
}
