//! The client of the arith example: `arith-client tcp://127.0.0.1:7000` makes a few calls, says what came of them, and
//! ends.

use std::{error::Error, process::ExitCode, time::Duration};

use arith_common::{ArithClient, ArithError, Pair};
use rpc_runtime::{CallError, Channel, Code};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: arith-client ADDRESS, such as tcp://127.0.0.1:7000 or unix:///run/arith.sock");
        return ExitCode::from(2);
    };
    match calls(&address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arith-client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn calls(address: &str) -> Result<(), Box<dyn Error>> {
    let arith = ArithClient::new(Channel::connect(address).await?);
    println!("add(1, 2) = {}", arith.add(Pair { a: 1, b: 2 }).await?);
    let division = arith.divide(Pair { a: 7, b: 2 }).await?;
    println!("divide(7, 2) = {}, remainder {}", division.quotient, division.remainder);
    match arith.divide(Pair { a: 7, b: 0 }).await {
        Err(CallError::Service(error @ ArithError::DivisionByZero)) => println!("divide(7, 0): {error}"),
        other => return Err(format!("divide(7, 0) gave {other:?}").into()),
    }
    println!("scale(2.5, [1, 2, 3]) = {:?}", arith.scale(2.5, &[1.0, 2.0, 3.0]).await?);

    // Both are on their way before either is awaited.
    let (slow, quick) = (arith.wait(30).start(), arith.add(Pair { a: 20, b: 22 }).start());
    println!("add(20, 22) = {}, beside wait(30)", quick.await?);
    println!("wait(30) took {} ms", slow.await?);

    match arith.wait(10_000).timeout(Duration::from_millis(50)).await {
        Err(status) if status.code() == Code::DeadlineExceeded => println!("wait(10000) within 50 ms: {status}"),
        other => return Err(format!("wait(10000) gave {other:?}").into()),
    }
    Ok(())
}
