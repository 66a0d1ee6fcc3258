//! What the fuzz targets do with their input. Each target is a file of a few lines in `targets/` over one function
//! here; a panic is a find. `run_all` builds and runs them, `coverage` tells what the corpus reaches.

mod calls;
pub mod client;
pub mod frames;
mod heap;
mod peer;
pub mod server;
mod service;
pub mod session;
pub mod values;
mod world;
