//! What must be survived: faults of peers, transports, arguments and handlers, case by case.

mod a01_a20_calls;
mod a01_a20_cancel;
mod a01_a20_close;
mod a01_a20_desk;
mod a01_a20_errors;
mod a01_a20_lost;
mod a01_a20_queue;
mod a01_a20_stalled;
mod a01_a20_strange;
mod a01_a20_writes;
mod peer_a;
mod seven_endings;
