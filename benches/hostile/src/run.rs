//! One attack on one framework: a calm time, the attack with the probe beside it, and relief.

use std::{
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use crate::{
    attack::Case,
    peer::Attack,
    probe::{Feelings, Probing},
    process::{Reading, Served},
    subject::{Failure, Subject},
};

/// How long each part takes, and how much of a crowd comes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the attack.
    pub calm: Duration,
    /// The attack.
    pub attack: Duration,
    /// What a server has to get back to where it was.
    pub relief: Duration,
    /// The hostile peers of a plan are divided by this.
    pub fewer: usize,
}

/// What came of it.
pub struct Record {
    /// How it was before.
    pub before: Reading,
    /// What was felt then.
    pub calm: Feelings,
    /// The attack, or `None` where the protocol has no such case.
    pub attacked: Option<Attacked>,
}

/// What an attack has shown.
pub struct Attacked {
    /// What honest users felt.
    pub felt: Feelings,
    /// No room was to be left for them.
    pub leaves_no_room: bool,
    /// The server at the end of it, `None` when it is dead.
    pub during: Option<Reading>,
    /// The same when it was left alone again.
    pub after: Option<Reading>,
    /// How long it took to close all that was open.
    pub relieved: Option<Duration>,
    /// What was felt then.
    pub relief: Feelings,
    /// What the hostile peers have spent and done.
    pub cost: Duration,
    pub opened: u64,
    pub most_open: usize,
    pub sent: u64,
}

impl Pace {
    /// As the figures are published.
    pub const FULL: Self = Self {
        calm: Duration::from_millis(1_500),
        attack: Duration::from_secs(8),
        relief: Duration::from_secs(10),
        fewer: 1,
    };
    /// Half a minute in all.
    pub const QUICK: Self = Self {
        calm: Duration::from_millis(100),
        attack: Duration::from_millis(900),
        relief: Duration::from_secs(5),
        fewer: 10,
    };
}

/// Runs it, against a server that is started for it.
pub fn run(subject: &'static Subject, case: Case, pace: &Pace) -> Result<Record, Failure> {
    let server = Served::start(subject)?;
    let address = server.address.to_string();
    // What is made once, such as threads and tables, is no part of an attack.
    feel(subject, &address, pace.calm / 4)?;
    thread::sleep(Duration::from_millis(20));
    let before = server.read()?;
    let calm = feel(subject, &address, pace.calm)?;
    let Some(mut plan) = (subject.plan)(case) else { return Ok(Record { before, calm, attacked: None }) };
    if !plan.leaves_no_room {
        plan.peers = plan.peers.div_ceil(pace.fewer);
    }
    let leaves_no_room = plan.leaves_no_room;
    let probing = Probing::begin(subject, address.clone());
    let began = Instant::now();
    let attack = Attack::begin(server.address, plan);
    let mut most_open = 0;
    while began.elapsed() < pace.attack {
        thread::sleep(Duration::from_millis(20));
        most_open = most_open.max(attack.tally().open.load(Relaxed));
    }
    let felt = probing.end()?;
    let during = server.read().ok();
    let (opened, sent) = (attack.tally().opened.load(Relaxed), attack.tally().sent.load(Relaxed));
    let cost = attack.end()?;
    let relieved = relief(&server, before.descriptors, pace.relief);
    let relief = feel(subject, &address, pace.calm / 2)?;
    let after = server.read().ok();
    Ok(Record {
        before,
        calm,
        attacked: Some(Attacked {
            felt,
            leaves_no_room,
            during,
            after,
            relieved,
            relief,
            cost,
            opened,
            most_open,
            sent,
        }),
    })
}

/// What honest users feel for so long.
fn feel(subject: &'static Subject, address: &str, time: Duration) -> Result<Feelings, Failure> {
    let probing = Probing::begin(subject, address.to_owned());
    thread::sleep(time);
    probing.end()
}

/// How long a server takes to have as many descriptors as before, and not more than `most`.
fn relief(server: &Served, descriptors: usize, most: Duration) -> Option<Duration> {
    let began = Instant::now();
    while server.read().ok()?.descriptors > descriptors {
        if began.elapsed() > most {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Some(began.elapsed())
}
