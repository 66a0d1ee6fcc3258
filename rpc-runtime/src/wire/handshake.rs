//! The first bytes of a connection: `magic | u16 length | JSON`, once each way. What is behind them belongs
//! to the frames. Which version, codec and grants are chosen is for client and server to decide.

use std::{collections::BTreeMap, error::Error, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::foreign::{DECIDED, ForeignProtocol, Recognised};
use crate::status::Code;

/// What both sides send first. No text begins with its first byte, and a change of line ends breaks it.
pub(crate) const MAGIC: [u8; 8] = *b"\xF5RPC\r\n\x1A\n";

/// The longest JSON text, in bytes.
const MAX_TEXT: usize = 4_096;
/// Magic and length.
const PREFIX: usize = MAGIC.len() + size_of::<u16>();

/// What the side that dialled says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    #[serde(deserialize_with = "object")]
    pub(crate) versions: Versions,
    /// The name of the codec that it wants to speak.
    pub(crate) codec: String,
    #[serde(default, deserialize_with = "object")]
    pub(crate) grant: Grant,
    #[serde(default)]
    pub(crate) features: Vec<String>,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The versions of the protocol that a side speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// What its sender allows the other side. The default is what is granted before anything was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Grant {
    /// Calls without a terminal frame.
    pub(crate) in_flight: u32,
    /// Bytes of request bodies that were not yet given back.
    pub(crate) request_window: u32,
    /// Bytes of one message.
    pub(crate) max_message: u32,
    /// Bytes of one header.
    pub(crate) max_header: u32,
    /// Open streams.
    pub(crate) streams: u32,
    /// Bytes of stream items at the start of each stream.
    pub(crate) stream_window: u32,
}

impl Default for Grant {
    fn default() -> Self {
        Self {
            in_flight: 64,
            request_window: 65_536,
            max_message: 16_384,
            max_header: 16_384,
            streams: 0,
            stream_window: 0,
        }
    }
}

/// What the side that accepted says: yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Welcome(Welcome),
    Refusal(Refusal),
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) version: u32,
    pub(crate) codec: String,
    #[serde(default, deserialize_with = "object")]
    pub(crate) grant: Grant,
    #[serde(default)]
    pub(crate) features: Vec<String>,
}

/// Why there is no connection, and what would have been possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    #[serde(serialize_with = "code_to_number", deserialize_with = "code_from_number")]
    pub(crate) code: Code,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(deserialize_with = "object")]
    pub(crate) versions: Versions,
    #[serde(default)]
    pub(crate) codecs: Vec<String>,
}

/// The bytes of a Hello; an error when its metadata makes it too long.
pub(crate) fn encode_hello(hello: &Hello) -> Result<Vec<u8>, HandshakeError> {
    encode(hello)
}

/// The bytes of an answer. A reason that would make it too long is cut.
pub(crate) fn encode_answer(answer: &Answer) -> Vec<u8> {
    encode(answer).unwrap_or_else(|_| {
        encode(&shortened(answer)).expect("the codecs and features of this side are few, and 512 characters fit")
    })
}

/// How far a handshake has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handshake<T> {
    /// `needed` bytes in all are wanted so far, never more than 4,106.
    Incomplete { needed: usize },
    /// It took `length` bytes; what is behind them are frames.
    Done { value: T, length: usize },
}

/// Reads the first bytes of a side that dialled.
pub(crate) fn parse_hello(input: &[u8]) -> Result<Handshake<Hello>, HandshakeError> {
    let parsed = parse::<Hello>(input)?;
    match &parsed {
        Handshake::Done { value: Hello { versions: Versions { min, max }, .. }, .. } if min > max => {
            Err(HandshakeError::Malformed(format!("versions from {min} to {max}")))
        }
        _ => Ok(parsed),
    }
}

/// Reads the first bytes of a side that accepted.
pub(crate) fn parse_answer(input: &[u8]) -> Result<Handshake<Answer>, HandshakeError> {
    let (value, length) = match parse::<Alternatives>(input)? {
        Handshake::Incomplete { needed } => return Ok(Handshake::Incomplete { needed }),
        Handshake::Done { value, length } => (value, length),
    };
    let value = match value {
        Alternatives { welcome: Some(welcome), refusal: None } => Answer::Welcome(welcome),
        Alternatives { welcome: None, refusal: Some(refusal) } => Answer::Refusal(refusal),
        _ => return Err(HandshakeError::Malformed("not exactly one of `welcome` and `refusal`".to_owned())),
    };
    Ok(Handshake::Done { value, length })
}

/// Why a handshake failed: the connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// The peer speaks another protocol.
    Foreign(ForeignProtocol),
    /// The peer sent something unknown.
    Magic {
        /// The first bytes, eight at most.
        found: Vec<u8>,
    },
    /// The JSON text is too long.
    TooLong { announced: usize, limit: usize },
    /// The JSON text is not what it should be.
    Malformed(String),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(protocol) => write!(f, "expected a handshake, the peer sent {protocol}"),
            Self::Magic { found } => {
                write!(f, "expected a handshake, which begins with {MAGIC:02x?}, the peer sent ")?;
                match std::str::from_utf8(found) {
                    Ok(text) if !text.contains(char::is_control) => write!(f, "{text:?}"),
                    _ => write!(f, "{found:02x?}"),
                }
            }
            Self::TooLong { announced, limit } => {
                write!(f, "a handshake of {announced} bytes, the limit is {limit}")
            }
            Self::Malformed(cause) => write!(f, "malformed handshake: {cause}"),
        }
    }
}

impl Error for HandshakeError {}

/// An answer as it may come: with fields of later versions, and with mistakes.
#[derive(Deserialize)]
struct Alternatives {
    #[serde(default, deserialize_with = "some_object")]
    welcome: Option<Welcome>,
    #[serde(default, deserialize_with = "some_object")]
    refusal: Option<Refusal>,
}

fn parse<T: DeserializeOwned>(input: &[u8]) -> Result<Handshake<T>, HandshakeError> {
    if !is_magic(input)? {
        return Ok(Handshake::Incomplete { needed: DECIDED });
    }
    let Some((_, [low, high, rest @ ..])) = input.split_at_checked(MAGIC.len()) else {
        return Ok(Handshake::Incomplete { needed: PREFIX });
    };
    let announced = usize::from(u16::from_le_bytes([*low, *high]));
    if announced > MAX_TEXT {
        return Err(HandshakeError::TooLong { announced, limit: MAX_TEXT });
    }
    let length = PREFIX + announced;
    let Some(text) = rest.get(..announced) else { return Ok(Handshake::Incomplete { needed: length }) };
    let value = from_text(text).map_err(|error| HandshakeError::Malformed(printable(&error)))?;
    Ok(Handshake::Done { value, length })
}

fn from_text<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = object(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// What derived code would also take from an array, by position.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

fn some_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    object(deserializer).map(Some)
}

/// An error as soon as it is certain what else it is; `false` while that is not.
fn is_magic(input: &[u8]) -> Result<bool, HandshakeError> {
    if MAGIC.iter().zip(input).all(|(expected, found)| expected == found) {
        return Ok(true);
    }
    match ForeignProtocol::recognise(input) {
        Recognised::Yes(protocol) => Err(HandshakeError::Foreign(protocol)),
        Recognised::Maybe => Ok(false),
        Recognised::No => Err(HandshakeError::Magic { found: input.iter().copied().take(MAGIC.len()).collect() }),
    }
}

/// The cause for a log line: it may quote the peer.
fn printable(error: &serde_json::Error) -> String {
    error.to_string().chars().filter(|character| !character.is_control()).take(200).collect()
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, HandshakeError> {
    let text = serde_json::to_vec(value).expect("a handshake has only text keys");
    let too_long = || HandshakeError::TooLong { announced: text.len(), limit: MAX_TEXT };
    let length = u16::try_from(text.len()).ok().filter(|length| usize::from(*length) <= MAX_TEXT);
    let length = length.ok_or_else(too_long)?;
    Ok([&MAGIC[..], &length.to_le_bytes(), &text].concat())
}

fn shortened(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    if let Answer::Refusal(refusal) = &mut answer {
        refusal.reason = refusal.reason.chars().take(512).collect();
    }
    answer
}

// serde passes the field by reference.
fn code_to_number<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(code.number())
}

fn code_from_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
    let code = u64::deserialize(deserializer).map(Code::from_number)?;
    // A refusal is none that went well.
    Ok(if code == Code::Ok { Code::Unknown } else { code })
}
