//! The budget of memory that all connections of one end share: what each holds, who may take on more, and who has to
//! go. Counted are partial frames and messages, requests that were not started, and output that was not sent; not the
//! values of handlers and callers, nor the block of 256 KiB that a thread reads into.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    serving::Serving,
    stats::{Counts, Sums},
};
use crate::status::{Code, Status};

/// Shares are counted in pages, rounded down: calls of small messages never touch what connections share, and a part
/// of a connection may hold so much that nobody knows of.
const PAGE: usize = 4_096;

/// What the connections of one server, or channel, hold together.
#[derive(Debug)]
pub(crate) struct Accounts {
    limit: usize,
    /// All shares.
    held: AtomicUsize,
    /// The shares of those that were not told to go. Not a difference of two, of which others would see one change
    /// without the other.
    staying: AtomicUsize,
    /// How many were told to go and still hold what they had read.
    going: AtomicUsize,
    /// How many connections there are.
    living: AtomicUsize,
    /// Since when more than three quarters are held, as far as anybody has looked.
    tight_since: Mutex<Option<Instant>>,
    registry: Mutex<Registry>,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
struct Registry {
    /// In order, so that of two that hold equally much it is always the same that has to go.
    live: BTreeMap<u64, Live>,
    /// How many connections there ever were.
    opened: u64,
    /// What those that have ended leave behind.
    ended: Sums,
}

#[derive(Debug)]
struct Live {
    account: Arc<Account>,
    serving: Weak<Serving>,
}

/// The share of one connection.
#[derive(Debug)]
pub(super) struct Account {
    accounts: Arc<Accounts>,
    share: Mutex<Share>,
    /// Requests of the peer of which parts are still to come.
    pub(super) assembling: AtomicU32,
}

#[derive(Debug, Default)]
struct Share {
    parts: [usize; 3],
    /// It was told to go, so that the others need not.
    leaving: bool,
    /// It reads nothing more, and has given back what it had read.
    done: bool,
}

/// A part of a share, and what was told of it last, in the hands of the lock or task that knows it.
#[derive(Debug)]
pub(super) struct Told {
    part: Part,
    bytes: usize,
}

/// What a share is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// Frames and messages of which a part has come.
    Input,
    /// Requests of the peer that were not started.
    Waiting,
    /// Output that was not sent, and calls of this side that wait for room.
    Output,
}

impl Accounts {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let (held, staying) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (going, living, counts) = (AtomicUsize::new(0), AtomicUsize::new(0), Counts::default());
        let (tight_since, registry) = (Mutex::default(), Mutex::default());
        Arc::new(Self { limit, held, staying, going, living, tight_since, registry, counts })
    }

    /// Bytes that all connections hold, as far as they have told.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Why nobody is let in, if that is so: those who were told to go have not given back. Whoever comes holds nothing,
    /// and must not suffer for those who do, so below that he is let in.
    pub(crate) fn refusal(&self) -> Option<Status> {
        let (held, limit) = (self.held(), self.limit);
        self.is_over().then(|| {
            let text = format!("memory: {held} bytes are held, above one and a half times the limit of {limit}");
            Status::of_call(Code::ResourceExhausted, text).not_executed()
        })
    }

    /// Whether it was so for all of `patience`: then somebody has to go, below the limit, too. A peer that drips bytes
    /// would else keep all others out for ever. Told once in that time.
    pub(super) fn is_stuck(&self, now: Instant, patience: Duration) -> bool {
        let mut since = self.tight_since.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_tight() {
            *since = None;
            return false;
        }
        let stuck = now.saturating_duration_since(*since.get_or_insert(now)) >= patience;
        if stuck {
            *since = Some(now);
        }
        stuck
    }

    /// Whether more than three quarters are held.
    pub(super) fn is_tight(&self) -> bool {
        self.held() > self.limit / 4 * 3
    }

    /// Whether half as much again as the limit is held: those who go are too slow.
    pub(super) fn is_over(&self) -> bool {
        self.held() > self.limit.saturating_add(self.limit / 2)
    }

    /// Whether so little is held that windows may grow.
    pub(super) fn is_below_half(&self) -> bool {
        self.held.load(Relaxed) < self.limit / 2
    }

    /// Whether somebody has to go.
    pub(super) fn is_full(&self) -> bool {
        self.staying.load(Relaxed) >= self.limit
    }

    /// Whether somebody was told to go and still holds what it had read: others would take its place too early.
    pub(super) fn is_giving_back(&self) -> bool {
        self.going.load(Relaxed) > 0
    }

    /// Why a connection has to go.
    pub(super) fn eviction(&self) -> String {
        let (held, limit) = (self.held(), self.limit);
        format!("memory: {held} bytes are held, the limit is {limit}, and this connection holds most")
    }

    /// Finds those who hold most, at least so many, for their owner to be told. When the limit is reached as many go as
    /// it takes to be a sixteenth below it: where thousands hold alike, all of them would else be looked at for each.
    pub(super) fn relieve(&self, least: usize) -> Vec<Weak<Serving>> {
        let (mut told, mut shares) = (Vec::new(), Vec::new());
        let registry = self.registry();
        if least == 0 && !self.is_full() {
            return told;
        }
        let goal = if self.is_full() { self.limit - self.limit / 16 } else { usize::MAX };
        let staying = registry.live.values().map(|live| (live.account.staying(), live));
        let mut staying: Vec<_> = staying.filter(|(share, _)| *share > 0).collect();
        staying.sort_unstable_by_key(|(share, _)| Reverse(*share));
        for (share, live) in staying {
            if told.len() >= least && self.staying.load(Relaxed) < goal {
                break;
            }
            live.account.leave();
            told.push(Weak::clone(&live.serving));
            shares.push(share);
        }
        drop(registry);
        // Whoever listens to the log is code of users.
        for share in shares {
            tracing::debug!("a connection that holds {share} bytes is closed for want of memory");
        }
        told
    }

    /// A new connection.
    pub(super) fn open(self: &Arc<Self>) -> Arc<Account> {
        let (share, assembling) = (Mutex::default(), AtomicU32::new(0));
        Arc::new(Account { accounts: Arc::clone(self), share, assembling })
    }

    /// Takes a connection among the living; gives its number.
    pub(super) fn enter(&self, account: &Arc<Account>, serving: Weak<Serving>) -> u64 {
        let mut registry = self.registry();
        registry.opened += 1;
        let number = registry.opened;
        registry.live.insert(number, Live { account: Arc::clone(account), serving });
        self.living.store(registry.live.len(), Relaxed);
        number
    }

    /// The connection of this number is over, and leaves these sums.
    pub(super) fn exit(&self, number: u64, sums: &Sums) {
        let mut registry = self.registry();
        let live = registry.live.remove(&number);
        self.living.store(registry.live.len(), Relaxed);
        if live.is_some() {
            registry.ended.add(sums);
        }
        drop(registry);
        drop(live);
    }

    /// The connections there are, how many there are and ever were, and what those that have ended left behind. Held
    /// before the lock is released: one that ends after that would be among neither.
    pub(super) fn census(&self) -> (Vec<Arc<Serving>>, usize, u64, Sums) {
        let registry = self.registry();
        let live = registry.live.values().filter_map(|live| live.serving.upgrade()).collect();
        (live, registry.live.len(), registry.opened, registry.ended.clone())
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    pub(super) fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// This part of the share is now so large. `true`: it has grown, and somebody has to go.
    fn tell(&self, part: Part, bytes: usize) -> bool {
        let mut share = self.share();
        let before = mem::replace(&mut share.parts[part as usize], bytes);
        // Wrapping, so that it may be less than before.
        let change = bytes.wrapping_sub(before);
        self.accounts.held.fetch_add(change, Relaxed);
        if !share.leaving {
            self.accounts.staying.fetch_add(change, Relaxed);
        }
        bytes > before && self.accounts.is_full()
    }

    /// Why this connection may take on nothing new, if that is so.
    pub(super) fn refusal(&self) -> Option<Status> {
        let accounts = &self.accounts;
        if !accounts.is_tight() {
            return None;
        }
        if !self.holds_much() {
            return accounts.refusal();
        }
        let (held, limit, share) = (accounts.held(), accounts.limit, self.holds());
        let text = format!(
            "memory: {held} bytes are held, above three quarters of the limit of {limit}, and {share} of them by this \
             connection, more than half of an even share"
        );
        Some(Status::of_call(Code::ResourceExhausted, text).not_executed())
    }

    /// Whether more than three quarters of the limit are held, and by this connection more than half of an even share:
    /// many that hold much would else keep out the one that holds nothing.
    pub(super) fn holds_much(&self) -> bool {
        let accounts = &self.accounts;
        accounts.is_tight() && self.holds() > accounts.held() / (2 * accounts.living.load(Relaxed).max(1))
    }

    /// Bytes that it holds, as far as it has told.
    pub(super) fn holds(&self) -> usize {
        self.share().parts.iter().sum()
    }

    /// Whether it was told to go.
    pub(super) fn is_leaving(&self) -> bool {
        self.share().leaving
    }

    /// Its share, nothing once it was told to go.
    fn staying(&self) -> usize {
        let share = self.share();
        if share.leaving { 0 } else { share.parts.iter().sum() }
    }

    fn leave(&self) {
        let mut share = self.share();
        if !mem::replace(&mut share.leaving, true) {
            self.accounts.staying.fetch_sub(share.parts.iter().sum(), Relaxed);
            if !share.done {
                self.accounts.going.fetch_add(1, Relaxed);
            }
        }
    }

    /// It reads nothing more, and has given back what it had read.
    pub(super) fn has_given_back(&self) {
        let mut share = self.share();
        if !mem::replace(&mut share.done, true) && share.leaving {
            self.accounts.going.fetch_sub(1, Relaxed);
        }
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    pub(super) fn new(part: Part) -> Self {
        Self { part, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// This part now holds so many bytes: told if that is another number of pages. `true`: it has grown, and somebody
    /// has to go.
    pub(super) fn tell(&mut self, account: &Account, bytes: usize) -> bool {
        let bytes = bytes & !(PAGE - 1);
        bytes != self.bytes && {
            self.bytes = bytes;
            account.tell(self.part, bytes)
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        for part in [Part::Input, Part::Waiting, Part::Output] {
            self.tell(part, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(accounts: &Arc<Accounts>, bytes: usize) -> (Arc<Account>, u64) {
        let account = accounts.open();
        let number = accounts.enter(&account, Weak::new());
        account.tell(Part::Input, bytes);
        (account, number)
    }

    #[test]
    fn what_connections_hold_is_added_up_and_given_back_when_they_end() {
        let accounts = Accounts::new(100_000);
        let first = accounts.open();
        let second = accounts.open();
        assert!(!first.tell(Part::Input, 8_192) && !second.tell(Part::Output, 4_096));
        first.tell(Part::Input, 4_096);
        first.tell(Part::Waiting, 4_096);
        assert_eq!(accounts.held(), 12_288);
        drop(first);
        assert_eq!(accounts.held(), 4_096);
        drop(second);
        assert_eq!(accounts.held(), 0);
    }

    #[test]
    fn above_three_quarters_who_holds_more_than_half_of_an_even_share_takes_on_nothing_new_and_is_told_the_numbers() {
        let accounts = Accounts::new(100_000);
        let (large, _) = live(&accounts, 65_000);
        let (small, _) = live(&accounts, 10_000);
        assert!(large.refusal().is_none());
        small.tell(Part::Output, 1);
        assert!(small.refusal().is_none() && accounts.refusal().is_none());
        let refusal = large.refusal().unwrap();
        assert_eq!((refusal.code(), refusal.may_have_run()), (Code::ResourceExhausted, false));
        for word in ["memory", "75001", "100000", "65000"] {
            assert!(refusal.message().contains(word), "{word} is in {refusal}");
        }
    }

    #[test]
    fn above_one_and_a_half_times_the_limit_nobody_takes_on_anything() {
        let accounts = Accounts::new(100_000);
        let (_large, _) = live(&accounts, 150_000);
        let (small, _) = live(&accounts, 0);
        assert!(small.refusal().is_none() && accounts.refusal().is_none());
        small.tell(Part::Input, 1);
        for refusal in [small.refusal().unwrap(), accounts.refusal().unwrap()] {
            assert_eq!((refusal.code(), refusal.may_have_run()), (Code::ResourceExhausted, false));
            assert!(refusal.message().contains("150001") && refusal.message().contains("100000"), "{refusal}");
        }
    }

    #[test]
    fn at_the_limit_as_many_of_the_largest_go_as_it_takes_and_no_more() {
        let accounts = Accounts::new(100_000);
        let (small, _) = live(&accounts, 20_000);
        let (large, number) = live(&accounts, 60_000);
        assert!(accounts.relieve(0).is_empty(), "below the limit nobody goes");
        assert!(small.tell(Part::Output, 25_000), "the limit is reached");
        assert_eq!(accounts.relieve(0).len(), 1);
        assert_eq!((large.staying(), small.staying()), (0, 45_000));
        assert!(!accounts.is_full() && small.refusal().is_some(), "what is on its way out still counts for newcomers");
        assert!(accounts.relieve(0).is_empty());
        drop(large);
        accounts.exit(number, &Sums::default());
        small.tell(Part::Waiting, 60_000);
        assert_eq!((accounts.relieve(0).len(), accounts.relieve(0).len()), (1, 0));
        assert_eq!(accounts.held(), 105_000);
        for part in [Part::Input, Part::Output, Part::Waiting] {
            small.tell(part, 0);
        }
        assert_eq!((accounts.held(), accounts.staying.load(Relaxed)), (0, 0));
    }
    /// Asks for the counters, from another thread, whenever something is logged.
    struct Asking(Arc<Accounts>, Arc<AtomicUsize>);

    impl tracing::Subscriber for Asking {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            let ((tell, told), accounts) = (std::sync::mpsc::sync_channel(1), Arc::clone(&self.0));
            std::thread::spawn(move || tell.send(accounts.stats().connections));
            let connections = told.recv_timeout(Duration::from_secs(10));
            self.1.fetch_add(connections.expect("no lock is held while something is logged"), Relaxed);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn a_subscriber_can_ask_for_the_counters_when_it_is_told_of_a_connection_that_has_to_go() {
        let (accounts, seen) = (Accounts::new(100_000), Arc::new(AtomicUsize::new(0)));
        let (_large, _) = live(&accounts, 100_000);
        let relieve = || accounts.relieve(0).len();
        let told = tracing::subscriber::with_default(Asking(Arc::clone(&accounts), Arc::clone(&seen)), relieve);
        assert_eq!((told, seen.load(Relaxed)), (1, 1));
    }

    #[test]
    fn one_that_was_told_to_go_is_waited_for_until_it_has_given_back_and_no_other() {
        let accounts = Accounts::new(100_000);
        let (first, _) = live(&accounts, 100_000);
        assert!(!accounts.is_giving_back());
        assert_eq!(accounts.relieve(0).len(), 1);
        assert!(accounts.is_giving_back());
        first.has_given_back();
        first.has_given_back();
        assert!(!accounts.is_giving_back());
        let (second, _) = live(&accounts, 100_000);
        second.has_given_back();
        assert_eq!((accounts.relieve(0).len(), accounts.is_giving_back()), (1, false), "its output is told");
    }

    #[test]
    fn what_a_leaving_connection_takes_and_gives_back_never_costs_another_one_its_place() {
        let accounts = Accounts::new(100_000);
        let (large, _) = live(&accounts, 60_000);
        let (_small, _) = live(&accounts, 50_000);
        assert_eq!(accounts.relieve(0).len(), 1, "the large one");
        let going = std::thread::spawn(move || {
            for bytes in 0..3_000_000 {
                large.tell(Part::Output, 60_000 * (bytes % 2));
            }
        });
        while !going.is_finished() {
            assert!(accounts.relieve(0).is_empty(), "the small one is within the limit");
        }
        going.join().unwrap();
    }
}
