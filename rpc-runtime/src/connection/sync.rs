//! What threads of a connection meet at: its locks, flags and tasks. They are those of the standard library and of
//! tokio, and under `--cfg shuttle` those of a checker that steps the tests through many interleavings.

#[cfg(not(all(test, shuttle)))]
pub(super) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(not(all(test, shuttle)))]
pub(super) use tokio::{runtime::Handle, spawn, task::AbortHandle};

#[cfg(all(test, shuttle))]
pub(super) use super::tests::interleavings::Handle;
#[cfg(all(test, shuttle))]
pub(super) use shuttle::{
    future::{AbortHandle, spawn},
    sync::{Mutex, MutexGuard, atomic::AtomicBool},
};
