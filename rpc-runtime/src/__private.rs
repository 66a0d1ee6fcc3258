//! What generated code names. Not for use by hand: it changes without notice.

pub use crate::{
    client::Client,
    codec::{Bulk, CodecKind, NoArguments},
    router::{
        Arguments, HandlerFuture, IsResult, Method, Outcome, PlainValue, Reply, Returned, Returns, reply_outcome,
        reply_value,
    },
};
