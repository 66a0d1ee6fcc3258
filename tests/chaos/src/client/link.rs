//! A connection that is made anew when it is lost, to the next server: what the product leaves to its users.

use std::time::Duration;

use rpc_runtime::{Channel, ConnectionState, Limits, Stats, Status};
use tokio::sync::Mutex;

use crate::service::WorkClient;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Link {
    servers: Vec<String>,
    limits: Limits,
    place: Mutex<Place>,
}

/// Which server it is at, or will be.
struct Place {
    server: usize,
    client: Option<WorkClient>,
}

impl Link {
    pub(super) fn new(servers: &[String], number: usize, limits: &Limits) -> Self {
        let place = Place { server: number % servers.len().max(1), client: None };
        Self { servers: servers.to_vec(), limits: limits.clone(), place: Mutex::new(place) }
    }

    /// The client of a connection that takes calls. Whoever finds none dials, and the others wait for it.
    pub(super) async fn client(&self) -> Result<WorkClient, Status> {
        let mut place = self.place.lock().await;
        match &place.client {
            Some(client) if client.channel().state() == ConnectionState::Ready => return Ok(client.clone()),
            Some(_) => place.goes_on(self.servers.len()),
            None => {}
        }
        let builder = Channel::builder().limits(self.limits.clone()).connect_timeout(CONNECT_TIMEOUT);
        match builder.connect(&self.servers[place.server]).await {
            Ok(channel) => {
                let client = WorkClient::new(channel);
                place.client = Some(client.clone());
                Ok(client)
            }
            Err(status) => {
                place.goes_on(self.servers.len());
                Err(status)
            }
        }
    }

    /// Closes the connection, with the calls on it, or drops it, so that it ends when they have.
    pub(super) async fn let_go(&self, close: bool) {
        let client = self.place.lock().await.client.take();
        if let (Some(client), true) = (client, close) {
            client.channel().close();
        }
    }

    pub(super) async fn stats(&self) -> Option<Stats> {
        self.place.lock().await.client.as_ref().map(|client| client.channel().stats())
    }
}

impl Place {
    fn goes_on(&mut self, servers: usize) {
        self.client = None;
        self.server = (self.server + 1) % servers;
    }
}
