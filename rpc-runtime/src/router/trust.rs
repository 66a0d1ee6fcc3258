//! Which handlers may be polled in the connection's runner: trust is earned by quick polls and lost by slow ones, for
//! longer when it was lost before. A pure function of the durations and the time that are passed in.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A poll below this counts towards trust: the engine's own cost for a call is about a tenth of it.
const QUICK: Duration = Duration::from_micros(20);
/// A poll above this counts against it: it is what a neighbour on the connection may be made to wait.
const SLOW: Duration = Duration::from_micros(100);
/// One poll above this ends trust at once: no scheduler takes a thread away for that long without need.
const BLOCKED: Duration = Duration::from_millis(20);
/// So many quick polls in a row earn trust.
const NEEDED: u32 = 64;
/// The operating system interrupts any thread now and then, and a poll that it interrupts looks slow. So one slow
/// poll weighs as much as this many quick ones, and four of them together end trust.
const WEIGHT: u32 = 64;
const ENOUGH: u32 = 4 * WEIGHT;
/// A loss of trust lasts this long, in milliseconds, and twice as long if trust is lost again soon after.
const FIRST_BAN_MS: u64 = 1_000;
/// No loss of trust lasts longer than this, in milliseconds.
const LONGEST_BAN_MS: u64 = 3_600_000;
/// "Soon" is within so many times the last ban.
const SOON: u64 = 8;

/// What is known of one method. Shared by all connections; a lost update only delays a decision.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    quick: AtomicU32,
    /// What speaks against the method at present.
    doubt: AtomicU32,
    banned_until_ms: AtomicU64,
    ban_ms: AtomicU64,
}

impl Trust {
    /// Whether the method may be polled in the connection's runner.
    #[inline]
    pub(crate) fn is_earned(&self, now_ms: u64) -> bool {
        self.quick.load(Relaxed) >= NEEDED && now_ms >= self.banned_until_ms.load(Relaxed)
    }

    /// Takes note of one poll.
    #[inline]
    pub(crate) fn polled(&self, took: Duration, now_ms: u64) {
        let quick = self.quick.load(Relaxed);
        let doubt = self.doubt.load(Relaxed);
        if took <= QUICK && quick >= NEEDED && doubt == 0 {
            return;
        }
        self.weigh(took, quick, doubt, now_ms);
    }

    fn weigh(&self, took: Duration, quick: u32, doubt: u32, now_ms: u64) {
        if took <= QUICK {
            self.doubt.store(doubt.saturating_sub(1), Relaxed);
            self.quick.store(NEEDED.min(quick + 1), Relaxed);
        } else if quick < NEEDED {
            self.quick.store(0, Relaxed);
        } else if took > SLOW {
            let doubt = doubt.saturating_add(if took > BLOCKED { ENOUGH } else { WEIGHT });
            self.doubt.store(doubt, Relaxed);
            if doubt >= ENOUGH {
                self.lose(now_ms);
            }
        }
    }

    /// Sends the method back to tasks.
    pub(crate) fn lose(&self, now_ms: u64) {
        if self.quick.swap(0, Relaxed) < NEEDED {
            return;
        }
        let last = self.ban_ms.load(Relaxed);
        let soon = now_ms < self.banned_until_ms.load(Relaxed) + SOON * last;
        let ban = if soon { (last * 2).clamp(FIRST_BAN_MS, LONGEST_BAN_MS) } else { FIRST_BAN_MS };
        self.doubt.store(0, Relaxed);
        self.ban_ms.store(ban, Relaxed);
        self.banned_until_ms.store(now_ms + ban, Relaxed);
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
    fn a_slow_poll_now_and_then_is_the_schedulers_and_several_together_are_the_methods() {
        let trust = Trust::default();
        earn(&trust, 0);
        for _ in 0..100 {
            trust.polled(3_000 * MICROSECOND, 0);
            earn(&trust, 0);
        }
        assert!(trust.is_earned(0));
        for _ in 0..4 {
            assert!(trust.is_earned(0));
            trust.polled(101 * MICROSECOND, 0);
        }
        assert!(!trust.is_earned(0));
    }

    #[test]
    fn a_poll_that_blocks_ends_trust_for_twice_as_long_each_time() {
        let trust = Trust::default();
        let mut now_ms = 10_000_000;
        for ban_ms in [1_000, 2_000, 4_000] {
            earn(&trust, now_ms);
            assert!(trust.is_earned(now_ms));
            trust.polled(21_000 * MICROSECOND, now_ms);
            earn(&trust, now_ms);
            assert!(!trust.is_earned(now_ms + ban_ms - 1));
            now_ms += ban_ms;
            assert!(trust.is_earned(now_ms));
        }
        now_ms += 9 * 4_000;
        trust.polled(21_000 * MICROSECOND, now_ms);
        earn(&trust, now_ms);
        assert!(trust.is_earned(now_ms + 1_000), "a long good time is not forgotten");
    }
}
