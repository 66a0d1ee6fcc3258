//! A thread that looks after the runners of this process: a handler that blocks its worker may block the very one that
//! looks after timers and sockets, so that no task could. It sleeps while no runner is at work.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, OnceLock, PoisonError, Weak},
    thread::{self, Thread},
    time::Duration,
};

use super::Serving;

/// A runner that is in one poll for this long, or twice as long, is replaced.
const LOOK: Duration = Duration::from_millis(10);

/// The connections whose runners are at work, and the thread once there is one.
static WATCHED: Mutex<Vec<Weak<Serving>>> = Mutex::new(Vec::new());
static THREAD: OnceLock<Option<Thread>> = OnceLock::new();

/// Looks after this connection until its runner has been idle for a while.
pub(super) fn watch(serving: Weak<Serving>) {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).push(serving);
    let thread = THREAD.get_or_init(|| {
        let spawned = thread::Builder::new().name("rpc-watchdog".to_owned()).spawn(look_for_ever);
        match spawned {
            Ok(handle) => Some(handle.thread().clone()),
            Err(error) => {
                tracing::warn!("no watchdog: a handler that blocks will hold its connection up: {error}");
                None
            }
        }
    });
    if let Some(thread) = thread {
        thread.unpark();
    }
}

fn look_for_ever() {
    loop {
        let mut watched = std::mem::take(&mut *WATCHED.lock().unwrap_or_else(PoisonError::into_inner));
        if watched.is_empty() {
            thread::park();
            continue;
        }
        thread::sleep(LOOK);
        // Without the lock, and unwinding no further: this may be the last to drop a connection, and with it services.
        watched.retain(|serving| {
            catch_unwind(AssertUnwindSafe(|| serving.upgrade().is_some_and(|serving| serving.look()))).unwrap_or(false)
        });
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner).append(&mut watched);
    }
}
