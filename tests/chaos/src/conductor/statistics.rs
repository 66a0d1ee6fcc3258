//! Percentiles, and the slope of a series with its error.

/// The value that so many per cent are not above; 0 of nothing.
pub(crate) fn percentile(sorted: &[u64], percent: f64) -> u64 {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).or(sorted.last()).copied().unwrap_or(0)
}

/// A line through a series by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slope {
    pub(crate) mean: f64,
    /// In units of the series for each unit of time.
    pub(crate) slope: f64,
    /// The standard error of the slope.
    pub(crate) error: f64,
}

impl Slope {
    /// Of points in time and their values; of fewer than three there is none.
    pub(crate) fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        if points.len() < 3 {
            return None;
        }
        let (time, mean) = points.iter().fold((0.0, 0.0), |(t, v), point| (t + point.0 / count, v + point.1 / count));
        let spread: f64 = points.iter().map(|point| (point.0 - time).powi(2)).sum();
        let slope = points.iter().map(|point| (point.0 - time) * (point.1 - mean)).sum::<f64>() / spread;
        let rest: f64 = points.iter().map(|point| (point.1 - mean - slope * (point.0 - time)).powi(2)).sum();
        Some(Self { mean, slope, error: (rest / (count - 2.0) / spread).sqrt() })
    }

    /// Whether no growth is to be seen: zero is within two standard errors of the slope, or below it; or all that it
    /// would have grown by in this time is less than a hundredth of what there is, and than half a unit of it.
    pub(crate) fn is_within_noise(&self, time: f64) -> bool {
        self.slope <= 2.0 * self.error || self.slope * time <= (self.mean / 100.0).max(0.5)
    }
}

/// The means of so many points that follow one another. What a sample shows, the next one shows as well: without this
/// the error of the slope would be judged too small.
pub(crate) fn means(points: &[(f64, f64)], of: usize) -> Vec<(f64, f64)> {
    let mean = |block: &[(f64, f64)]| {
        let count = block.len() as f64;
        block.iter().fold((0.0, 0.0), |(t, v), point| (t + point.0 / count, v + point.1 / count))
    };
    points.chunks_exact(of.max(1)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_there() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([0.0, 50.0, 99.0, 100.0].map(|percent| percentile(&values, percent)), [1, 50, 99, 100]);
        assert_eq!((percentile(&[7], 50.0), percentile(&[], 50.0)), (7, 0));
    }

    #[test]
    fn the_slope_of_a_line_is_its_own_without_error() {
        let line: Vec<_> = (0..60).map(|n| (f64::from(n), 100.0 + 3.0 * f64::from(n))).collect();
        let slope = Slope::of(&line).unwrap();
        assert!((slope.slope - 3.0).abs() < 1e-9 && slope.error < 1e-9, "{slope:?}");
        assert!(!slope.is_within_noise(60.0));
        assert_eq!(Slope::of(&line[..2]), None);
    }

    #[test]
    fn a_leak_is_told_from_noise() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<_> = (0..60).map(|n| (f64::from(n), 10_000.0 + 400.0 * random.f64())).collect();
        let leak: Vec<_> = noise.iter().map(|(time, value)| (*time, value + 10.0 * time)).collect();
        assert!(Slope::of(&noise).unwrap().is_within_noise(60.0));
        assert!(!Slope::of(&leak).unwrap().is_within_noise(60.0));
    }

    #[test]
    fn what_shrinks_does_not_grow() {
        let line: Vec<_> = (0..60).map(|n| (f64::from(n), 1_000.0 - f64::from(n))).collect();
        assert!(Slope::of(&line).unwrap().is_within_noise(60.0));
    }
}
