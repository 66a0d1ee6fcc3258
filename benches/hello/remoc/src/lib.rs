//! The service.

use remoc::rtc::{CallError, remote};

/// Greets.
#[remote]
pub trait Hello {
    /// Says hello.
    async fn hello(&self, name: String) -> Result<String, CallError>;
}
