//! In the place of the thread that looks after runners: a task that looks as often as the schedule lets it, so that
//! runners are replaced at any moment of a poll.

use std::sync::Weak;

use super::Serving;

/// Looks after this connection until its runner has been idle for a while.
pub(super) fn watch(serving: Weak<Serving>) {
    shuttle::future::spawn(async move {
        loop {
            shuttle::future::yield_now().await;
            if !serving.upgrade().is_some_and(|serving| serving.look()) {
                return;
            }
        }
    });
}
