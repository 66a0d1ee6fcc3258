//! One call of any kind, and what became of it. Every reply is compared with the one that belongs to the call.

use std::{future::Future, time::Duration};

use futures_util::{FutureExt, stream as streams};
use rpc_runtime::{CallError, Status};
use tokio::time::sleep;

use super::of_status;
use crate::{
    ledger::{Ledger, Mark},
    messages::{ATTEMPTS, Kind},
    service::{Failed, WorkClient, answer},
};

const ITEMS: u64 = 20;
/// Longer than anybody waits for it.
const LONG_MS: u64 = 600_000;
/// Above one frame, so that it travels in parts.
const LARGE: usize = 100_000;

/// Makes a call of this kind within this time.
pub(super) async fn make(client: &WorkClient, kind: Kind, call: u64, time: Duration, ledger: &Ledger) -> Mark {
    match kind {
        Kind::Run(ms) => compare(client.run(call, ms).timeout(time).await, &answer(call)),
        Kind::Cancelled => cancel(client, call, ledger).await,
        Kind::Large(ms, size) => echo(client, call, (ms, size), time).await,
        Kind::Mixed => mixed(client, call, time, ledger).await,
    }
}

/// Twenty calls in a row are eleven quick ones and one or two of everything else. Futures are boxed where they are
/// large, for there is one for each call.
async fn mixed(client: &WorkClient, call: u64, time: Duration, ledger: &Ledger) -> Mark {
    let made: std::pin::Pin<Box<dyn Future<Output = Mark> + Send + '_>> = match call / ATTEMPTS % 20 {
        0..=10 => client.run(call, 0).timeout(time).map(move |ended| compare(ended, &answer(call))).boxed(),
        11 | 12 => client.run(call, 5).timeout(time).map(move |ended| compare(ended, &answer(call))).boxed(),
        13 => fail(client, call, time).boxed(),
        14 | 15 => count(client, call, time).boxed(),
        16 => total(client, call, time).boxed(),
        17 => cancel(client, call, ledger).boxed(),
        18 => echo(client, call, (0, LARGE), time).boxed(),
        // Too late: its time is over while it runs.
        _ => client.run(call, 50).timeout(Duration::from_millis(5)).map(move |e| compare(e, &answer(call))).boxed(),
    };
    made.await
}

async fn fail(client: &WorkClient, call: u64, time: Duration) -> Mark {
    match client.fail(call).timeout(time).await {
        Err(CallError::Service(Failed(failed))) if failed == call => Mark::Refused,
        Err(CallError::Status(status)) => of_status(&status),
        _ => Mark::Wrong,
    }
}

async fn count(client: &WorkClient, call: u64, time: Duration) -> Mark {
    let mut items = match client.count(call, ITEMS).timeout(time).await {
        Ok(items) => items,
        Err(status) => return of_status(&status),
    };
    let mut expected = (0..ITEMS).map(|item| answer(call).wrapping_add(item));
    loop {
        match (items.next().await, expected.next()) {
            (None, None) => return Mark::Ok,
            (Some(Ok(item)), Some(expected)) if item == expected => {}
            (Some(Err(status)), _) => return of_status(&status),
            _ => return Mark::Wrong,
        }
    }
}

async fn total(client: &WorkClient, call: u64, time: Duration) -> Mark {
    let ended = client.total(call, streams::iter(0..ITEMS)).timeout(time).await;
    compare(ended, &answer(call).wrapping_add((0..ITEMS).sum()))
}

async fn echo(client: &WorkClient, call: u64, (ms, size): (u64, usize), time: Duration) -> Mark {
    let bytes = vec![call as u8; size];
    compare(client.echo(call, ms, bytes.clone()).timeout(time).await, &bytes)
}

/// Drops the call while it runs. The moment is written down right before that.
async fn cancel(client: &WorkClient, call: u64, ledger: &Ledger) -> Mark {
    let mut running = client.run(call, LONG_MS).start();
    sleep(Duration::from_millis(1 + call / ATTEMPTS % 7)).await;
    // It may have failed already, as when the connection was lost.
    match (&mut running).now_or_never() {
        Some(Err(status)) => of_status(&status),
        Some(Ok(_)) => Mark::Wrong,
        None => {
            ledger.write(Mark::GivenUp, call);
            Mark::GivenUp
        }
    }
}

fn compare<T: PartialEq>(ended: Result<T, Status>, expected: &T) -> Mark {
    match ended {
        Ok(reply) if reply == *expected => Mark::Ok,
        Ok(_) => Mark::Wrong,
        Err(status) => of_status(&status),
    }
}
