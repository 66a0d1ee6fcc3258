//! E7 and E8: more connections than allowed, and a process without descriptors, which is one of its own here: this
//! test's binary, begun once more under a low limit.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, Limits};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{
    log::Log,
    probe::{self, ProbeClient, Serving},
    raw::{within, within_time},
};

const SECOND: Duration = Duration::from_secs(1);

/// A server of so many connections.
async fn server_of(connections: usize) -> Serving {
    Serving::start_from(probe::server(Limits::default()).max_connections(connections)).await
}

async fn is_refused(address: &str, texts: &[&str]) {
    let began = Instant::now();
    let status = within("the refusal", Channel::connect(address)).await.unwrap_err();
    assert!(began.elapsed() < SECOND, "refused after {:?}", began.elapsed());
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false), "{status}");
    for text in texts {
        assert!(status.message().contains(text), "{text} is in {status}");
    }
}

/// E7, among honest clients only and among hundreds of sockets that are never read and never closed.
#[tokio::test]
async fn clients_above_the_limit_are_refused_with_the_reason_within_a_second_also_in_a_storm() {
    let serving = server_of(8).await;
    let address = serving.address();
    let mut served = Vec::new();
    for _ in 0..8 {
        served.push(ProbeClient::new(serving.channel().await));
    }
    let texts = ["max_connections: there are 8 connections, the limit is 8"];
    join_all((0..200).map(|_| is_refused(address, &texts))).await;
    let mut hostile = Vec::new();
    for round in 0..10 {
        let storm = (0..40).map(|_| TcpStream::connect(serving.socket_address()));
        hostile.extend(join_all(storm).await.into_iter().map(Result::unwrap));
        if round % 2 == 0 {
            join_all((0..10).map(|_| is_refused(address, &texts))).await;
        }
    }
    for probe in &served {
        assert_eq!(probe.add(1, 2).await.unwrap(), 3, "those that are in are served on");
    }
    let stats = serving.handle.stats();
    assert_eq!((stats.connections, stats.connections_total), (8, 8), "{stats:?}");
    assert!((650..=651).contains(&stats.refused.max_connections), "{stats:?}");
    drop((hostile, served));
    let fresh = async { while Channel::connect(address).await.is_err() {} };
    within_time(SECOND, "a fresh client", fresh).await;
}

/// The refusals' own log line comes once and not with each.
#[tokio::test]
async fn that_there_is_no_room_is_logged_once() {
    let (log, _guard) = Log::listen();
    let serving = server_of(1).await;
    let _only = serving.channel().await;
    for _ in 0..20 {
        is_refused(serving.address(), &["max_connections"]).await;
    }
    let warnings = log.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("the limit is 1"), "{warnings:?}");
}

/// A server in a process that may have 64 descriptors.
struct Poor {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Poor {
    async fn start() -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "faults::descriptors::a_process_with_few_descriptors", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut poor = Self { child, orders, lines, address: String::new() };
        poor.address = poor.answer().await;
        poor
    }

    /// Gives an order and waits until it is done.
    async fn order(&mut self, order: &str) -> String {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> String {
        loop {
            let line = within("the child's answer", self.lines.next_line()).await.unwrap().expect("the child lives");
            // The harness writes there, too, also before on the same line.
            if let Some((_, answer)) = line.split_once("answer: ") {
                return answer.to_owned();
            }
        }
    }

    /// What the child has used of processors so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id().unwrap())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>();
        // A hundred a second, on every Linux.
        Duration::from_millis(10 * ticks)
    }

    async fn serves_a_fresh_client(&self) {
        let fresh = async {
            let probe = ProbeClient::new(Channel::connect(&self.address).await.unwrap());
            assert_eq!(probe.add(20, 22).await.unwrap(), 42);
        };
        within_time(SECOND, "serving a fresh client", fresh).await;
    }
}

/// Takes orders from its standard input: `take` all descriptors, `give` them back, tell what was `logged`.
#[tokio::test]
#[ignore = "other tests begin it in a process of its own"]
async fn a_process_with_few_descriptors() {
    let (log, _guard) = Log::listen();
    let serving = Serving::start().await;
    println!("answer: {}", serving.address());
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut taken = Vec::new();
    while let Some(order) = orders.next_line().await.unwrap() {
        match order.as_str() {
            "take" => taken.extend(std::iter::from_fn(|| std::fs::File::open("/dev/null").ok())),
            "give" => taken.clear(),
            _ => {}
        }
        let refused = serving.handle.stats().refused.descriptors;
        // Not those of the peers that came and went meanwhile.
        let warnings = log.warnings().into_iter().filter(|line| !line.contains("turned away")).count();
        println!("answer: {} taken, {refused} refused, {warnings} warnings", taken.len());
    }
}

/// E8.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_descriptors_accepting_waits_costs_nothing_is_logged_once_and_goes_on_by_itself() {
    let mut poor = Poor::start().await;
    poor.serves_a_fresh_client().await;
    let early = ProbeClient::new(Channel::connect(&poor.address).await.unwrap());
    assert_eq!(early.add(1, 2).await.unwrap(), 3);
    for warnings in ["1 warnings", "1 warnings"] {
        let taken = poor.order("take").await;
        assert!(!taken.starts_with("0 "), "{taken}");
        let address = poor.address.trim_start_matches("tcp://");
        let waiting = join_all((0..20).map(|_| TcpStream::connect(address))).await;
        let (before, began) = (poor.cpu(), Instant::now());
        // The time in which nothing is to happen.
        tokio::time::sleep(SECOND).await;
        let (used, passed) = (poor.cpu() - before, began.elapsed());
        assert!(used < passed / 5, "{used:?} of a processor in {passed:?}");
        assert_eq!(early.add(1, 2).await.unwrap(), 3, "who is in is served on");
        drop(waiting);
        let given = poor.order("give").await;
        assert!(given.ends_with(warnings), "a warning for the state and not for each attempt: {given}");
        poor.serves_a_fresh_client().await;
    }
}

/// E7 in a process whose descriptors are the limit.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_never_take_more_than_the_descriptor_limit_allows_and_the_refusal_says_so() {
    let mut poor = Poor::start().await;
    let mut served = Vec::new();
    for _ in 0..32 {
        served.push(ProbeClient::new(Channel::connect(&poor.address).await.unwrap()));
    }
    let texts = ["descriptors: there are 32 connections, the limit is 32", "64 descriptors"];
    join_all((0..100).map(|_| is_refused(&poor.address, &texts))).await;
    for probe in &served {
        assert_eq!(probe.add(1, 2).await.unwrap(), 3);
    }
    let told = poor.order("tell").await;
    assert!(told.contains("100 refused, 1 warnings"), "{told}");
    drop(served);
    let fresh = async { while Channel::connect(&poor.address).await.is_err() {} };
    within_time(SECOND, "a fresh client", fresh).await;
}
