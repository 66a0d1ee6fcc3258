//! The service.

/// Greets.
#[tarpc::service]
pub trait Hello {
    /// Says hello.
    async fn hello(name: String) -> String;
}
