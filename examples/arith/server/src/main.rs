//! The server of the arith example: `arith-server tcp://127.0.0.1:7000` serves until SIGTERM or Ctrl-C, answers the
//! calls that are in flight, and ends.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use arith_common::{Arith, ArithError, ArithServer, Pair, Quotient};
use rpc_runtime::Server;
use tokio::signal::unix::{SignalKind, signal};

struct Calculator;

impl Arith for Calculator {
    async fn add(&self, Pair { a, b }: Pair) -> Result<i64, ArithError> {
        a.checked_add(b).ok_or(ArithError::Overflow)
    }

    async fn divide(&self, Pair { a, b }: Pair) -> Result<Quotient, ArithError> {
        if b == 0 {
            return Err(ArithError::DivisionByZero);
        }
        match (a.checked_div(b), a.checked_rem(b)) {
            (Some(quotient), Some(remainder)) => Ok(Quotient { quotient, remainder }),
            _ => Err(ArithError::Overflow),
        }
    }

    async fn scale(&self, by: f64, values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| by * value).collect()
    }

    async fn wait(&self, ms: u64) -> u64 {
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(ms.min(60_000))).await;
        began.elapsed().as_millis() as u64
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: arith-server ADDRESS, such as tcp://127.0.0.1:7000 or unix:///run/arith.sock");
        return ExitCode::from(2);
    };
    match serve(&address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arith-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    // Before the address is told: whoever reads it may send a signal at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = Server::builder().service(ArithServer::new(Calculator)).bind(address).await?;
    writeln!(io::stdout(), "listening on {}", server.local_address())?;
    io::stdout().flush()?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let drained = server.serve_until(shutdown).await?;
    if drained.cut_connections > 0 {
        eprintln!("arith-server: {} connections did not end in time", drained.cut_connections);
    }
    Ok(())
}
