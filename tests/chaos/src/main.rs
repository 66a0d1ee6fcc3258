//! Real processes under load that are killed, stopped, starved and restarted, and a ledger of what each call did.
//!
//! One program plays all parts: `chaos server`, `chaos client` and `chaos proxy` are what the conductor starts of
//! itself. `chaos [SCENARIO | all]` conducts.

mod client;
mod clock;
mod conductor;
mod ledger;
mod messages;
mod proxy;
mod sample;
mod server;
mod service;

use std::{error::Error, process::ExitCode};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    match play(std::env::args().skip(1).collect()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(2)
        }
    }
}

async fn play(arguments: Vec<String>) -> Result<ExitCode> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // A proxy's settings; `proxy` alone is a scenario.
        [role, settings] if settings.starts_with('{') => take_part(role, settings).await?,
        _ => return conductor::conduct(arguments).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn take_part(role: &str, settings: &str) -> Result<()> {
    match role {
        "server" => server::serve(serde_json::from_str(settings)?).await,
        "client" => client::load(serde_json::from_str(settings)?).await,
        "proxy" => proxy::relay(serde_json::from_str(settings)?).await,
        _ => Err(format!("no role {role}").into()),
    }
}
