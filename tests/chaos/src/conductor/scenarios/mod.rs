//! The scenarios by their names.

mod blackhole;
mod cancel;
mod descriptors;
mod kill;
mod memory;
mod overload;
mod proxy;
mod rolling;
mod soak;
mod stop;
mod term;

use std::time::Duration;

use tokio::time::sleep;

use super::{
    options::{Options, USAGE},
    process::Process,
    table::Row,
};
use crate::{Result, sample::Sample};

/// All in their order; the soak runs only when it is named.
const NAMES: [&str; 11] =
    ["kill", "stop", "term", "rolling", "proxy", "blackhole", "descriptors", "memory", "cancel", "overload", "soak"];

/// No scenario takes longer than this, the soak aside.
const LONGEST: Duration = Duration::from_secs(180);

/// Those that a name means.
pub(super) fn chosen(name: &str) -> Result<Vec<&'static str>> {
    let named = |known: &&&str| **known == name || (name == "all" && **known != "soak");
    let chosen: Vec<_> = NAMES.iter().filter(named).copied().collect();
    if chosen.is_empty() && name != "all" {
        return Err(format!("no scenario {name}; there are {}; {USAGE}", NAMES.join(", ")).into());
    }
    Ok(chosen)
}

/// Runs one. One that can not be run, or takes too long, has failed, and its processes are killed.
pub(super) async fn run(name: &'static str, options: &Options) -> Row {
    let mut row = Row::new(name, options);
    let longest = if name == "soak" { Duration::from_secs(60 * options.minutes + 120) } else { LONGEST };
    let played = async {
        match name {
            "kill" => kill::play(options, &mut row).await,
            "term" => term::play(options, &mut row).await,
            "rolling" => rolling::play(options, &mut row).await,
            "proxy" => proxy::play(options, &mut row).await,
            "blackhole" => blackhole::play(options, &mut row).await,
            "stop" => stop::play(options, &mut row).await,
            "descriptors" => descriptors::play(options, &mut row).await,
            "memory" => memory::play(options, &mut row).await,
            "cancel" => cancel::play(options, &mut row).await,
            "overload" => overload::play(options, &mut row).await,
            _ => soak::play(options, &mut row).await,
        }
    };
    let ended = tokio::time::timeout(longest, played).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => row.must(false, error.to_string()),
        Err(_) => row.must(false, format!("it had not ended within {longest:?}")),
    }
    row
}

/// Waits until a process is like that.
async fn until(process: &mut Process, what: &str, holds: impl Fn(&Sample) -> bool) -> Result<Sample> {
    let mut last = None;
    for _ in 0..200 {
        let sample = process.sample().await?;
        if holds(&sample) {
            return Ok(sample);
        }
        last = Some(sample);
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("{what}: that never was, but {last:?}").into())
}

/// Waits until a server has so many calls in hand.
async fn until_in_flight(server: &mut Process, calls: u64) -> Result<Sample> {
    until(server, &format!("{calls} calls in flight"), |sample| sample.in_flight == calls).await
}
