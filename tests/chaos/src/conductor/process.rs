//! A process of the conductor: started with its settings, ordered about, heard, signalled, and killed when it is
//! dropped, also by a panic.

use std::{process::ExitStatus, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    Result, clock,
    messages::{Load, Order, Relay, Report, Serve},
    sample::Sample,
};

/// How long a process may take to be there, and to answer an order.
const SOON: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Process {
    role: &'static str,
    child: Child,
    pid: Pid,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// A server, and where it listens.
    pub(crate) async fn server(settings: &Serve) -> Result<(Self, String)> {
        Self::listening("server", settings).await
    }

    /// A proxy, and where it listens.
    pub(crate) async fn proxy(settings: &Relay) -> Result<(Self, String)> {
        Self::listening("proxy", settings).await
    }

    /// A client that has its connections.
    pub(crate) async fn client(load: &Load) -> Result<Self> {
        let mut client = Self::start("client", load)?;
        match client.report(SOON).await? {
            Report::Connected => Ok(client),
            other => Err(format!("client: {other:?} before it was connected").into()),
        }
    }

    async fn listening(role: &'static str, settings: &impl Serialize) -> Result<(Self, String)> {
        let mut process = Self::start(role, settings)?;
        match process.report(SOON).await? {
            Report::Listening(address) => Ok((process, address)),
            other => Err(format!("{role}: {other:?} before it was listening").into()),
        }
    }

    fn start(role: &'static str, settings: &impl Serialize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).arg(serde_json::to_string(settings)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let (Some(pid), Some(orders), Some(reports)) = (pid, child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{role}: it was gone at once").into());
        };
        Ok(Self { role, child, pid, orders, reports: BufReader::new(reports).lines() })
    }

    /// The next that it says, within this time.
    pub(crate) async fn report(&mut self, within: Duration) -> Result<Report> {
        match timeout(within, self.reports.next_line()).await {
            Ok(Ok(Some(line))) => Ok(serde_json::from_str(&line)?),
            Ok(Ok(None)) => Err(format!("{}: it has ended", self.role).into()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(format!("{}: it said nothing within {within:?}", self.role).into()),
        }
    }

    /// How it is now.
    pub(crate) async fn sample(&mut self) -> Result<Sample> {
        self.order(&Order::Sample).await?;
        match self.report(SOON).await? {
            Report::Sample(sample) => Ok(sample),
            other => Err(format!("{}: {other:?} in place of a sample", self.role).into()),
        }
    }

    pub(crate) async fn order(&mut self, order: &Order) -> Result<()> {
        let line = serde_json::to_string(order)? + "\n";
        Ok(self.orders.write_all(line.as_bytes()).await?)
    }

    /// Waits until a client has an outcome for every call, or a proxy has stopped, and it has ended.
    pub(crate) async fn done(mut self, within: Duration) -> Result<Outcomes> {
        let report = self.report(within).await?;
        let status = self.ended(SOON).await?;
        match report {
            Report::Done(counts) if status.success() => Ok(counts),
            other => Err(format!("{}: {other:?}, and then {status}", self.role).into()),
        }
    }

    /// Sends a signal, and says when.
    pub(crate) fn signal(&self, signal: Signal) -> Result<u64> {
        let now = clock::now();
        kill_process(self.pid, signal)?;
        Ok(now)
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        match timeout(within, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(format!("{}: it had not ended within {within:?}", self.role).into()),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }
}

/// How many there were of each kind.
pub(crate) type Outcomes = std::collections::BTreeMap<String, u64>;
