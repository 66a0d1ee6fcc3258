//! What stands between a call and its destination, on both sides alike. It knows the vocabulary of a call and no
//! connection: what calls travel through, and what serves them, is further in.

mod bearer;
mod from_fn;
mod trace;
mod trace_context;

pub use bearer::{bearer, require_bearer};
pub use from_fn::{FromFn, Next, from_fn};
pub use trace::tracing;

pub use crate::call::{Body, CallService, LayeredService, Request, Response, ResponseFuture, Side};
