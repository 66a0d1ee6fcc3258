//! Measures items per second of streams, and the round trip of an item, with this project's runtime beside the floor
//! that tokio itself sets, and beside peers. README.md says what each row means.

use std::process::ExitCode;

use bench::subject::{Row, Subject, Work};
use bench::suite::Suite;

mod floor;
#[cfg(feature = "ours")]
mod ours;
#[cfg(feature = "remoc")]
mod remoc;
mod source;
#[cfg(feature = "tonic")]
mod tonic;

static SUITE: Suite = Suite { program: "streams", unit: "item", subjects: SUBJECTS, rows: ROWS };

static SUBJECTS: &[Subject] = &[
    floor::SUBJECT,
    #[cfg(feature = "ours")]
    ours::SUBJECT,
    #[cfg(feature = "tonic")]
    tonic::SUBJECT,
    #[cfg(feature = "remoc")]
    remoc::SUBJECT,
];

static ROWS: &[Row] = &[
    streams(Work::Numbers, 1),
    streams(Work::Blocks, 1),
    streams(Work::Numbers, 64),
    streams(Work::Total, 1),
    streams(Work::Echo, 1),
    Row { one_core: true, ..streams(Work::Echo, 1) },
];

const fn streams(work: Work, outstanding: usize) -> Row {
    Row { work, outstanding, one_core: false, burners: 0 }
}

fn main() -> ExitCode {
    bench::suite::run(&SUITE)
}
