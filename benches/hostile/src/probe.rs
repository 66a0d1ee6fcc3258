//! What honest users feel: one connection that stays, and a new one for each probe, as users have them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    time::{sleep, timeout},
};

use crate::subject::{Failure, Honest, Subject};

/// Whoever is not served in this time is not served.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between one probe and the next.
const PAUSE: Duration = Duration::from_millis(5);

/// What probes of one kind have felt.
#[derive(Debug, Default, Clone)]
pub struct Felt {
    /// How long those took that were served.
    pub served: Vec<Duration>,
    /// How long those took that were told why they are not.
    pub refused: Vec<Duration>,
    /// Why the others were not, the first of them.
    pub failures: Vec<String>,
}

/// What all have felt.
#[derive(Debug, Default, Clone)]
pub struct Feelings {
    /// On a connection of their own.
    pub fresh: Felt,
    /// On the one that stays.
    pub kept: Felt,
}

/// Probes that are under way, on a thread of their own.
pub struct Probing {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<Feelings, Failure>>,
}

impl Probing {
    /// Begins to probe, with a connection that stays until the end.
    pub fn begin(subject: &'static Subject, address: String) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            Builder::new_current_thread().enable_all().build()?.block_on(async {
                let (mut feelings, mut kept) = (Feelings::default(), None);
                while !seen.load(Relaxed) {
                    probe(subject, &address, &mut feelings, &mut kept).await;
                    sleep(PAUSE).await;
                }
                Ok(feelings)
            })
        });
        Self { stop, thread }
    }

    /// Ends; gives what was felt.
    pub fn end(self) -> Result<Feelings, Failure> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| "the probe panicked")?
    }
}

impl Felt {
    /// How many probes there were.
    pub fn count(&self) -> usize {
        self.served.len() + self.refused.len() + self.failures.len()
    }

    /// Of a hundred, how many were served.
    pub fn percent_served(&self) -> f64 {
        100.0 * self.served.len() as f64 / self.count().max(1) as f64
    }

    /// So many of a thousand took no longer.
    pub fn quantile(&self, of_thousand: usize) -> Option<Duration> {
        quantile(&self.served, of_thousand)
    }
}

/// The one of these times that so many of a thousand do not exceed.
pub fn quantile(times: &[Duration], of_thousand: usize) -> Option<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * of_thousand / 1_000).min(times.len().saturating_sub(1))).copied()
}

/// One probe of each kind.
async fn probe(subject: &'static Subject, address: &str, feelings: &mut Feelings, kept: &mut Option<Box<dyn Honest>>) {
    let fresh = async {
        let mut client = (subject.connect)(address.to_owned()).await?;
        ask(&mut *client).await
    };
    feelings.fresh.note(subject, fresh).await;
    let again = async {
        let client = match kept {
            Some(client) => client,
            None => kept.insert((subject.connect)(address.to_owned()).await?),
        };
        ask(&mut **client).await
    };
    if !feelings.kept.note(subject, again).await {
        *kept = None;
    }
}

async fn ask(client: &mut dyn Honest) -> Result<(), Failure> {
    match client.sum(20, 22).await? {
        42 => Ok(()),
        other => Err(format!("20 and 22 are not {other}").into()),
    }
}

impl Felt {
    /// Notes how this goes; `false` when it fails.
    async fn note(&mut self, subject: &Subject, probe: impl Future<Output = Result<(), Failure>>) -> bool {
        let began = Instant::now();
        let outcome = timeout(PATIENCE, probe).await.unwrap_or_else(|_| Err(format!("not within {PATIENCE:?}").into()));
        let took = began.elapsed();
        let Err(failure) = outcome else {
            self.served.push(took);
            return true;
        };
        let text = failure.to_string();
        if (subject.is_refusal)(&text) {
            self.refused.push(took);
        } else {
            self.failures.push(text);
        }
        false
    }
}
