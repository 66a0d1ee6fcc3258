//! The service that these tests call, and a server of it that knows which of its handlers run.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rpc_runtime::{Channel, Code, CodecKind, Server, Status, rpc_service};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// No test waits longer for anything.
pub(super) const BOUND: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused(pub(super) String);

/// Where a handler panics.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Panic {
    BeforeItWaits,
    AfterItWaited,
    InTheDropOfALocal,
    /// In the drop of a local, once the handler is dropped while it waits.
    WhenCancelled,
}

#[rpc_service]
pub(super) trait Desk {
    async fn echo(&self, text: String) -> String;
    async fn add(&self, a: i64, b: i64) -> i64;
    /// How many characters they are.
    async fn keep(&self, text: String) -> usize;
    async fn refuse(&self, text: String) -> Result<u8, Refused>;
    /// Answers once the ticket was called.
    #[rpc(task)]
    async fn wait(&self, ticket: u64) -> u64;
    /// The same in the connection's runner.
    #[rpc(inline)]
    async fn wait_inline(&self, ticket: u64) -> u64;
    #[rpc(task)]
    async fn panic(&self, at: Panic) -> u8;
    #[rpc(inline)]
    async fn panic_inline(&self, at: Panic) -> u8;
    /// Panics before there is a future.
    async fn stumble(&self);
    /// What JSON can not express.
    async fn map_of_pairs(&self) -> BTreeMap<(u8, u8), u8>;
}

/// What the desk notes down, and what the tests tell it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    tally: watch::Sender<Tally>,
    called: watch::Sender<BTreeSet<u64>>,
}

/// How many handlers were started, and how many of them returned or were dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) started: usize,
    pub(super) ended: usize,
}

impl Book {
    pub(super) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Lets the handler that waits with this ticket answer.
    pub(super) fn call(&self, ticket: u64) {
        self.called.send_modify(|called| {
            called.insert(ticket);
        });
    }

    pub(super) async fn until(&self, what: impl Fn(Tally) -> bool) {
        let mut tally = self.tally.subscribe();
        let come = timeout(BOUND, tally.wait_for(|tally| what(*tally))).await;
        assert!(come.is_ok(), "the handlers did not come so far: {:?}", self.tally());
    }

    fn enter(&self) -> Entry<'_> {
        self.tally.send_modify(|tally| tally.started += 1);
        Entry(self)
    }

    async fn wait(&self, ticket: u64) -> u64 {
        let _entry = self.enter();
        let mut called = self.called.subscribe();
        called.wait_for(|called| called.contains(&ticket)).await.expect("the book is there");
        ticket
    }

    async fn panic(&self, at: Panic) -> u8 {
        let _entry = self.enter();
        match at {
            Panic::BeforeItWaits => fall("before it waits"),
            Panic::AfterItWaited => {
                tokio::task::yield_now().await;
                fall("after it waited")
            }
            Panic::InTheDropOfALocal => {
                let _local = PanicsInDrop;
                tokio::task::yield_now().await;
            }
            Panic::WhenCancelled => {
                let _local = PanicsInDrop;
                std::future::pending::<()>().await;
            }
        }
        0
    }
}

/// A handler at work.
struct Entry<'a>(&'a Book);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.tally.send_modify(|tally| tally.ended += 1);
    }
}

#[expect(clippy::panic, reason = "some handlers of this desk are there to panic")]
fn fall(when: &str) -> ! {
    panic!("{when}")
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        fall("in the drop of a local");
    }
}

impl Desk for Book {
    async fn echo(&self, text: String) -> String {
        let _entry = self.enter();
        text
    }

    async fn add(&self, a: i64, b: i64) -> i64 {
        let _entry = self.enter();
        a + b
    }

    async fn keep(&self, text: String) -> usize {
        let _entry = self.enter();
        text.len()
    }

    async fn refuse(&self, text: String) -> Result<u8, Refused> {
        let _entry = self.enter();
        Err(Refused(text))
    }

    async fn wait(&self, ticket: u64) -> u64 {
        Self::wait(self, ticket).await
    }

    async fn wait_inline(&self, ticket: u64) -> u64 {
        Self::wait(self, ticket).await
    }

    async fn panic(&self, at: Panic) -> u8 {
        Self::panic(self, at).await
    }

    async fn panic_inline(&self, at: Panic) -> u8 {
        Self::panic(self, at).await
    }

    fn stumble(&self) -> impl Future<Output = ()> + Send {
        if self.called.borrow().is_empty() {
            fall("before there is a future");
        }
        async {}
    }

    async fn map_of_pairs(&self) -> BTreeMap<(u8, u8), u8> {
        let _entry = self.enter();
        BTreeMap::from([((1, 2), 3)])
    }
}

/// A desk that is served.
pub(super) struct Hall {
    pub(super) address: String,
    pub(super) book: Book,
}

impl Hall {
    /// Over the pipes that one task writes, and over those that callers write themselves.
    pub(super) async fn both(name: &str) -> [Self; 2] {
        [Self::open(&format!("mem://{name}")).await, Self::open("tcp://127.0.0.1:0").await]
    }

    pub(super) async fn open(address: &str) -> Self {
        let book = Book::default();
        let server = Server::builder().service(DeskServer::new(book.clone())).bind(address).await;
        let server = server.expect("the address is free");
        let address = server.local_address().to_owned();
        spawn(server.serve());
        Self { address, book }
    }

    pub(super) async fn channel(&self) -> Channel {
        Channel::connect(&self.address).await.expect("the server is there")
    }

    pub(super) async fn channel_with(&self, codec: CodecKind) -> Channel {
        Channel::builder().codec(codec).connect(&self.address).await.expect("the server is there")
    }

    /// What holds after every case: nothing is left of the calls on either side, and a fresh client is served.
    pub(super) async fn is_sound(&self, channel: &Channel) {
        settled(channel).await;
        self.book.until(|tally| tally.started == tally.ended).await;
        let fresh = async { DeskClient::new(self.channel().await).echo("fresh".to_owned()).await };
        let echoed = timeout(Duration::from_secs(1), fresh).await.expect("a fresh client is served within a second");
        assert_eq!(echoed.expect("a fresh client is served"), "fresh");
    }
}

/// Waits until no call of the channel holds anything.
pub(super) async fn settled(channel: &Channel) {
    let until = Instant::now() + BOUND;
    while channel.outstanding_calls() > 0 {
        assert!(Instant::now() < until, "{} calls are left", channel.outstanding_calls());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A task that the runtime of the test ends.
pub(super) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(task)
}

/// The outcome of something that must not hang.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.expect("it does not hang")
}

/// Asserts the code of a failure, whether the method may have run, and that it names the cause.
#[track_caller]
pub(super) fn assert_status(status: &Status, code: Code, may_have_run: bool, cause: &str) {
    assert_eq!((status.code(), status.may_have_run()), (code, may_have_run), "{status}");
    assert!(status.to_string().contains(cause), "{cause:?} is not in: {status}");
}
