//! A server in a process of its own, and what Linux tells of it in `/proc`.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::subject::{Failure, Subject};

/// One clock tick of `/proc`: 1/100 s on every Linux that Rust runs on.
const TICK_MS: u64 = 10;

/// A server that ends with this value.
pub struct Served {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a process is at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Memory that is resident, and the most that ever was.
    pub resident_kib: u64,
    pub peak_kib: u64,
    pub descriptors: usize,
    /// What all its threads have spent.
    pub cpu: Duration,
}

impl Served {
    /// Starts this program anew as a server of `subject`.
    pub fn start(subject: &Subject) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", subject.name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().trim_start_matches("tcp://");
        match address.parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                child.kill()?;
                child.wait()?;
                Err(format!("{}: the server did not start: {line:?}", subject.name).into())
            }
        }
    }

    /// What it is now. Fails once it is dead.
    pub fn read(&self) -> Result<Reading, Failure> {
        let id = self.child.id();
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let kib = |name: &str| -> Result<u64, Failure> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
            Ok(number.ok_or_else(|| format!("the server is dead: no {name}"))?.parse()?)
        };
        Ok(Reading {
            resident_kib: kib("VmRSS")?,
            peak_kib: kib("VmHWM")?,
            descriptors: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
            cpu: cpu(&format!("/proc/{id}/stat"))?,
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends this process when whoever started it goes.
pub fn end_with_parent() {
    thread::spawn(|| {
        for _ in io::stdin().lines().map_while(Result::ok) {}
        process::exit(0);
    });
}

/// Makes room for descriptors at once: Linux would else stop all threads for 10 ms each time that their number doubles,
/// and the probe would feel what is none of the server's doing.
pub fn make_room_for_descriptors(count: usize) -> Result<(), Failure> {
    (0..count).map(|_| fs::File::open("/dev/null")).collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

/// What this thread has spent.
pub fn cpu_of_this_thread() -> Result<Duration, Failure> {
    cpu("/proc/thread-self/stat")
}

/// How many processes want to run, on average over the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

fn cpu(path: &str) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(path)?;
    // Behind the name in parentheses, in which anything may stand; `utime` and `stime` are the 14th and 15th field.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
    let ticks = fields.into_iter().flatten().skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(TICK_MS * ticks.sum::<Result<u64, _>>()?))
}
