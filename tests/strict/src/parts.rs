//! Private traits of which but one half is used, or nothing.

use rpc::{Channel, Status, prelude::Stream, rpc_service};

#[rpc_service(crate = "rpc", name = "Doubling")]
trait ClientOnly {
    async fn double(&self, number: u64) -> u64;
    async fn never_called(&self, text: &str) -> Result<String, String>;
    fn never_opened(&self) -> impl Stream<Item = u8>;
}

#[rpc_service(crate = "rpc", name = "Doubling")]
trait ServerOnly {
    async fn double(&self, number: u64) -> u64;
}

#[rpc_service(crate = "rpc")]
trait Unused {
    async fn nothing(&self);
}

struct Doubling;

impl ServerOnly for Doubling {
    async fn double(&self, number: u64) -> u64 {
        number * 2
    }
}

/// Twice the number, by a call.
///
/// # Errors
///
/// Those of every call.
pub async fn doubled(number: u64) -> Result<u64, Status> {
    let channel = Channel::in_process(ServerOnlyServer::new(Doubling));
    ClientOnlyClient::new(channel).double(number).await
}
