//! What the pending table says of itself.

use super::{Calls, Slot, Stage};

impl Calls {
    /// Calls that ever were on the wire.
    pub(in crate::connection) fn sent(&self) -> u64 {
        self.sent
    }

    /// Calls that wait for room.
    pub(in crate::connection) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The memory of the calls that wait for room.
    pub(in crate::connection) fn held(&self) -> usize {
        self.held
    }

    /// Calls on the wire with streams.
    #[cfg(test)]
    pub(in crate::connection) fn streaming(&self) -> u32 {
        self.streaming
    }

    /// Calls in flight that nobody waits for: they are looked for.
    pub(in crate::connection) fn abandoned(&self) -> usize {
        let abandoned = |slot: &&Slot| matches!(slot.stage, Stage::Abandoned | Stage::Ended { open: true, .. });
        self.slots.iter().filter(abandoned).count()
    }
}
