//! Peers that speak another protocol: recognised by their first bytes, and answered in bytes that their own client can
//! show to a person. The answers are fixed texts: nothing of the peer goes into them.

use std::fmt;

use super::handshake::Refusal;

/// Another protocol, recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ForeignProtocol {
    /// A request of HTTP/1.
    Http,
    /// The first bytes of an HTTP/2 client that did not ask before.
    Http2,
    HttpAnswer,
    Tls,
    TlsAlert,
    Ssh,
    Json,
    /// None of these.
    Unknown,
    /// The peer went without a byte.
    Nothing,
}

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recognised {
    Yes(ForeignProtocol),
    /// Further bytes decide. There are fewer than [`DECIDED`] now.
    Maybe,
    No,
}

/// So many bytes decide which protocol it is.
pub(super) const DECIDED: usize = 32;
/// The longest registered method of HTTP has 17 letters.
const LONGEST_METHOD: usize = 20;

const STARTS: [(&[u8], ForeignProtocol); 6] = [
    (b"PRI * HTTP/2.0", ForeignProtocol::Http2),
    (b"HTTP/", ForeignProtocol::HttpAnswer),
    (b"\x16\x03", ForeignProtocol::Tls),
    (b"\x15\x03", ForeignProtocol::TlsAlert),
    (b"SSH-", ForeignProtocol::Ssh),
    (b"{", ForeignProtocol::Json),
];

impl ForeignProtocol {
    pub(super) fn recognise(input: &[u8]) -> Recognised {
        let mut maybe = false;
        for (start, protocol) in STARTS {
            if input.starts_with(start) {
                return Recognised::Yes(protocol);
            }
            maybe |= start.starts_with(input);
        }
        match recognise_request(input) {
            Recognised::No if maybe => Recognised::Maybe,
            // The preface of HTTP/2 looks like a request.
            Recognised::Yes(_) if maybe => Recognised::Maybe,
            recognised => recognised,
        }
    }

    /// Whether it begins with a line of text, which is worth a place in a log.
    pub(crate) fn has_line(self) -> bool {
        matches!(self, Self::Http | Self::HttpAnswer | Self::Ssh | Self::Json)
    }

    /// What its client is told, nothing when that would help nobody. `line` is the first that it sent; `refusal` is
    /// for those who can read JSON.
    pub(crate) fn answer(self, line: &[u8], refusal: &Refusal) -> Vec<u8> {
        match self {
            Self::Http => http_answer(line.starts_with(b"HEAD ")),
            Self::Http2 => http2_answer(),
            Self::Tls => TLS_ALERT.to_vec(),
            Self::Ssh => ssh_answer(),
            Self::Json => json_answer(refusal),
            Self::HttpAnswer | Self::TlsAlert | Self::Unknown | Self::Nothing => Vec::new(),
        }
    }
}

impl fmt::Display for ForeignProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "an http request",
            Self::Http2 => "the preface of an http/2 client",
            Self::HttpAnswer => "an http answer",
            Self::Tls => "a tls client hello",
            Self::TlsAlert => "a tls alert",
            Self::Ssh => "an ssh banner",
            Self::Json => "json without the magic bytes",
            Self::Unknown => "bytes of an unknown protocol",
            Self::Nothing => "nothing",
        })
    }
}

/// A method in capital letters, a space, and what a target begins with (RFC 9112, 3).
fn recognise_request(input: &[u8]) -> Recognised {
    let letters = input.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-').count();
    let (method, rest) = input.split_at(letters);
    match rest {
        _ if letters > LONGEST_METHOD => Recognised::No,
        [] => Recognised::Maybe,
        [b' '] if letters > 0 => Recognised::Maybe,
        [b' ', target @ ..] if letters > 0 => {
            let scheme = b"http";
            let absolute = target.iter().zip(scheme).all(|(found, expected)| found.eq_ignore_ascii_case(expected));
            if matches!(target[0], b'/' | b'*') || method == b"CONNECT" || (absolute && target.len() >= scheme.len()) {
                Recognised::Yes(ForeignProtocol::Http)
            } else if absolute {
                Recognised::Maybe
            } else {
                Recognised::No
            }
        }
        _ => Recognised::No,
    }
}

/// What a person reads.
fn sentence(protocol: &str) -> String {
    format!(
        "This port speaks the rpc protocol, version 1, and not {protocol}. \
         Call it with a client that is made with rpc-runtime, or that follows its PROTOCOL.md."
    )
}

fn http_answer(of_head: bool) -> Vec<u8> {
    let text = sentence("HTTP") + "\n";
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        text.len()
    );
    (if of_head { head } else { head + &text }).into_bytes()
}

/// An HTTP/2 client opens stream 1 behind its preface: it gets a response there, and the same text with the GoAway
/// for those that wait for our settings first (RFC 9113, 4.1, 6.5, 6.8; the status is entry 12 of RFC 7541, A).
fn http2_answer() -> Vec<u8> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const GO_AWAY: u8 = 7;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    /// `HTTP_1_1_REQUIRED`: the nearest to *not HTTP/2*.
    const ERROR: u32 = 13;
    let text = sentence("HTTP") + "\n";
    let frame = |kind: u8, flags: u8, stream: u32, body: &[u8]| {
        let length = u32::try_from(body.len()).expect("a fixed text is short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
    };
    let go_away = [&1_u32.to_be_bytes()[..], &ERROR.to_be_bytes(), text.as_bytes()].concat();
    [
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &[0x8C]),
        frame(DATA, END_STREAM, 1, text.as_bytes()),
        frame(GO_AWAY, 0, 0, &go_away),
    ]
    .concat()
}

/// A record with the fatal alert `no_application_protocol` (RFC 8446, 6; RFC 7301, 3.2): clients print its name.
const TLS_ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

/// A line before the version, the version, and a disconnect message, whose text OpenSSH shows (RFC 4253, 4.2, 6, 11.1).
fn ssh_answer() -> Vec<u8> {
    const DISCONNECT: u8 = 1;
    const SERVICE_NOT_AVAILABLE: u32 = 7;
    /// Of the packet's length, its padding's length and both together with the rest.
    const BLOCK: usize = 8;
    const LEAST_PADDING: usize = 4;
    let text = sentence("SSH");
    let length_of = |length: usize| u32::try_from(length).expect("a fixed text is short").to_be_bytes();
    let language = [0; 4];
    let message =
        [&[DISCONNECT][..], &SERVICE_NOT_AVAILABLE.to_be_bytes(), &length_of(text.len()), text.as_bytes(), &language]
            .concat();
    let unpadded = 5 + message.len() + LEAST_PADDING;
    let padding = LEAST_PADDING + unpadded.next_multiple_of(BLOCK) - unpadded;
    [
        text.as_bytes(),
        b"\r\nSSH-2.0-rpc\r\n",
        &length_of(1 + message.len() + padding),
        &[padding as u8],
        &message,
        &vec![0; padding],
    ]
    .concat()
}

/// The text of a Refusal as a line, without magic and length.
fn json_answer(refusal: &Refusal) -> Vec<u8> {
    let text = serde_json::to_string(&serde_json::json!({ "refusal": refusal }));
    (text.expect("a refusal has only text keys") + "\n").into_bytes()
}
