//! The service, as the build script has generated it.

tonic::include_proto!("hello");
