//! What a panic of somebody else's code costs a call.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::status::{Code, Status};

/// How a call ends in which `who` panicked. What that panicked with is dropped here.
pub(crate) fn panicked(who: &str, panic: Box<dyn Any + Send>) -> Status {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let status = Status::of_call(Code::Internal, format!("{who} panicked: {}", text.unwrap_or("(no message)")));
    // Its drop is user code too, and may panic.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    status
}
