//! Peers of other protocols at an accepting side: how much of them is read, what the log says of them, and how often.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout},
};

use crate::{
    status::{Code, Status},
    transport::Transport,
    wire::{ForeignProtocol, HandshakeError},
};

/// Of a kind of foreign peer one is logged as a warning in this time.
const QUIET: Duration = Duration::from_secs(600);
/// So much of the first line of a foreign peer is read, for so long, and so many characters of it are told.
const LINE: usize = 1_024;
const LINE_TIME: Duration = Duration::from_millis(500);
const TOLD: usize = 80;

/// Why there is no connection, and whether the peer spoke another protocol.
#[derive(Debug)]
pub(crate) struct TurnedAway {
    pub(crate) status: Status,
    pub(crate) foreign: Option<ForeignProtocol>,
}

impl From<Status> for TurnedAway {
    fn from(status: Status) -> Self {
        Self { status, foreign: None }
    }
}

impl TurnedAway {
    /// One line: a warning, but for foreign peers when there was one of the same protocol not long ago, and for as
    /// many as come while there is no memory, who are told and counted.
    pub(crate) fn log(&self, peer: &str, log: &ForeignLog) {
        let status = &self.status;
        let said = match self.foreign {
            Some(protocol) => log.note(protocol, Instant::now()),
            None if status.code() == Code::ResourceExhausted => Said::Again,
            None => Said::First { unsaid: 0 },
        };
        match said {
            Said::First { unsaid: 0 } => tracing::warn!("{peer} was turned away: {status}"),
            Said::First { unsaid } => {
                tracing::warn!("{peer} was turned away, and {unsaid} like it since the last such line: {status}");
            }
            Said::Again => tracing::debug!("{peer} was turned away: {status}"),
        }
    }
}

/// How often which foreign protocol came, so that a checker of health that asks each second does not fill the log.
#[derive(Debug, Default)]
pub(crate) struct ForeignLog(Mutex<BTreeMap<ForeignProtocol, Seen>>);

#[derive(Debug)]
struct Seen {
    said: Instant,
    unsaid: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// A warning, which tells how many were not said since the last.
    First {
        unsaid: u64,
    },
    Again,
}

impl ForeignLog {
    fn note(&self, protocol: ForeignProtocol, now: Instant) -> Said {
        let mut seen = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(seen) = seen.get_mut(&protocol) else {
            seen.insert(protocol, Seen { said: now, unsaid: 0 });
            return Said::First { unsaid: 0 };
        };
        if now.saturating_duration_since(seen.said) < QUIET {
            seen.unsaid += 1;
            return Said::Again;
        }
        seen.said = now;
        Said::First { unsaid: std::mem::take(&mut seen.unsaid) }
    }
}

/// What speaks another protocol, if that is what was wrong.
pub(super) fn protocol_of(error: &HandshakeError) -> Option<ForeignProtocol> {
    match error {
        HandshakeError::Foreign(protocol) => Some(*protocol),
        HandshakeError::Magic { .. } => Some(ForeignProtocol::Unknown),
        HandshakeError::TooLong { .. } | HandshakeError::Malformed(_) => None,
    }
}

/// Reads on until `input` has a whole line, where the protocol has lines.
pub(super) async fn read_line(transport: &mut Transport, protocol: ForeignProtocol, input: &mut Vec<u8>) {
    if !protocol.has_line() {
        return;
    }
    let line = async {
        while !input.contains(&b'\n') && input.len() < LINE {
            let wanted = (LINE - input.len()) as u64;
            match (&mut transport.reader).take(wanted).read_buf(input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    // What has come is told.
    let _ = timeout(LINE_TIME, line).await;
}

/// What the error of a foreign peer says, with its first line: cut, and without what a terminal would act upon.
pub(super) fn told(error: &HandshakeError, protocol: ForeignProtocol, input: &[u8]) -> String {
    if !protocol.has_line() {
        return error.to_string();
    }
    let line = input.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let printable = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
    let text: String = line.iter().take(TOLD).map(printable).collect();
    let cut = if line.len() > TOLD { ".." } else { "" };
    format!("{error}: \"{text}\"{cut}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_one_in_ten_minutes_is_said_aloud_and_tells_how_many_were_not() {
        let (log, began) = (ForeignLog::default(), Instant::now());
        let note = |protocol, seconds| log.note(protocol, began + Duration::from_secs(seconds));
        assert_eq!(note(ForeignProtocol::Http, 0), Said::First { unsaid: 0 });
        assert_eq!(note(ForeignProtocol::Tls, 1), Said::First { unsaid: 0 });
        for second in 1..600 {
            assert_eq!(note(ForeignProtocol::Http, second), Said::Again);
        }
        assert_eq!(note(ForeignProtocol::Http, 600), Said::First { unsaid: 599 });
        assert_eq!(note(ForeignProtocol::Http, 601), Said::Again);
    }

    #[test]
    fn the_line_of_a_peer_is_cut_and_printable() {
        let error = HandshakeError::Foreign(ForeignProtocol::Http);
        let input = [b"GET /\x1b[2J\xff\"\\".as_slice(), &[b'x'; 200], b"\r\nsecret: 1"].concat();
        let text = told(&error, ForeignProtocol::Http, &input);
        assert!(text.contains("\"GET /?[2J?\"\\xx") && text.ends_with("xx\".."), "{text}");
        assert!(text.len() < 160 && !text.contains("secret") && !text.chars().any(char::is_control), "{text}");
    }
}
