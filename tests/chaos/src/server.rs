//! The server: it says where it listens, serves until SIGTERM, answers what is in flight, and ends.

use std::{sync::Arc, time::Duration};

use rpc_runtime::{Limits, Server, ServerHandle};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Result,
    ledger::Ledger,
    messages::{Order, Report, Serve, orders},
    sample::Sample,
    service::{WorkServer, Worker},
};

/// Serves; fails when calls had to be cut off at the end.
pub(crate) async fn serve(settings: Serve) -> Result<()> {
    if let Some(most) = settings.descriptors {
        rlimit::Resource::NOFILE.set(most, most)?;
    }
    if let Some(bytes) = settings.address_space {
        rlimit::Resource::AS.set(bytes, bytes)?;
    }
    // Before the address is told: whoever reads it may send a signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let ledger = Arc::new(Ledger::open(settings.ledger.as_deref())?);
    let mut builder = Server::builder().service(WorkServer::new(Worker(ledger))).limits(limits(&settings));
    if let Some(bytes) = settings.memory {
        builder = builder.memory(bytes);
    }
    let server = builder.bind(settings.address.as_deref().unwrap_or("tcp://127.0.0.1:0")).await?;
    let handle = server.handle();
    Report::Listening(server.local_address().to_owned()).say()?;

    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            () = obey(&handle) => {}
        }
    };
    let drained = server.serve_until(shutdown).await?;
    if drained.cut_connections > 0 {
        return Err(format!("cut off at the end: {drained:?}").into());
    }
    Ok(())
}

fn limits(settings: &Serve) -> Limits {
    let mut limits = Limits::default();
    if let Some(handlers) = settings.running {
        limits = limits.running(handlers);
    }
    if let Some(calls) = settings.in_flight {
        limits = limits.in_flight(calls);
    }
    if let Some(ms) = settings.stall_ms {
        limits = limits.stall_timeout(Duration::from_millis(ms));
    }
    if let Some((interval, timeout)) = settings.keepalive_ms {
        limits = limits.keepalive(Duration::from_millis(interval), Duration::from_millis(timeout));
    }
    limits
}

/// Until it is told to stop.
async fn obey(handle: &ServerHandle) {
    let mut orders = orders();
    while let Some(Order::Sample) = orders.recv().await {
        let told = Sample::take(&[handle.stats()]).map(Report::Sample).and_then(|report| report.say());
        if let Err(error) = told {
            eprintln!("server: no sample: {error}");
        }
    }
}
