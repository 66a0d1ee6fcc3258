//! How a call's time travels: to the calls that its handler makes, and to tasks; how a cancelled call stops its
//! handler; and work that outlives it. `cargo run --example deadlines`

use std::time::Duration;

use rpc_runtime::prelude::*;
use tokio::sync::mpsc;

#[rpc_service]
trait Front {
    /// Asks the back, which is slow, and says nothing of time.
    async fn ask(&self) -> Result<u64, Status>;
    /// Answers at once, and goes on with it.
    async fn order(&self) -> String;
}

#[rpc_service]
trait Back {
    /// How many milliseconds it has left.
    async fn left(&self) -> u64;
    async fn slow(&self);
}

struct Desk {
    back: BackClient,
    events: mpsc::Sender<&'static str>,
}

impl Front for Desk {
    async fn ask(&self) -> Result<u64, Status> {
        let left = self.back.left().await?;
        println!("the back has {left} ms left, without being told");
        // This ends when the caller's time is over: whatever the handler holds is dropped.
        self.back.slow().await?;
        Ok(left)
    }

    async fn order(&self) -> String {
        let events = self.events.clone();
        // A task sees the context that it is given; detached, it has neither the call's deadline nor its end.
        tokio::spawn(Context::current().detached().scope(async move {
            let method = Context::current().method().map(|method| method.full_name);
            let _ = events.send(method.unwrap_or_default()).await;
        }));
        "on its way".to_owned()
    }
}

struct Dropped(mpsc::Sender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.try_send("dropped");
    }
}

struct Room(mpsc::Sender<&'static str>);

impl Back for Room {
    async fn left(&self) -> u64 {
        Context::current().remaining().unwrap_or_default().as_millis() as u64
    }

    async fn slow(&self) {
        let _dropped = Dropped(self.0.clone());
        std::future::pending::<()>().await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let (events, mut heard) = mpsc::channel(8);
    let front = FrontClient::from_service(Desk { back: BackClient::from_service(Room(events.clone())), events });
    let late = front.ask().timeout(Duration::from_millis(200)).await;
    assert_eq!(late.expect_err("the back is slow").code(), Code::DeadlineExceeded);
    assert_eq!(heard.recv().await, Some("dropped"), "the deadline stopped the back, too");
    println!("{}", front.order().await?);
    assert_eq!(heard.recv().await, Some("Front.order"), "the task knows whose it is");
    Ok(())
}
