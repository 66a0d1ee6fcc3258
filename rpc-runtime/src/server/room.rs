//! How many connections a server has room for, and the refusals of those that come on top: told at once, and never so
//! many at a time that they would take the room of others.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::{
    connection::{self, Endpoint, Reason},
    status::Code,
    transport::Transport,
};

/// Descriptors that are left to the process: for listeners, files, and connections that are being refused.
const SPARE: u64 = 64;
/// How long the oldest refusal may take to be told, once another needs its place.
const PATIENCE: Duration = Duration::from_millis(20);

/// The most connections there may be at a time, and why not more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    most: usize,
    /// The process's limit of descriptors, where it leaves less room than was asked for.
    descriptors: Option<u64>,
    refusals: usize,
}

impl Room {
    /// So many connections, if the process may have so many descriptors.
    pub(super) fn new(most: usize) -> Self {
        // Without a limit that can be read there is none to keep to.
        Self::within(most, rlimit::Resource::NOFILE.get_soft().unwrap_or(rlimit::INFINITY))
    }

    fn within(most: usize, descriptors: u64) -> Self {
        // Never less than half, so that a process with few descriptors still serves.
        let possible = descriptors.saturating_sub(SPARE).max(descriptors / 2);
        // A part of what is spared, so that there is always one more to accept with: 16, or fewer.
        let refusals = ((descriptors - possible) / 4).clamp(1, 16) as usize;
        match usize::try_from(possible) {
            Ok(possible) if possible < most => Self { most: possible, descriptors: Some(descriptors), refusals },
            _ => Self { most, descriptors: None, refusals },
        }
    }

    /// Why there is no room for one more than `count`.
    pub(super) fn refusal(&self, count: usize) -> Option<(Reason, String)> {
        let most = self.most;
        if count < most {
            return None;
        }
        Some(match self.descriptors {
            None => (
                |refused| &mut refused.max_connections,
                format!("max_connections: there are {count} connections, the limit is {most}"),
            ),
            Some(descriptors) => (
                |refused| &mut refused.descriptors,
                format!(
                    "descriptors: there are {count} connections, the limit is {most} in a process that may have \
                     {descriptors} descriptors"
                ),
            ),
        })
    }
}

/// Connections that are being refused.
#[derive(Debug)]
pub(super) struct Refusals {
    tasks: JoinSet<()>,
    /// In their order; those that have ended may be among them.
    queue: VecDeque<Refusal>,
    most: usize,
}

#[derive(Debug)]
struct Refusal {
    task: AbortHandle,
    told: oneshot::Receiver<()>,
}

impl Refusals {
    pub(super) fn new(room: &Room) -> Self {
        Self { tasks: JoinSet::new(), queue: VecDeque::new(), most: room.refusals }
    }

    /// Tells a peer why it is not let in. When too many have not gone yet, the oldest is cut off, which has been told.
    pub(super) async fn refuse(&mut self, endpoint: &Arc<Endpoint>, transport: Transport, reason: String) {
        while self.tasks.try_join_next().is_some() {}
        self.queue.retain(|refusal| !refusal.task.is_finished());
        if self.queue.len() >= self.most {
            if let Some(Refusal { task, told }) = self.queue.pop_front() {
                // Told, late, or gone: its place is needed.
                let _ = timeout(PATIENCE, told).await;
                task.abort();
            }
        }
        let (tell, told) = oneshot::channel();
        let task = self.tasks.spawn(connection::refuse(
            transport,
            Arc::clone(endpoint),
            Code::ResourceExhausted,
            reason,
            tell,
        ));
        self.queue.push_back(Refusal { task, told });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_keep_to_the_descriptor_limit_less_64_and_to_half_of_a_low_one() {
        let most = |most, descriptors| Room::within(most, descriptors).most;
        assert_eq!(most(10_000, rlimit::INFINITY), 10_000);
        assert_eq!(most(10_000, 20_000), 10_000);
        assert_eq!(most(10_000, 1_024), 960);
        assert_eq!(most(10, 1_024), 10);
        assert_eq!(most(10_000, 128), 64);
        assert_eq!(most(10_000, 64), 32);
    }

    #[test]
    fn connections_and_refusals_together_leave_descriptors_to_others() {
        for descriptors in [16, 64, 128, 256, 1_024, 1 << 20] {
            let room = Room::within(usize::MAX, descriptors);
            assert!((room.most + room.refusals) as u64 + 4 <= descriptors, "{room:?}");
            assert!(room.refusals > 0, "{room:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_limit_that_is_the_lower_one_with_both_numbers() {
        assert!(Room::within(2, 1_024).refusal(1).is_none());
        let (_, text) = Room::within(2, 1_024).refusal(2).unwrap();
        assert_eq!(text, "max_connections: there are 2 connections, the limit is 2");
        let (_, text) = Room::within(10_000, 64).refusal(32).unwrap();
        assert_eq!(
            text,
            "descriptors: there are 32 connections, the limit is 32 in a process that may have 64 descriptors"
        );
    }
}
