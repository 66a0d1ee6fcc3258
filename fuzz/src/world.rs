//! What every input is played in: a runtime of its own in paused time, where a wait takes no time and a hang is an
//! elapsed time-out; and what must hold when it is over.

use std::{fmt, future::Future, time::Duration};

use rpc_runtime::{Limits, Stats};
use tokio::{
    runtime::{Builder, Handle},
    time::timeout,
};

use crate::{frames::Setting, heap};

/// Longer than everything that a connection waits for by itself, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays one input, and holds that nothing of it is left.
pub(crate) fn play(input: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime needs no descriptor without I/O").block_on(input);
    heap::is_flat();
}

/// What `future` gives, unless it hangs.
pub(crate) async fn within<T>(what: impl fmt::Display, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} hangs"),
    }
}

/// Waits until `is_so` tells nothing that is against it.
pub(crate) async fn until(is_so: impl Fn() -> Result<(), String>) {
    let mut waited = Duration::ZERO;
    while let Err(against) = is_so() {
        let pause = Duration::from_millis(1).max(waited / 8);
        assert!(waited < PATIENCE, "{against}");
        tokio::time::sleep(pause).await;
        waited += pause;
    }
}

pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Tables, handlers and memory of a side without connections.
pub(crate) fn is_idle(stats: &Stats) -> Result<(), String> {
    let Stats { connections, handshakes, calls_in_flight, calls_waiting, calls_abandoned, .. } = stats;
    let Stats { served_in_flight, running, handlers_abandoned, memory_held, .. } = stats;
    let counts = [connections, handshakes, calls_in_flight, calls_waiting, calls_abandoned, served_in_flight, running];
    let idle = counts.iter().all(|count| **count == 0) && (*handlers_abandoned, *memory_held) == (0, 0);
    if idle { Ok(()) } else { Err(format!("{stats:?}")) }
}

/// What this side allows, and the memory of all its connections.
pub(crate) fn limits(setting: Setting) -> (Limits, usize) {
    let limits = Limits::default();
    match setting {
        Setting::Default => (limits, 64 << 20),
        Setting::Tight => {
            let limits = limits.max_message(2_000).max_header(256).max_metadata(2).in_flight(4).running(2);
            let limits = limits.request_window(1).unsent_responses(1).streams(2).stream_window(64, 256);
            (limits.protocol_errors(3), 64 << 20)
        }
        Setting::Poor => (limits.protocol_errors(u32::MAX).max_message(300_000), 256 << 10),
    }
}

/// What a peer of bytes grants, as JSON.
pub(crate) fn grant(setting: Setting) -> &'static str {
    match setting {
        Setting::Default | Setting::Poor => {
            concat!(
                r#"{"in_flight":4096,"request_window":4194304,"max_message":4194304,"#,
                r#""max_header":16384,"streams":128,"stream_window":65536}"#
            )
        }
        Setting::Tight => {
            r#"{"in_flight":2,"request_window":100,"max_message":100,"max_header":64,"streams":1,"stream_window":40}"#
        }
    }
}
