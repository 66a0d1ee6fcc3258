//! The golden sessions of PROTOCOL.md, read as its section *How to read them* says. What is not understood is an error:
//! no line is passed over.

use std::time::Duration;

pub(super) const DOCUMENT: &str = include_str!("../../../PROTOCOL.md");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Dialling,
    Accepting,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) title: String,
    /// Whose bytes an implementation must send just so.
    pub(super) tests: Vec<Side>,
    /// The handshake before it; without one it begins at the first byte.
    pub(super) behind: Option<Shaken>,
    /// Whether the dialling side offers the service, too.
    pub(super) both_offer: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shaken {
    pub(super) codec: String,
    /// How many calls with streams both grant, when it is not the default.
    pub(super) streams: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Bytes(Chunk),
    End(Side),
    Action(Action),
}

/// A frame, one side's handshake, or bytes of another protocol.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) side: Side,
    pub(super) what: String,
    /// Its side may leave it out.
    pub(super) optional: bool,
    pub(super) shape: Shape,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Exact(Vec<u8>),
    /// Any bytes, of any number.
    Example(Vec<u8>),
    /// A number that counts an example.
    Count(Vec<u8>),
    /// A number that may be a larger one.
    AtLeast(Vec<u8>),
    /// The text of a handshake, and the members that are examples.
    Json(String, Vec<String>),
}

/// What the users of both sides do and see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Connects {
        codec: String,
        metadata: Vec<(String, String)>,
    },
    ConnectingEnds(String),
    Calls {
        id: u64,
        method: String,
        arguments: String,
        timeout: Option<Duration>,
        metadata: Vec<(String, String)>,
    },
    Drops(u64),
    Runs(u64),
    Ends(u64, String),
    /// What a producer of the caller has ready; none is its end.
    IsSent(u64, Option<String>),
    IsStopped(u64),
    Opens(u64),
    Gives(u64, String),
    ShutsDown,
    Closes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Handshake,
    Frame,
    /// What it is nobody says: it goes to the end of its direction.
    Other,
}

impl Chunk {
    /// The bytes as the document has them.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let bytes = self.pieces.iter().flat_map(|piece| match piece {
            Piece::Exact(bytes) | Piece::Example(bytes) | Piece::Count(bytes) | Piece::AtLeast(bytes) => &bytes[..],
            Piece::Json(text, _) => text.as_bytes(),
        });
        bytes.copied().collect()
    }

    /// Items that may as well come in fewer or more frames.
    pub(super) fn is_packed(&self) -> bool {
        self.what == "Message"
    }

    fn find_shape(&self) -> Shape {
        if self.pieces.iter().any(|piece| matches!(piece, Piece::Json(..))) {
            return Shape::Handshake;
        }
        let bytes = self.bytes();
        let length = bytes.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
        if bytes.len() >= 16 && length == Some(bytes.len() - 4) { Shape::Frame } else { Shape::Other }
    }
}

/// All sessions of `document`, in order; an error names the line.
pub(super) fn sessions(document: &str) -> Result<Vec<Session>, String> {
    let mut lines = (1..).zip(document.lines()).skip_while(|(_, line)| *line != "## Golden sessions");
    let mut sessions = Vec::new();
    let mut title = None;
    while let Some((number, line)) = lines.next() {
        if line.starts_with("## ") && line != "## Golden sessions" {
            break;
        }
        if let Some(text) = line.strip_prefix("### ") {
            if let Some(title) = title.replace(text.to_owned()) {
                return Err(format!("line {number}: the session {title:?} has no block"));
            }
        } else if line == "```session" {
            let title = title.take().ok_or(format!("line {number}: a block without a title of its own"))?;
            let block: Vec<_> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
            sessions.push(session(title, &block)?);
        } else if line.starts_with("```") {
            return Err(format!("line {number}: a block that is no session"));
        }
    }
    match title {
        Some(title) => Err(format!("the session {title:?} has no block")),
        None => Ok(sessions),
    }
}

fn session(title: String, block: &[(usize, &str)]) -> Result<Session, String> {
    let mut session = Session { title, tests: Vec::new(), behind: None, both_offer: false, steps: Vec::new() };
    let mut begins = None;
    for (number, line) in block {
        read_line(&mut session, &mut begins, line).map_err(|what| format!("line {number}: {what}: {line}"))?;
    }
    if session.tests.is_empty() || begins.is_none() || session.steps.is_empty() {
        return Err(format!(
            "the session {:?} does not say whom it tests, how it begins, or has no steps",
            session.title
        ));
    }
    session.behind = begins.flatten();
    for step in &mut session.steps {
        if let Step::Bytes(chunk) = step {
            chunk.shape = chunk.find_shape();
        }
    }
    Ok(session)
}

fn read_line(session: &mut Session, begins: &mut Option<Option<Shaken>>, line: &str) -> Result<(), String> {
    if line == "@ offers: both sides" {
        session.both_offer = true;
        return Ok(());
    }
    if let Some(tests) = line.strip_prefix("@ tests: ") {
        session.tests = match tests {
            "the dialling side" => vec![Side::Dialling],
            "the accepting side" => vec![Side::Accepting],
            "both sides" => vec![Side::Accepting, Side::Dialling],
            _ => return Err("nobody is tested".to_owned()),
        };
        return Ok(());
    }
    if let Some(text) = line.strip_prefix("@ begins: ") {
        *begins = Some(beginning(text).ok_or("an unknown beginning")?);
        return Ok(());
    }
    if let Some(text) = line.strip_prefix("! ") {
        session.steps.push(Step::Action(action(text).ok_or("an unknown action")?));
        return Ok(());
    }
    if let Some(text) = line.strip_prefix("# ") {
        let optional = text.contains(" side may send: ");
        let between = if optional { " side may send: " } else { " side: " };
        let (side, what) = text.split_once(between).ok_or("not a side")?;
        let side = match side {
            "dialling" => Side::Dialling,
            "accepting" => Side::Accepting,
            _ => return Err("an unknown side".to_owned()),
        };
        session.steps.push(match what {
            "end" => Step::End(side),
            _ => Step::Bytes(Chunk { side, what: what.to_owned(), optional, shape: Shape::Other, pieces: Vec::new() }),
        });
        return Ok(());
    }
    let Some(Step::Bytes(chunk)) = session.steps.last_mut() else { return Err("bytes of nobody".to_owned()) };
    if let Some(paths) = line.strip_prefix("? ") {
        let Some(Piece::Json(_, examples)) = chunk.pieces.last_mut() else {
            return Err("no text before it".to_owned());
        };
        examples.extend(paths.split(", ").map(str::to_owned));
        return Ok(());
    }
    let piece = piece(line)?;
    match (chunk.pieces.last_mut(), piece) {
        (Some(Piece::Exact(before)), Piece::Exact(bytes)) | (Some(Piece::Example(before)), Piece::Example(bytes)) => {
            before.extend(bytes);
        }
        (_, piece) => chunk.pieces.push(piece),
    }
    Ok(())
}

fn beginning(text: &str) -> Option<Option<Shaken>> {
    if text == "at the first byte" {
        return Some(None);
    }
    let text = text.strip_prefix("behind a handshake with ")?;
    let (codec, streams) = match text.split_once(", streams ") {
        Some((codec, streams)) => (codec, Some(streams.parse().ok()?)),
        None => (text, None),
    };
    Some(Some(Shaken { codec: codec.to_owned(), streams }))
}

fn piece(line: &str) -> Result<Piece, String> {
    if line.starts_with('{') {
        return Ok(Piece::Json(line.to_owned(), Vec::new()));
    }
    match line.split_at_checked(2) {
        Some(("* ", rest)) => bytes(rest).map(Piece::Example),
        Some(("+ ", rest)) => bytes(rest).map(Piece::Count),
        Some(("~ ", rest)) => bytes(rest).map(Piece::AtLeast),
        _ => bytes(line).map(Piece::Exact),
    }
}

/// Text in quotes, or pairs of digits and behind two spaces a remark. `x` and a number repeat the byte before them.
fn bytes(line: &str) -> Result<Vec<u8>, String> {
    if line.starts_with('"') {
        return serde_json::from_str::<String>(line).map(String::into_bytes).map_err(|error| error.to_string());
    }
    let mut bytes = Vec::new();
    let mut words = line.split("  ").next().unwrap_or_default().split(' ');
    while let Some(word) = words.next() {
        match (word, bytes.last().copied()) {
            ("x", Some(byte)) => {
                let times = words.next().and_then(count).ok_or("how often?")?;
                bytes.resize(bytes.len() + times - 1, byte);
            }
            _ if word.len() == 2 => bytes.push(u8::from_str_radix(word, 16).map_err(|error| error.to_string())?),
            _ => return Err("not two digits".to_owned()),
        }
    }
    Ok(bytes)
}

/// A number from 1 up, with or without commas.
pub(super) fn count(text: &str) -> Option<usize> {
    text.replace(',', "").parse().ok().filter(|count| *count > 0)
}

fn action(text: &str) -> Option<Action> {
    if let Some(text) = text.strip_prefix("the dialling side connects: ") {
        let (codec, metadata) = with_metadata(text)?;
        return Some(Action::Connects { codec: codec.to_owned(), metadata });
    }
    if let Some(outcome) = text.strip_prefix("connecting ends: ") {
        return Some(Action::ConnectingEnds(outcome.to_owned()));
    }
    if let Some(text) = text.strip_prefix("the dialling side calls ") {
        let (id, text) = text.split_once(": ")?;
        let (text, metadata) = with_metadata(text)?;
        let (call, timeout) = match text.split_once("), timeout ") {
            Some((call, timeout)) => (call, Some(duration(timeout)?)),
            None => (text.strip_suffix(')')?, None),
        };
        let (method, arguments) = call.split_once('(')?;
        let (method, arguments) = (method.to_owned(), arguments.to_owned());
        return Some(Action::Calls { id: id.parse().ok()?, method, arguments, timeout, metadata });
    }
    if let Some(id) = text.strip_prefix("the dialling side drops ") {
        return id.parse().ok().map(Action::Drops);
    }
    match text {
        "the accepting side shuts down" => return Some(Action::ShutsDown),
        "the dialling side closes" => return Some(Action::Closes),
        _ => {}
    }
    let (id, text) = text.split_once(' ')?;
    let id = id.parse().ok()?;
    match text {
        "runs" => return Some(Action::Runs(id)),
        "opens" => return Some(Action::Opens(id)),
        "is stopped" => return Some(Action::IsStopped(id)),
        "is sent no more" => return Some(Action::IsSent(id, None)),
        _ => {}
    }
    let (what, text) = text.split_once(": ")?;
    let text = text.to_owned();
    match what {
        "ends" => Some(Action::Ends(id, text)),
        "gives" => Some(Action::Gives(id, text)),
        "is sent" => Some(Action::IsSent(id, Some(text))),
        _ => None,
    }
}

type Entries = Vec<(String, String)>;

/// What stands before `, metadata key: value`, and the entry.
fn with_metadata(text: &str) -> Option<(&str, Entries)> {
    let Some((before, entry)) = text.split_once(", metadata ") else { return Some((text, Vec::new())) };
    let (key, value) = entry.split_once(": ")?;
    Some((before, vec![(key.to_owned(), value.to_owned())]))
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once(' ')?;
    let number = number.parse().ok()?;
    match unit {
        "s" => Some(Duration::from_secs(number)),
        "ms" => Some(Duration::from_millis(number)),
        _ => None,
    }
}
