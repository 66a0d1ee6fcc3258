//! How a call fails when it is not the service's own error: a code, a message, and whether the
//! method may have run. It knows nothing of connections or codecs.

mod call_error;
mod code;

use std::{error::Error, fmt, sync::Arc};

pub use call_error::CallError;
pub use code::Code;

use crate::metadata::Metadata;

/// A failure of a call that the framework, or the peer's framework, reports.
///
/// One pointer wide. [`Display`](fmt::Display) names the code, the method and address where they are
/// known, and the cause once; [`source`](Error::source) keeps the chain below it.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> Result<String, Status>;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> Result<String, Status> {
/// #         if name.is_empty() { Err(Status::invalid_argument("nobody")) } else { Ok(format!("hello, {name}")) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// let status = GreeterClient::from_service(English).greet("").await.unwrap_err();
/// assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "nobody"));
/// assert_eq!(status.to_string(), "INVALID_ARGUMENT: Greeter.greet at in-process: nobody");
/// // It came from the handler, so the method ran; of a call that never left it would be `false`.
/// assert!(status.may_have_run());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    origin: Origin,
    not_executed: bool,
    message: String,
    method: Option<String>,
    address: Option<String>,
    details: Vec<u8>,
    metadata: Metadata,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Who made a status: what a call ended with is never forwarded whole by a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Written by the user, to be sent as it is.
    Own,
    /// The outcome of a call.
    Call,
}

impl Status {
    /// A status to return from a handler. The method counts as possibly run.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            origin: Origin::Own,
            not_executed: false,
            message: message.into(),
            method: None,
            address: None,
            details: Vec::new(),
            metadata: Metadata::new(),
            source: None,
        }))
    }

    /// `NOT_FOUND`: what was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// `INVALID_ARGUMENT`: the arguments are wrong whatever the state of the service is.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// `INTERNAL`: an invariant is broken.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// `UNAVAILABLE`: not now, perhaps later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// Adds bytes that the caller can read with [`details`](Self::details), at most a message's size.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Vec<u8>>) -> Self {
        self.0.details = details.into();
        self
    }

    /// Keeps the cause for [`Error::source`]. It does not travel.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_boxed_source(mut self, source: Box<dyn Error + Send + Sync>) -> Self {
        self.0.source = Some(Arc::from(source));
        self
    }

    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The cause, without code, method and address.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Bytes that the handler added; empty when there are none.
    pub fn details(&self) -> &[u8] {
        &self.0.details
    }

    /// Metadata that came with the failure.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// `Service.Method`, where the failure belongs to a call.
    pub fn method(&self) -> Option<&str> {
        self.0.method.as_deref()
    }

    /// The peer's address, where the failure has to do with one.
    pub fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// Whether the method may have run.
    ///
    /// `false` means *not executed*: the request was never written, or it was refused before dispatch, so
    /// that sending it again can not run it twice. `true` means *unknown*.
    pub fn may_have_run(&self) -> bool {
        !self.0.not_executed
    }

    /// A status of the framework's own making.
    pub(crate) fn of_call(code: Code, message: impl Into<String>) -> Self {
        let mut status = Self::new(code, message);
        status.0.origin = Origin::Call;
        status
    }

    pub(crate) fn not_executed(mut self) -> Self {
        self.0.not_executed = true;
        self
    }

    pub(crate) fn executed_unknown(mut self) -> Self {
        self.0.not_executed = false;
        self
    }

    pub(crate) fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// Names the method, unless one is named already.
    pub(crate) fn in_method(mut self, service: &str, method: &str) -> Self {
        self.0.method.get_or_insert_with(|| format!("{service}.{method}"));
        self
    }

    /// Names the peer, unless one is named already.
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.0.address.get_or_insert_with(|| address.to_owned());
        self
    }

    /// What of this status leaves a handler: never *not executed*, because this handler ran; and of a status
    /// that an inner call ended with only code and message.
    pub(crate) fn leaving_handler(mut self) -> Self {
        if self.0.origin == Origin::Call {
            self.0.origin = Origin::Own;
            self.0.message = self.to_string_without_code();
            (self.0.method, self.0.address) = (None, None);
            self.0.details = Vec::new();
            self.0.metadata = Metadata::new();
        }
        self.executed_unknown()
    }

    /// Drops the cause, which does not travel.
    pub(crate) fn forget_source(&mut self) {
        self.0.source = None;
    }

    /// The status as the other side of a call sees it.
    pub(crate) fn received(mut self) -> Self {
        self.0.origin = Origin::Call;
        self.0.source = None;
        self
    }

    fn to_string_without_code(&self) -> String {
        let inner = &self.0;
        match (&inner.method, &inner.address) {
            (Some(method), Some(address)) => format!("{method} at {address}: {}", inner.message),
            (Some(method), None) => format!("{method}: {}", inner.message),
            (None, Some(address)) => format!("{address}: {}", inner.message),
            (None, None) => inner.message.clone(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.to_string_without_code())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("Status")
            .field("code", &inner.code)
            .field("message", &inner.message)
            .field("method", &inner.method)
            .field("address", &inner.address)
            .field("may_have_run", &self.may_have_run())
            .field("details", &inner.details)
            .field("metadata", &inner.metadata)
            .field("source", &inner.source)
            .finish()
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Status>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Status>>(), size_of::<usize>());
    }

    #[test]
    fn names_method_address_and_cause_once() {
        let status = Status::of_call(Code::Unavailable, "connection refused")
            .in_method("Arith", "sum")
            .in_method("Other", "name")
            .at("tcp://127.0.0.1:1");
        assert_eq!(status.to_string(), "UNAVAILABLE: Arith.sum at tcp://127.0.0.1:1: connection refused");
    }

    #[test]
    fn a_status_of_an_inner_call_leaves_a_handler_as_unknown_and_bare() {
        let mut metadata = Metadata::new();
        metadata.insert("k", "v");
        let inner = Status::of_call(Code::NotFound, "gone").not_executed().with_details([1]).with_metadata(metadata);
        assert!(!inner.may_have_run());
        let outer = inner.leaving_handler();
        assert!(outer.may_have_run());
        assert_eq!((outer.details(), outer.metadata().len()), (&[][..], 0));
    }

    #[test]
    fn a_handlers_own_status_keeps_its_details() {
        let outer = Status::not_found("no such row").with_details([7]).leaving_handler();
        assert_eq!(outer.details(), [7]);
    }
}
