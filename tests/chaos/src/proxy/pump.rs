//! One direction of a connection of the proxy.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    time::sleep,
};

use super::{Shared, course::Bends};

const BLOCK: usize = 16 << 10;

pub(super) struct Direction<'a> {
    pub(super) course: Bends,
    pub(super) swallows: Arc<AtomicBool>,
    pub(super) seed: u64,
    pub(super) shared: &'a Shared,
}

/// Passes on what comes until there is no more, and then the end of it.
pub(super) async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, direction: Direction<'_>) -> io::Result<()> {
    let Direction { mut course, swallows, seed, shared } = direction;
    let (mut random, mut block, mut passed) = (Rng::with_seed(seed), vec![0; BLOCK], 0);
    loop {
        let count = from.read(&mut block).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        if swallows.load(Relaxed) {
            shared.count("blocks swallowed");
            continue;
        }
        passed += count;
        if let Some((_, time)) = course.stop.take_if(|(after, _)| *after <= passed) {
            shared.count("directions stopped");
            sleep(time).await;
        }
        if let Some(most) = course.delay {
            shared.count("blocks delayed");
            sleep(most.mul_f64(random.f64())).await;
        }
        let mut rest = &block[..count];
        if course.split.is_some() && count > 1 {
            shared.count("blocks split");
        }
        while !rest.is_empty() {
            let piece = course.split.map_or(count, |most| random.usize(1..=most)).min(rest.len());
            to.write_all(&rest[..piece]).await?;
            rest = &rest[piece..];
            if course.split.is_some() {
                // So that the other end reads it by itself now and then.
                sleep(Duration::from_micros(random.u64(..50))).await;
            }
        }
    }
}
