//! Measures calls per second, latency, CPU and allocations of this project's runtime beside the floor that tokio
//! itself sets, and beside peers. README.md says what each row means.

use std::process::ExitCode;

use bench::subject::{Row, Subject, Work};
use bench::suite::Suite;

mod floor;
#[cfg(feature = "ours")]
mod ours;
#[cfg(feature = "tarpc")]
mod tarpc;
#[cfg(feature = "variants")]
mod variants;

static SUITE: Suite = Suite { program: "bench", unit: "call", subjects: SUBJECTS, rows: ROWS };

static SUBJECTS: &[Subject] = &[
    floor::SUBJECT,
    #[cfg(feature = "ours")]
    ours::SUBJECT,
    #[cfg(feature = "variants")]
    variants::LAYER,
    #[cfg(feature = "variants")]
    variants::TRACING,
    #[cfg(feature = "variants")]
    variants::TRACING_KEPT,
    #[cfg(feature = "variants")]
    variants::JSON,
    #[cfg(feature = "variants")]
    variants::MESSAGE_PACK,
    #[cfg(feature = "variants")]
    variants::POSTCARD,
    #[cfg(feature = "tarpc")]
    tarpc::SUBJECT,
];

static ROWS: &[Row] = &[
    calls(1),
    Row { one_core: true, ..calls(1) },
    calls(64),
    calls(512),
    calls(4096),
    Row { burners: 4, ..calls(64) },
];

const fn calls(outstanding: usize) -> Row {
    Row { work: Work::Sum, outstanding, one_core: false, burners: 0 }
}

fn main() -> ExitCode {
    bench::suite::run(&SUITE)
}
