//! Panics of this thread, but for those of handlers that were planned: the runtime survives them all, so that nobody
//! else would tell.

use std::{cell::RefCell, panic};

use crate::services::PLANNED;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Takes note of panics in place of printing them.
pub(crate) fn watch() {
    panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains(PLANNED) {
            PANICS.with_borrow_mut(|panics| panics.push(text));
        }
    }));
}

/// Those of this thread so far.
pub(crate) fn take() -> Vec<String> {
    PANICS.take()
}
