//! What the conductor was asked for on its command line.

use std::path::PathBuf;

use crate::Result;

pub(crate) const USAGE: &str = "usage: chaos [SCENARIO | all] [--quick] [--long] [--json] [--seed N] [--minutes N] \
                                [--samples FILE]";

/// How a run is made.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Its name, or `all`, which is all but the soak.
    pub(crate) scenario: String,
    /// Smaller numbers; what depends on the machine's speed is told, and fails nothing.
    pub(crate) quick: bool,
    /// Longer times where they stand for those of a real outage.
    pub(crate) long: bool,
    pub(crate) json: bool,
    pub(crate) seed: u64,
    /// Of the soak.
    pub(crate) minutes: u64,
    /// Where the soak leaves its samples.
    pub(crate) samples: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            scenario: "all".to_owned(),
            quick: false,
            long: false,
            json: false,
            seed: 1,
            minutes: 60,
            samples: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value; {USAGE}"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--long" => options.long = true,
                "--json" => options.json = true,
                "--seed" => options.seed = value()?.parse()?,
                "--minutes" => options.minutes = value()?.parse()?,
                "--samples" => options.samples = Some(value()?.into()),
                name if name.starts_with('-') => return Err(USAGE.into()),
                name => options.scenario = name.to_owned(),
            }
        }
        Ok(options)
    }

    /// A number, or a smaller one for a quick run.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
