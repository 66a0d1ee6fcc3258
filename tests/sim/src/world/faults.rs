//! What may happen to a run, one fault at a time, as its seed has it.

use std::{sync::atomic::Ordering::Relaxed, task::Waker, time::Duration};

use super::World;
use crate::{
    net::{HostId, Micros, Net},
    report::Fault,
};

impl World {
    /// Something goes wrong, and ends or heals after a while.
    pub(super) fn strike(&mut self) {
        let until = self.now + self.rng.u64(1_000..400_000);
        let kind = if self.control.calm { self.rng.u8(10..17) } else { self.rng.u8(..30) };
        let most = if self.control.calm { 15_000 } else { 40_000 };
        let fault = match kind {
            0..5 => self.on_net(Fault::Reset, Net::reset_some),
            5..7 => self.on_net(Fault::HalfClose, Net::cut_some),
            7..10 => self.on_net(Fault::Stall, |net, _| net.stall_some(until)),
            10..13 => self.on_net(Fault::Crumbs, |net, _| net.crumble_some()),
            13..15 => self.on_net(Fault::Delay, |net, _| net.delay_some(most)),
            15 => self.exhausted(until),
            16 => self.shut(),
            17..19 => self.partitioned(until, true),
            19..21 => self.partitioned(until, false),
            21 => self.crashed(Fault::ServerCrash),
            22 => self.crashed(Fault::ClientCrash),
            23 => self.crashed(Fault::PowerOff),
            24..26 => self.stopped(until),
            26 => self.stepped(),
            _ => self.corrupted(),
        };
        if let Some(fault) = fault {
            self.history.fault(fault);
            self.net.lock().trace.note(self.now, "fault", &[fault as u64], &[]);
        }
    }

    fn on_net(&mut self, fault: Fault, strike: impl FnOnce(&mut Net, &mut Vec<Waker>) -> bool) -> Option<Fault> {
        self.net.with(strike).then_some(fault)
    }

    /// In some runs bytes are changed. It counts when one has arrived.
    fn corrupted(&mut self) -> Option<Fault> {
        if self.corrupts {
            self.net.with(|net, _| net.corrupt_some());
        }
        None
    }

    fn partitioned(&mut self, until: Micros, both_ways: bool) -> Option<Fault> {
        let (server, client) = (self.any_server(), self.any_client());
        let (from, to) = if self.rng.bool() { (server, client) } else { (client, server) };
        let mut net = self.net.lock();
        net.partition(from, to, until);
        if both_ways {
            net.partition(to, from, until);
        }
        Some(if both_ways { Fault::Partition } else { Fault::PartitionOneWay })
    }

    fn crashed(&mut self, fault: Fault) -> Option<Fault> {
        let id = match fault {
            Fault::ServerCrash => self.any_server(),
            Fault::ClientCrash => self.any_client(),
            _ => self.rng.usize(..self.hosts.len()),
        };
        let is_up = self.hosts[id].host.is_some();
        is_up.then(|| {
            self.crash(id, fault == Fault::PowerOff);
            fault
        })
    }

    /// A server ends in an orderly way, and starts again when it has.
    fn shut(&mut self) -> Option<Fault> {
        let id = self.any_server();
        self.hosts[id].handle().map(|handle| {
            handle.shut_down();
            Fault::Shutdown
        })
    }

    /// A host does nothing for a while, and then finds its clock ahead.
    fn stopped(&mut self, until: Micros) -> Option<Fault> {
        let id = self.rng.usize(..self.hosts.len());
        self.hosts[id].stopped_until = until;
        self.history.delay(until - self.now);
        self.control.jumps.fetch_add(1, Relaxed);
        Some(Fault::Pause)
    }

    /// The clock of a host leaps.
    fn stepped(&mut self) -> Option<Fault> {
        let id = self.rng.usize(..self.hosts.len());
        let by = Duration::from_millis(self.rng.u64(1..2_000));
        if self.hosts[id].stopped_until > self.now {
            return None;
        }
        let host = self.hosts[id].host.as_mut()?;
        self.control.jumps.fetch_add(1, Relaxed);
        host.leap(by);
        Some(Fault::ClockStep)
    }

    fn exhausted(&mut self, until: Micros) -> Option<Fault> {
        let id = self.any_server();
        self.net.with(|net, wakers| net.exhaust(id, until, wakers));
        Some(Fault::Descriptors)
    }

    fn any_server(&mut self) -> HostId {
        self.rng.usize(..self.servers)
    }

    fn any_client(&mut self) -> HostId {
        self.rng.usize(self.servers..self.hosts.len())
    }
}
