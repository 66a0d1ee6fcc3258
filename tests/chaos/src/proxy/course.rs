//! What will happen to a connection of the proxy, all of it settled by a seed and the connection's number.

use std::time::Duration;

use fastrand::Rng;

/// Of one connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Course {
    pub(super) seed: u64,
    pub(super) up: Bends,
    pub(super) down: Bends,
    pub(super) life: Duration,
    pub(super) end: End,
}

/// Of one direction.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bends {
    /// Each block waits up to so long.
    pub(super) delay: Option<Duration>,
    /// Each block is written in pieces of up to so many bytes.
    pub(super) split: Option<usize>,
    /// After so many bytes nothing passes for so long.
    pub(super) stop: Option<(usize, Duration)>,
}

/// How it ends when nobody else ends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    None,
    HalfCloseToServer,
    HalfCloseToClient,
    Cut,
    Reset,
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::HalfCloseToServer => "half-closed to the server",
            Self::HalfCloseToClient => "half-closed to the client",
            Self::Cut => "cut",
            Self::Reset => "reset",
        }
    }
}

impl Course {
    /// Nothing happens to it.
    pub(super) fn straight() -> Self {
        let (up, down) = (Bends::default(), Bends::default());
        Self { seed: 0, up, down, life: Duration::from_secs(86_400), end: End::None }
    }

    pub(super) fn of(seed: u64, number: u64) -> Self {
        let mut random = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9).wrapping_add(number));
        let ends = [End::HalfCloseToServer, End::HalfCloseToClient, End::Cut, End::Reset];
        Self {
            seed: random.u64(..),
            up: Bends::of(&mut random),
            down: Bends::of(&mut random),
            // Some end in their handshake.
            life: Duration::from_micros(random.u64(1..30) * random.u64(100..50_000)),
            end: ends[random.usize(..ends.len())],
        }
    }
}

impl Bends {
    fn of(random: &mut Rng) -> Self {
        let delay = Duration::from_millis(random.u64(1..20));
        let split = random.usize(1..200);
        let stop = (random.usize(..20_000), Duration::from_millis(random.u64(50..1_500)));
        Self {
            delay: (random.u8(..4) == 0).then_some(delay),
            split: (random.u8(..3) == 0).then_some(split),
            stop: (random.u8(..4) == 0).then_some(stop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_settles_every_course_and_courses_differ() {
        let courses = |seed| (0..100).map(|number| Course::of(seed, number)).collect::<Vec<_>>();
        assert_eq!(courses(7), courses(7));
        assert_ne!(courses(7), courses(8));
        let mut distinct = courses(7);
        distinct.dedup();
        assert_eq!(distinct.len(), 100);
    }
}
