//! Real processes under load that are killed, stopped, starved and restarted, and a ledger of what each call did.

fn main() {}
