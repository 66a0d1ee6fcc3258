//! The encoded items of one direction of a call, pulled by whoever consumes them: a stream that decodes them, or the
//! connection that sends them. Between these two may lie a network, layers, or nothing.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use super::Answer;
use crate::{
    status::{Code, Status},
    wire::take_item,
};

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

/// What is wrong with items of which one is longer than the receiver accepts.
pub(crate) fn longer_than(max_item: usize, mut items: &[u8]) -> Option<Status> {
    if items.len() <= max_item {
        return None;
    }
    let longest = std::iter::from_fn(|| take_item(&mut items).map(<[u8]>::len)).max()?;
    (longest > max_item).then(|| too_long(longest, max_item))
}

#[cold]
pub(super) fn too_long(size: usize, limit: usize) -> Status {
    Status::of_call(Code::ResourceExhausted, format!("an item has {size} bytes, more than max_message, {limit}"))
}

/// What a further attempt of a call ends with whose caller sends items.
pub(crate) fn items_spent() -> Status {
    let text = "the call's items were given to an earlier attempt";
    Status::of_call(Code::FailedPrecondition, text).not_executed()
}

/// The items of a request or response that can be cloned: the first who asks gets them, with what layers have put
/// around his clone.
#[derive(Clone, Default)]
pub(crate) struct SharedItems {
    items: Option<Shared<Items>>,
    around: Vec<Shared<Around>>,
}

type Shared<T> = Arc<Mutex<Option<T>>>;

/// What a layer puts around items when they are taken; dropped when nobody takes them.
type Around = Box<dyn FnOnce(Items) -> Items + Send>;

impl SharedItems {
    pub(crate) fn new(items: Option<Items>) -> Self {
        Self { items: items.map(shared), around: Vec::new() }
    }

    /// Whether there are any, taken or not.
    pub(crate) fn are_there(&self) -> bool {
        self.items.is_some()
    }

    /// Puts something around them, if there are any. Not before they are taken, so that another clone can still be sent
    /// when this one gets nowhere.
    pub(crate) fn wrap(&mut self, around: impl FnOnce(Items) -> Items + Send + 'static) {
        if self.are_there() {
            self.around.push(shared(Box::new(around)));
        }
    }

    pub(crate) fn take(&self) -> Option<Items> {
        let items = take(self.items.as_ref()?)?;
        Some(self.around.iter().filter_map(take).fold(items, |items, around| around(items)))
    }
}

impl fmt::Debug for SharedItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_there() { "items" } else { "no items" })
    }
}

fn shared<T>(value: T) -> Shared<T> {
    Arc::new(Mutex::new(Some(value)))
}

fn take<T>(shared: &Shared<T>) -> Option<T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).take()
}
