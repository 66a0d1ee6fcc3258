//! The W3C trace context, level 1 (<https://www.w3.org/TR/trace-context/>): which trace a call belongs to, and under
//! which span. It is read from metadata, and written back with a span of one's own.

use std::fmt;

use crate::metadata::Metadata;

pub(super) const TRACEPARENT: &str = "traceparent";

/// One span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceContext {
    pub(super) trace: u128,
    pub(super) span: u64,
    /// Only the lowest bit, *sampled*, has a meaning.
    flags: u8,
}

impl TraceContext {
    /// What the metadata says; nothing when it is malformed, as if it were not there.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        let text = metadata.get(TRACEPARENT)?;
        let mut fields = text.split('-');
        let version = hex(fields.next()?, 2)?;
        let trace = hex(fields.next()?, 32)?;
        let span = hex(fields.next()?, 16)?;
        let flags = hex(fields.next()?, 2)?;
        // A later version may have further fields; 255 is none.
        let known = version < 255 && (version > 0 || fields.next().is_none());
        (known && trace != 0 && span != 0).then_some(Self { trace, span: span as u64, flags: flags as u8 & 1 })
    }

    /// A new span: under this one, or of a new trace.
    pub(super) fn child(parent: Option<&Self>) -> Self {
        let (trace, flags) = parent.map_or_else(|| (fastrand::u128(1..), 1), |parent| (parent.trace, parent.flags));
        Self { trace, span: fastrand::u64(1..), flags }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A number of exactly this many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let well_formed = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if well_formed { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<TraceContext> {
        let mut metadata = Metadata::new();
        metadata.insert(TRACEPARENT, text);
        TraceContext::of(&metadata)
    }

    #[test]
    fn what_is_well_formed_is_read_and_written_back() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = parsed(text).unwrap();
        assert_eq!((context.trace, context.span), (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7));
        assert_eq!(context.to_string(), text);
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(parsed(later), Some(context));
    }

    #[test]
    fn what_is_malformed_is_as_if_it_were_not_there() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_child_belongs_to_its_parents_trace_and_has_a_span_of_its_own() {
        let parent = parsed("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap();
        let child = TraceContext::child(Some(&parent));
        assert_eq!((child.trace, child.flags), (parent.trace, 0));
        assert_ne!(child.span, parent.span);
        assert_ne!(TraceContext::child(None).trace, TraceContext::child(None).trace);
    }
}
