//! The texts of the handshake, and the numbers that a side grants the other one.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Rule, Violation, items::GROWN};

/// A stream's window is never worth more.
pub(super) const WIDEST: u32 = (1 << 31) - 1;
/// The longest header of a frame.
const MAX_HEADER: u32 = 65_535;
/// The smallest window for the bytes of requests.
const REQUEST_WINDOW: u32 = 65_536;

/// What a side allows the other one; without a word the floors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Grant {
    pub(super) in_flight: u32,
    pub(super) request_window: u32,
    pub(super) max_message: u32,
    pub(super) max_header: u32,
    pub(super) streams: u32,
    pub(super) stream_window: u32,
    /// Which is not announced.
    pub(super) largest_window: u64,
}

impl Default for Grant {
    fn default() -> Self {
        Self {
            in_flight: 64,
            request_window: REQUEST_WINDOW,
            max_message: 16_384,
            max_header: 16_384,
            streams: 0,
            stream_window: 0,
            largest_window: GROWN,
        }
    }
}

impl Grant {
    /// Its numbers are within their bounds.
    fn judge(self) -> Result<Self, Violation> {
        let least = REQUEST_WINDOW.max(self.max_message);
        if self.request_window < least {
            return Err(agreement(self.request_window, least));
        }
        if self.max_header > MAX_HEADER {
            return Err(agreement(self.max_header, MAX_HEADER));
        }
        Ok(Self { stream_window: self.stream_window.min(WIDEST), ..self })
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Versions {
    min: u32,
    max: u32,
}

impl Versions {
    fn judge(self) -> Result<(), Violation> {
        if self.min > self.max { Err(agreement(self.min, self.max)) } else { Ok(()) }
    }
}

/// What the dialling side sends first.
#[derive(Debug, Deserialize)]
pub(super) struct Hello {
    versions: Versions,
    codec: String,
    #[serde(default)]
    pub(super) grant: Grant,
    #[serde(default)]
    features: Vec<String>,
}

impl Hello {
    pub(super) fn read(text: &[u8]) -> Result<Self, Violation> {
        let hello: Self = read(text)?;
        hello.versions.judge()?;
        Ok(Self { grant: hello.grant.judge()?, ..hello })
    }
}

/// What the accepting side answers.
#[derive(Debug)]
pub(super) enum Answer {
    Welcome(Welcome),
    Refusal,
}

/// The connection is one.
#[derive(Debug, Deserialize)]
pub(super) struct Welcome {
    version: u32,
    codec: String,
    #[serde(default)]
    pub(super) grant: Grant,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    versions: Versions,
    #[serde(rename = "code")]
    _code: u64,
}

#[derive(Debug, Deserialize)]
struct Answers {
    welcome: Option<Welcome>,
    refusal: Option<Refusal>,
}

impl Answer {
    pub(super) fn read(text: &[u8]) -> Result<Self, Violation> {
        match read(text)? {
            Answers { welcome: Some(welcome), refusal: None } => {
                Ok(Self::Welcome(Welcome { grant: welcome.grant.judge()?, ..welcome }))
            }
            Answers { welcome: None, refusal: Some(refusal) } => refusal.versions.judge().map(|()| Self::Refusal),
            _ => Err(malformed(text)),
        }
    }
}

impl Welcome {
    /// It agrees to what `hello` offered.
    pub(super) fn answers(&self, hello: &Hello) -> Result<(), Violation> {
        let Versions { min, max } = hello.versions;
        if !(min..=max).contains(&self.version) {
            return Err(agreement(self.version, max));
        }
        let new = self.features.iter().filter(|name| !hello.features.contains(name)).count();
        if self.codec != hello.codec || new > 0 {
            return Err(Violation::new(Rule::Agreement, 0, new as u64, 0));
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Violation> {
    serde_json::from_slice(text).map_err(|_| malformed(text))
}

/// Numbers tell no more about a text that is none: whether it was JSON at all, as 1 or 0.
fn malformed(text: &[u8]) -> Violation {
    Violation::new(Rule::Handshake, 0, u64::from(serde_json::from_slice::<IgnoredAny>(text).is_ok()), 1)
}

fn agreement(was: u32, allowed: u32) -> Violation {
    Violation::new(Rule::Agreement, 0, u64::from(was), u64::from(allowed))
}
