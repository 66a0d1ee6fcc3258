//! The encoded items of one direction of a call, pulled by whoever consumes them: a stream that decodes them, or the
//! connection that sends them. Between these two may lie a network, layers, or nothing.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use super::Answer;
use crate::status::Status;

/// Where items come from. Dropping it tells the producer that nobody wants any more.
pub(crate) trait Source: Send {
    /// Puts whole items into `out`, which is empty, each as its length and its bytes: at least one, and no further one
    /// is begun once they cost `room`. An item that is longer than a frame's body stands alone.
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled>;

    /// Whoever consumes the items has taken some that cost so much.
    fn taken(&mut self, cost: usize);

    /// Whoever consumes the items accepts none of more bytes. Before the first is pulled.
    fn accept_up_to(&mut self, _max_item: usize) {}
}

/// What came of asking for items.
#[derive(Debug)]
pub(crate) enum Pulled {
    /// Items of this cost.
    Items(usize),
    /// There are none any more, and nobody asks again. `Ending::Ok` when they are complete.
    End(Answer),
    /// The producer can not go on, by a fault of this process: its call has failed.
    Fault(Status),
}

/// The items of one direction of a call, as layers see them: encoded, and still to come.
pub struct Items(Box<dyn Source>);

impl Items {
    pub(crate) fn new(source: impl Source + 'static) -> Self {
        Self(Box::new(source))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        self.0.poll_items(cx, out, room)
    }

    pub(crate) fn taken(&mut self, cost: usize) {
        self.0.taken(cost);
    }

    pub(crate) fn accept_up_to(&mut self, max_item: usize) {
        self.0.accept_up_to(max_item);
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }
}

/// The items of a request or response that can be cloned: the first who asks gets them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedItems(Option<Arc<Mutex<Option<Items>>>>);

impl SharedItems {
    pub(crate) fn new(items: Option<Items>) -> Self {
        Self(items.map(|items| Arc::new(Mutex::new(Some(items)))))
    }

    /// Whether there are any, taken or not.
    pub(crate) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn take(&self) -> Option<Items> {
        self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
