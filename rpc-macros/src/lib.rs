//! The `#[rpc_service]` attribute: a plain trait in, the trait with a typed client and server out.
