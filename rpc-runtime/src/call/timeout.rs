//! How long a call may take: the choice of the caller, cut to what its surroundings have left.

use std::time::Duration;

use tokio::time::Instant;

/// Beyond this a time-out is as good as none, and adding it to a clock is safe: 30 years.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Timeout {
    /// That of the channel.
    #[default]
    Default,
    /// No time-out of its own.
    None,
    /// From the moment the call is first polled or started.
    After(Duration),
}

impl Timeout {
    /// When a call that begins `now` ends: the smaller of its own time and that of the call it is made in.
    pub(crate) fn deadline(
        self,
        now: Instant,
        default: Option<Duration>,
        inherited: Option<Instant>,
    ) -> Option<Instant> {
        let own = match self {
            Self::Default => default,
            Self::None => None,
            Self::After(timeout) => Some(timeout),
        };
        let own = own.filter(|timeout| *timeout < FOREVER).map(|timeout| now + timeout);
        match (own, inherited) {
            (Some(own), Some(inherited)) => Some(own.min(inherited)),
            (own, inherited) => own.or(inherited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_own_and_inherited_time_holds_also_against_none() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let inherited = Some(now + second);
        assert_eq!(Timeout::None.deadline(now, None, inherited), inherited);
        assert_eq!(Timeout::After(2 * second).deadline(now, None, inherited), inherited);
        assert_eq!(Timeout::Default.deadline(now, Some(second / 2), inherited), Some(now + second / 2));
        assert_eq!(Timeout::None.deadline(now, Some(second), None), None);
        assert_eq!(Timeout::After(Duration::MAX).deadline(now, None, None), None);
    }
}
