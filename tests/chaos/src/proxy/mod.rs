//! The proxy: between clients and a server, and of no use to either. By a seed it delays, splits, stops a direction,
//! half-closes, cuts and resets; by an order it swallows what passes.

mod course;
mod pump;

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{
    Result,
    messages::{Order, Relay, Report, orders},
};
use course::{Course, End};
use pump::{Direction, pump};

/// What the connections and the conductor's orders have to do with each other.
#[derive(Debug, Default)]
struct Shared {
    /// Those of the connections that are there now: to the server, and to the client.
    swallowing: Mutex<Vec<[Arc<AtomicBool>; 2]>>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Shared {
    fn count(&self, what: &str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(what.to_owned()).or_default() += 1;
    }
}

/// Relays until it is told to stop, and says what it did.
pub(crate) async fn relay(settings: Relay) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Report::Listening(format!("tcp://{}", listener.local_addr()?)).say()?;
    let shared = Arc::new(Shared::default());
    tokio::select! {
        accepted = accept_all(&listener, &settings, &shared) => accepted?,
        obeyed = obey(&shared) => obeyed?,
    }
    let counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Report::Done(counts).say()?)
}

async fn accept_all(listener: &TcpListener, settings: &Relay, shared: &Arc<Shared>) -> Result<()> {
    let server = settings.server.trim_start_matches("tcp://").to_owned();
    let mut connections = JoinSet::new();
    for number in 0.. {
        let (client, _) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        let course = settings.seed.map_or_else(Course::straight, |seed| Course::of(seed, number));
        let (server, shared) = (server.clone(), Arc::clone(shared));
        connections.spawn(async move {
            // A server that is not there: the client sees an end.
            let Ok(server) = TcpStream::connect(server).await else { return };
            carry(client, server, course, &shared).await;
        });
    }
    Ok(())
}

/// One connection to its end, by its own ends or by its course.
async fn carry(mut client: TcpStream, mut server: TcpStream, course: Course, shared: &Arc<Shared>) {
    // What is split must not be put together again.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    shared.count("connections");
    let swallowing = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    shared.swallowing.lock().unwrap_or_else(PoisonError::into_inner).push(swallowing.clone());
    let Course { seed, up, down, life, end } = course;
    {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let [up_swallows, down_swallows] = swallowing;
        let up = Direction { course: up, swallows: up_swallows, seed, shared };
        let down = Direction { course: down, swallows: down_swallows, seed: !seed, shared };
        tokio::select! {
            // A direction that ended has told the other side, which then ends the other one.
            _ = both(pump(from_client, to_server, up), pump(from_server, to_client, down)) => return,
            () = sleep(life) => {}
        }
    }
    shared.count(end.name());
    match end {
        End::None => {}
        End::HalfCloseToServer => lingers(&mut server, &client).await,
        End::HalfCloseToClient => lingers(&mut client, &server).await,
        End::Cut => {
            // Either side may be gone already.
            let _ = (client.shutdown().await, server.shutdown().await);
        }
        End::Reset => {
            let _ = [&client, &server].map(|socket| SockRef::from(socket).set_linger(Some(Duration::ZERO)));
        }
    }
}

/// Until both are over, or one has failed.
async fn both(up: impl Future<Output = io::Result<()>>, down: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::try_join!(up, down).map(drop)
}

/// Shuts one half, and keeps all else open for a while.
async fn lingers(shut: &mut TcpStream, _open: &TcpStream) {
    let _ = shut.shutdown().await;
    sleep(Duration::from_millis(300)).await;
}

/// Until it is told to stop.
async fn obey(shared: &Shared) -> Result<()> {
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Swallow { to_server, to_client } => {
                let swallowing = std::mem::take(&mut *shared.swallowing.lock().unwrap_or_else(PoisonError::into_inner));
                for [up, down] in swallowing {
                    up.store(to_server, Relaxed);
                    down.store(to_client, Relaxed);
                }
                Report::Obeyed.say()?;
            }
            Order::Stop => break,
            Order::Sample => {}
        }
    }
    Ok(())
}
