//! A call as it leaves the caller, and the answer as it comes back: encoded, without types.

use std::sync::Arc;

use super::Items;
use crate::{metadata::Metadata, status::Status};

/// A request whose arguments are encoded.
#[derive(Debug)]
pub(crate) struct OutgoingRequest {
    pub(crate) service: ServiceName,
    pub(crate) method: &'static str,
    pub(crate) metadata: Metadata,
    pub(crate) body: Vec<u8>,
    /// What the caller sends beside the arguments.
    pub(crate) items: Option<Items>,
    /// Whether it sends any.
    pub(crate) sends: bool,
    pub(crate) reception: Reception,
}

impl OutgoingRequest {
    /// A request without metadata and streams.
    #[cfg(test)]
    pub(crate) fn unary(service: &'static str, method: &'static str, body: Vec<u8>) -> Self {
        let (service, metadata, reception) = (ServiceName::Static(service), Metadata::new(), Reception::Value);
        Self { service, method, metadata, body, items: None, sends: false, reception }
    }

    /// Whether items travel in either direction.
    pub(crate) fn streams(&self) -> bool {
        self.sends || self.reception != Reception::Value
    }
}

/// What a caller expects of a call that does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reception {
    /// One value.
    Value,
    /// Items. The call has succeeded when the method has accepted it.
    Opened,
    /// Items of a method that can not refuse: the call has succeeded when it is on its way.
    AtOnce,
}

/// The name that an instance of a service was registered under.
#[derive(Debug, Clone)]
pub(crate) enum ServiceName {
    /// The trait's.
    Static(&'static str),
    /// One given with `named`.
    Named(Arc<str>),
}

impl ServiceName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Named(name) => name,
        }
    }
}

/// How a call ended, before its body is decoded.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ending: Ending,
    pub(crate) metadata: Metadata,
    /// The value or the service's error; whatever the buffer held before when it ended with a status.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn of_status(status: Status) -> Self {
        Self { ending: Ending::Status(status), metadata: Metadata::new(), body: Vec::new() }
    }
}

/// Which of the outcomes of a call an answer is.
#[derive(Debug)]
pub(crate) enum Ending {
    Ok,
    /// It goes on: the method has accepted it, and its items follow.
    Opened(Items),
    ServiceError,
    Status(Status),
}
