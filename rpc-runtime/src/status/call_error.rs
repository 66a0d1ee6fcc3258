//! The error of a method that has an error of its own: either that, or a `Status`.

use std::{error::Error, fmt};

use super::{Code, Status};

/// How a call of a method that returns `Result<T, E>` fails.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Arith {
/// #     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivisionByZero>;
/// # }
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct DivisionByZero;
/// # struct Calculator;
/// # impl Arith for Calculator {
/// #     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivisionByZero> {
/// #         a.checked_div(b).ok_or(DivisionByZero)
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let arith = ArithClient::from_service(Calculator);
/// match arith.divide(7, 0).await {
///     Ok(quotient) => println!("{quotient}"),
///     Err(CallError::Service(DivisionByZero)) => println!("there is no such quotient"),
///     Err(CallError::Status(status)) => println!("it could not be asked: {status}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub enum CallError<E> {
    /// The handler returned `Err(E)`.
    Service(E),
    /// The framework or the peer refused or failed the call.
    Status(Status),
}

impl<E> CallError<E> {
    /// The service's own error, if that is what it is.
    pub fn service(&self) -> Option<&E> {
        match self {
            Self::Service(error) => Some(error),
            Self::Status(_) => None,
        }
    }

    /// The framework's failure, if that is what it is.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Service(_) => None,
            Self::Status(status) => Some(status),
        }
    }
}

impl<E> From<Status> for CallError<E> {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// A service's own error that leaves a handler through `?` on a `Status` becomes `UNKNOWN` with its text.
impl<E: fmt::Display> From<CallError<E>> for Status {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Service(error) => Self::of_call(Code::Unknown, error.to_string()),
            CallError::Status(status) => status,
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Status(status) => status.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Service(error) => error.source(),
            Self::Status(status) => status.source(),
        }
    }
}
