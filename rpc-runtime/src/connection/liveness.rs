//! Whether the peer is still there: keepalive while calls are in flight, and an end to stalls. Pure: it compares
//! samples that are taken now and then, so that no call pays for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;

/// How often a connection at work is looked at: so much later than its time may a stall be noticed.
pub(super) fn tick(limits: &Limits) -> Duration {
    let shortest = limits.stall_timeout.min(limits.keepalive_interval).min(limits.keepalive_timeout);
    (shortest / 4).clamp(Duration::from_millis(5), Duration::from_millis(2_500))
}

/// What is known of a connection at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Bytes read, and bytes that the transport took, in all.
    pub(super) received: u64,
    pub(super) accepted: u64,
    /// Output waits.
    pub(super) unsent: bool,
    /// A frame has begun that is not whole.
    pub(super) partial: bool,
    /// When the message that was silent longest got its last part.
    pub(super) oldest_part: Option<Instant>,
    /// Calls are in flight, in either direction.
    pub(super) active: bool,
}

/// What follows from a sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Fine,
    /// Ask the peer for a sign of life.
    Probe,
    /// The peer is gone or stuck.
    Dead(String),
}

/// What was seen before.
#[derive(Debug)]
pub(super) struct Liveness {
    received: u64,
    received_at: Instant,
    accepted: u64,
    accepted_at: Instant,
    active_since: Option<Instant>,
    probed_at: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self { received: 0, received_at: now, accepted: 0, accepted_at: now, active_since: None, probed_at: None }
    }

    /// Judges by what has changed since the sample before.
    pub(super) fn check(&mut self, now: Instant, sample: Sample, limits: &Limits) -> Pulse {
        if sample.received != self.received {
            (self.received, self.received_at, self.probed_at) = (sample.received, now, None);
        }
        if sample.accepted != self.accepted || !sample.unsent {
            (self.accepted, self.accepted_at) = (sample.accepted, now);
        }
        let active_since = if sample.active { Some(*self.active_since.get_or_insert(now)) } else { None };
        self.active_since = active_since;
        let stall = limits.stall_timeout;
        let silent = now - self.received_at;
        let stuck = now - self.accepted_at;
        let part_silent = sample.oldest_part.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if sample.unsent && stuck >= stall {
            return Pulse::Dead(format!("the peer took no byte for {stuck:?}, longer than stall_timeout, {stall:?}"));
        }
        if sample.partial && silent >= stall {
            let text = format!("a frame was begun and silent for {silent:?}, longer than stall_timeout, {stall:?}");
            return Pulse::Dead(text);
        }
        if part_silent >= stall {
            let text =
                format!("a message was begun and silent for {part_silent:?}, longer than stall_timeout, {stall:?}");
            return Pulse::Dead(text);
        }
        self.keepalive(now, active_since, limits)
    }

    fn keepalive(&mut self, now: Instant, active_since: Option<Instant>, limits: &Limits) -> Pulse {
        let Some(active_since) = active_since else {
            self.probed_at = None;
            return Pulse::Fine;
        };
        if let Some(probed_at) = self.probed_at {
            let waited = now - probed_at;
            let timeout = limits.keepalive_timeout;
            if waited >= timeout {
                return Pulse::Dead(format!(
                    "no answer to keepalive for {waited:?}, longer than its time-out, {timeout:?}"
                ));
            }
        } else if now - self.received_at.max(active_since) >= limits.keepalive_interval {
            self.probed_at = Some(now);
            return Pulse::Probe;
        }
        Pulse::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Sample =
        Sample { received: 0, accepted: 0, unsent: false, partial: false, oldest_part: None, active: false };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn an_idle_connection_is_left_alone() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.check(start + seconds(100_000), QUIET, &Limits::default()), Pulse::Fine);
    }

    #[test]
    fn a_silent_peer_is_probed_while_calls_are_in_flight_and_then_dead() {
        let limits = Limits::default();
        let start = Instant::now();
        let active = Sample { active: true, ..QUIET };
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.check(start, active, &limits), Pulse::Fine);
        assert_eq!(liveness.check(start + seconds(29), active, &limits), Pulse::Fine);
        assert_eq!(liveness.check(start + seconds(30), active, &limits), Pulse::Probe);
        assert_eq!(liveness.check(start + seconds(39), active, &limits), Pulse::Fine);
        let heard = Sample { received: 16, ..active };
        assert_eq!(liveness.check(start + seconds(39), heard, &limits), Pulse::Fine);
        assert_eq!(liveness.check(start + seconds(69), heard, &limits), Pulse::Probe);
        assert!(matches!(liveness.check(start + seconds(79), heard, &limits), Pulse::Dead(_)));
    }

    #[test]
    fn a_call_after_a_long_idle_time_does_not_probe_at_once() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let active = Sample { active: true, ..QUIET };
        assert_eq!(liveness.check(start + seconds(1_000), active, &Limits::default()), Pulse::Fine);
    }

    #[test]
    fn a_peer_that_takes_no_byte_or_stops_midway_is_dead_after_the_stall_timeout() {
        let limits = Limits::default();
        let start = Instant::now();
        for stalled in [
            Sample { unsent: true, ..QUIET },
            Sample { partial: true, ..QUIET },
            Sample { oldest_part: Some(start), ..QUIET },
        ] {
            let mut liveness = Liveness::new(start);
            assert_eq!(liveness.check(start + seconds(9), stalled, &limits), Pulse::Fine);
            assert!(matches!(liveness.check(start + seconds(10), stalled, &limits), Pulse::Dead(_)), "{stalled:?}");
        }
    }
}
