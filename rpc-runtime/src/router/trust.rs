//! Which handlers may be polled in the connection's task: trust is earned by quick polls and lost by a slow one,
//! each time for twice as long. A pure function of the durations and the time that are passed in.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A poll below this counts towards trust: the engine's own cost for a call is about a tenth of it.
const QUICK: Duration = Duration::from_micros(20);
/// One poll above this ends trust: it is what a neighbour on the connection may be made to wait.
const SLOW: Duration = Duration::from_micros(100);
/// So many quick polls in a row earn trust.
const NEEDED: u32 = 64;
/// The first loss of trust lasts this long, in milliseconds.
const FIRST_BAN_MS: u64 = 1_000;
/// No loss of trust lasts longer than this, in milliseconds.
const LONGEST_BAN_MS: u64 = 3_600_000;

/// What is known of one method. Shared by all connections; a lost update only delays a decision.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    quick: AtomicU32,
    banned_until_ms: AtomicU64,
    ban_ms: AtomicU64,
}

impl Trust {
    /// Whether the method may be polled in the connection's task.
    pub(crate) fn is_earned(&self, now_ms: u64) -> bool {
        self.quick.load(Relaxed) >= NEEDED && now_ms >= self.banned_until_ms.load(Relaxed)
    }

    /// Takes note of one poll.
    pub(crate) fn polled(&self, took: Duration, now_ms: u64) {
        if took > SLOW {
            self.lose(now_ms);
        } else if took > QUICK {
            // Neither: an earned trust stays, one that is being earned begins anew.
            if self.quick.load(Relaxed) < NEEDED {
                self.quick.store(0, Relaxed);
            }
        } else if self.quick.load(Relaxed) < NEEDED {
            self.quick.fetch_add(1, Relaxed);
        }
    }

    /// Sends the method back to tasks, for twice as long as the last time.
    pub(crate) fn lose(&self, now_ms: u64) {
        let earned = self.quick.swap(0, Relaxed) >= NEEDED;
        if earned {
            let ban = (self.ban_ms.load(Relaxed) * 2).clamp(FIRST_BAN_MS, LONGEST_BAN_MS);
            self.ban_ms.store(ban, Relaxed);
            self.banned_until_ms.store(now_ms + ban, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    fn earn(trust: &Trust, now_ms: u64) {
        for _ in 0..NEEDED {
            trust.polled(MICROSECOND, now_ms);
        }
    }

    #[test]
    fn sixty_four_quick_polls_in_a_row_earn_trust() {
        let trust = Trust::default();
        for _ in 0..NEEDED - 1 {
            trust.polled(MICROSECOND, 0);
        }
        assert!(!trust.is_earned(0));
        trust.polled(50 * MICROSECOND, 0);
        trust.polled(MICROSECOND, 0);
        assert!(!trust.is_earned(0), "the row was broken");
        earn(&trust, 0);
        assert!(trust.is_earned(0));
        trust.polled(50 * MICROSECOND, 0);
        assert!(trust.is_earned(0), "neither quick nor slow");
    }

    #[test]
    fn a_slow_poll_loses_it_for_twice_as_long_each_time() {
        let trust = Trust::default();
        let mut now_ms = 0;
        for ban_ms in [1_000, 2_000, 4_000] {
            earn(&trust, now_ms);
            assert!(trust.is_earned(now_ms));
            trust.polled(101 * MICROSECOND, now_ms);
            earn(&trust, now_ms);
            assert!(!trust.is_earned(now_ms + ban_ms - 1));
            now_ms += ban_ms;
            assert!(trust.is_earned(now_ms));
        }
    }
}
