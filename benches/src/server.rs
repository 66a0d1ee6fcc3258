//! The server's process, from both sides: `Server` is the handle that the measuring process holds, `serve` is what
//! runs in it. It says its address on stdout, answers every line on stdin with its count of allocations, and ends when
//! stdin does.

use std::env;
use std::hint;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, JoinSet};

use crate::allocations;
use crate::cpu;
use crate::subject::{Failure, Row, Subject};

/// Worker threads of each side's runtime.
pub const WORKERS: usize = 2;

/// How long to wait for anything that ought to be there at once.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a burner burns between two yields.
const BURN: Duration = Duration::from_micros(100);

/// A server in a process of its own, which is killed when this is dropped.
pub struct Server {
    process: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    address: String,
}

impl Server {
    /// Starts one and waits until it listens.
    pub fn start(subject: &Subject, row: &Row) -> Result<Self, Failure> {
        let mut process = Command::new(env::current_exe()?)
            .args(["server", subject.name, &row.burners.to_string(), &row.one_core.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().ok_or("the server has no stdin")?;
        let stdout = process.stdout.take().ok_or("the server has no stdout")?;
        let (tx, rx) = sync_channel(1);
        // Ends with the server's stdout, at the latest when the server is killed.
        thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tx.send(line)));
        let mut server = Self { process, stdin, lines: rx, address: String::new() };
        server.address = server.line()?;
        Ok(server)
    }

    /// Where it listens, in its subject's own terms.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// For `/proc`.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it how often it has allocated so far.
    pub fn allocations(&mut self) -> Result<u64, Failure> {
        self.stdin.write_all(b"allocations\n")?;
        Ok(self.line()?.parse()?)
    }

    fn line(&self) -> Result<String, Failure> {
        self.lines.recv_timeout(PATIENCE).map_err(|error| format!("no word from the server: {error}").into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, in which case there is nothing left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves the subject until stdin ends.
pub fn serve(subject: &'static Subject, burners: usize, one_core: bool) -> Result<(), Failure> {
    thread::spawn(answer_questions);
    runtime(one_core)?.block_on(async {
        let mut burning = JoinSet::new();
        for _ in 0..burners {
            burning.spawn(burn());
        }
        (subject.serve)(|address| println!("{address}")).await
    })
}

/// What users have by default, but for the number of workers, which is the same on every machine.
pub fn runtime(one_core: bool) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(WORKERS).enable_all();
    if one_core {
        builder.on_thread_start(|| {
            if let Err(failure) = cpu::stay_on_first_core() {
                eprintln!("bench: cannot stay on one core: {failure}");
            }
        });
    }
    Ok(builder.build()?)
}

fn answer_questions() {
    for line in io::stdin().lines() {
        match line {
            Ok(_) => println!("{}", allocations::count()),
            Err(_) => break,
        }
    }
    process::exit(0);
}

async fn burn() {
    loop {
        let started = Instant::now();
        while started.elapsed() < BURN {
            hint::spin_loop();
        }
        task::yield_now().await;
    }
}
