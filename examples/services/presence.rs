//! The service of the example `presence`: a room, whose members are those whose streams are open.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, future::ready, stream as streams};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};

/// A room to talk in.
#[rpc_service]
pub trait Room {
    /// Says what the member says to all, and gives what all say and who comes and goes, this member included. It
    /// leaves when it drops the stream and when its connection is lost; when it has said all it may stay to listen.
    async fn join(&self, name: String, said: Streaming<String>) -> Result<impl Stream<Item = Event>, NameTaken>;
    /// Who is there, in alphabetical order.
    async fn online(&self) -> Vec<String>;
}

/// What happens in the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// This one came.
    Joined(String),
    /// This one left, or was lost.
    Left(String),
    /// This one said this.
    Said(String, String),
    /// The member was too slow for so many events: time to ask who is online.
    Missed(u64),
}

/// Somebody of this name is there.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct NameTaken;

/// The room. Its clones are the same room.
#[derive(Clone)]
pub struct Lobby {
    members: Arc<Mutex<BTreeSet<String>>>,
    events: broadcast::Sender<Event>,
}

impl Lobby {
    /// One that keeps so many events for members that are slow.
    pub fn new(kept: usize) -> Self {
        Self { members: Arc::default(), events: broadcast::Sender::new(kept) }
    }

    fn members(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The member is there as long as this is.
struct Presence<'a> {
    lobby: &'a Lobby,
    name: String,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let mut members = self.lobby.members();
        members.remove(&self.name);
        let _ = self.lobby.events.send(Event::Left(self.name.clone()));
    }
}

impl Room for Lobby {
    async fn join(&self, name: String, said: Streaming<String>) -> Result<impl Stream<Item = Event>, NameTaken> {
        let (presence, events) = {
            // Under the lock come the events in the order in which the members came and went.
            let mut members = self.members();
            if !members.insert(name.clone()) {
                return Err(NameTaken);
            }
            let events = self.events.subscribe();
            let _ = self.events.send(Event::Joined(name.clone()));
            (Presence { lobby: self, name }, events)
        };
        let heard = streams::unfold(events, async |mut events| match events.recv().await {
            Ok(event) => Some((event, events)),
            Err(RecvError::Lagged(missed)) => Some((Event::Missed(missed), events)),
            Err(RecvError::Closed) => None,
        });
        let name = presence.name.clone();
        let spoken = said.filter_map(move |text| {
            if let Ok(text) = text {
                let _ = self.events.send(Event::Said(name.clone(), text));
            }
            ready(None)
        });
        // Whichever way the stream ends, it is dropped, and the member with it.
        Ok(streams::select(heard, spoken).inspect(move |_| _ = &presence))
    }

    async fn online(&self) -> Vec<String> {
        self.members().iter().cloned().collect()
    }
}
