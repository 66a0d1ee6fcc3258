//! What must be survived, case by case.

mod a21_a38_closing;
mod a21_a38_ends;
mod a21_a38_flow;
mod a21_a38_handlers;
mod a21_a38_limits;
mod a21_a38_nested;
mod a21_a38_service;
mod a21_a38_values;
pub(crate) mod peer_b;
