//! The seventeen canonical status codes of gRPC, with their numbers
//! (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).

use std::fmt;

/// What kind of failure a [`Status`](crate::Status) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Not a failure. A [`Status`](crate::Status) never carries it on the wire.
    Ok = 0,
    /// The call was cancelled, or the connection was closed on this side.
    Cancelled = 1,
    /// Nothing better is known.
    Unknown = 2,
    /// The arguments are wrong whatever the state of the service is.
    InvalidArgument = 3,
    /// The time that the call was given has passed.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be created is there already.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A limit was reached.
    ResourceExhausted = 8,
    /// The service is not in the state that the method needs.
    FailedPrecondition = 9,
    /// A conflict with a concurrent operation.
    Aborted = 10,
    /// Beyond the valid range.
    OutOfRange = 11,
    /// The service or method does not exist here.
    Unimplemented = 12,
    /// An invariant of the peer or of the framework is broken.
    Internal = 13,
    /// The peer can not be reached now; trying again later may help.
    Unavailable = 14,
    /// Data was lost or damaged beyond recovery.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

impl Code {
    /// The code with this number, [`Code::Unknown`] when there is none.
    pub fn from_number(number: u64) -> Self {
        ALL.get(usize::try_from(number).unwrap_or(usize::MAX)).copied().unwrap_or(Self::Unknown)
    }

    /// The canonical number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The canonical name, such as `DEADLINE_EXCEEDED`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const ALL: [Code; 17] = [
    Code::Ok,
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number_and_others_are_unknown() {
        for (number, code) in (0_u64..).zip(ALL) {
            assert_eq!(Code::from_number(number), code);
            assert_eq!(u64::from(code.number()), number);
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u64::MAX), Code::Unknown);
    }
}
