//! Generates the service, as tonic's tutorial does; but without the program protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    tonic_prost_build::configure().compile_fds(protox::compile(["hello.proto"], ["."])?)?;
    Ok(())
}
