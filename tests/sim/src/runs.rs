//! Many seeds on several threads. Each has a thread of its own, so that nothing of one is left for the next.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use crate::{Options, report::Report, world};

/// Runs all seeds and adds up what they show.
pub(crate) fn all(options: &Options) -> Report {
    let next = AtomicU64::new(options.seeds.start);
    let total = Mutex::new(Report::default());
    thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    let report = one(seed, options);
                    if let Some((seed, what)) = &report.first {
                        eprintln!("seed {seed}: {what}");
                    }
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(report);
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a seed, and if asked to, once more.
fn one(seed: u64, options: &Options) -> Report {
    let mut report = alone(seed, options.trace);
    if options.twice {
        let again = alone(seed, false);
        if report.trace != again.trace {
            report.violation(seed, "a second run was another");
        }
    }
    report
}

fn alone(seed: u64, verbose: bool) -> Report {
    let run = thread::Builder::new().name(format!("seed {seed}")).spawn(move || world::run(seed, verbose));
    let done = run.map_err(|error| error.to_string()).and_then(|thread| {
        thread.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            format!("the simulation itself panicked: {}", text.unwrap_or_default())
        })
    });
    done.unwrap_or_else(|what| {
        let mut report = Report::default();
        report.violation(seed, &what);
        report
    })
}
