//! What the programs of this workspace share: their arguments, the two processes, the window in which things count, and
//! the report. What is measured is each program's own: a [`Suite`](suite::Suite) of subjects and rows.

pub mod allocations;
pub mod cpu;
pub mod measure;
pub mod report;
pub mod server;
pub mod subject;
pub mod suite;
pub mod window;
