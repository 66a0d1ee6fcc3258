//! What stands between a call and its destination, on both sides alike. It knows the vocabulary of a call and no
//! connection: what calls travel through, and what serves them, is further in.
//!
//! What a layer bounds, such as tower's limits and time-outs do, is a call until its outcome. Of a method that returns
//! a stream that is its opening; the items are bounded by the call's deadline and by their windows.

mod bearer;
mod from_fn;
mod trace;
mod trace_context;

pub use bearer::{bearer, require_bearer};
pub use from_fn::{FromFn, Next, from_fn};
pub use trace::tracing;

pub use crate::call::{Body, CallService, LayeredService, Request, Response, ResponseFuture, Side};
