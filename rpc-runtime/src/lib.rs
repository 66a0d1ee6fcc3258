//! RPC from a plain Rust trait.

mod buffer;
mod call;
mod codec;
pub mod descriptor;
mod limits;
mod metadata;
mod status;
mod transport;
mod wire;

pub use call::Context;
pub use limits::Limits;
pub use metadata::Metadata;
pub use status::{CallError, Code, Status};
