//! The house rules that no compiler checks, as tests over the source tree: each lists all that breaks it.
//!
//! Every rule stands beside samples that break it, so that a rule that finds nothing has looked.

mod attributes;
mod clocks;
mod documents;
mod faults;
mod messages;
mod ranks;
mod shape;
mod size;
mod source;
mod words;
