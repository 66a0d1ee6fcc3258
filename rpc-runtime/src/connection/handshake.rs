//! The handshake over a transport, both sides: it reads no byte beyond it, and the caller bounds its time.

use std::{collections::BTreeMap, future::poll_fn, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    Endpoint,
    foreign::{self, TurnedAway},
};
use crate::{
    codec::CodecKind,
    limits::Limits,
    metadata::Metadata,
    status::{Code, Status},
    transport::{Transport, Writer},
    wire::{self, Answer, ForeignProtocol, Grant, Handshake, HandshakeError, Hello, Refusal, Versions, Welcome},
};

/// The versions of the protocol that this side speaks.
const VERSIONS: Versions = Versions { min: 1, max: 1 };
/// After a refusal so much of what the peer had sent is read and thrown away, so that it can read the refusal.
const DISCARD: usize = 64 * 1_024;
const DISCARD_TIME: Duration = Duration::from_secs(1);
/// The same for a peer of another protocol, whose first request may have a body.
const DISCARD_FOREIGN: usize = 1_024 * 1_024;

/// What both sides agreed on.
#[derive(Debug)]
pub(super) struct Agreement {
    pub(super) codec: CodecKind,
    /// What the peer grants.
    pub(super) remote: Grant,
    /// What the peer sent with its Hello.
    pub(super) metadata: Metadata,
}

/// The side that dialled.
pub(super) async fn dial(
    transport: &mut Transport,
    codec: CodecKind,
    limits: &Limits,
    metadata: &Metadata,
) -> Result<Agreement, Status> {
    let hello = Hello {
        versions: VERSIONS,
        codec: codec.name().to_owned(),
        grant: grant(limits),
        features: Vec::new(),
        metadata: metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
    };
    let hello =
        wire::encode_hello(&hello).map_err(|error| Status::of_call(Code::InvalidArgument, error.to_string()))?;
    // A peer that refuses may have closed already; its refusal can be read all the same.
    let written = transport.writer.send_all(&hello).await;
    let mut input = Vec::new();
    let read = read(transport, &mut input, wire::parse_answer);
    let answer = match &written {
        Ok(()) => read.await,
        // But not for long: what went wrong here must not be told as a peer that is slow.
        Err(_) => timeout(DISCARD_TIME, read).await.unwrap_or_else(|late| Err(Failure::Io(late.into()))),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Failure::Io(error)) => return Err(unavailable("the handshake failed", written.err().unwrap_or(error))),
        Err(Failure::Handshake(error)) => {
            let text = match foreign::protocol_of(&error) {
                Some(protocol) => {
                    foreign::read_line(transport, protocol, &mut input).await;
                    foreign::told(&error, protocol, &input)
                }
                None => error.to_string(),
            };
            return Err(Status::of_call(Code::Unavailable, text));
        }
    };
    match answer {
        Answer::Refusal(refusal) => Err(refused(&refusal)),
        Answer::Welcome(welcome) if welcome.codec != codec.name() || welcome.version != 1 => {
            let text = format!(
                "the peer welcomes with version {} and the codec {:?}; asked for were version 1 and {:?}",
                welcome.version,
                welcome.codec,
                codec.name()
            );
            Err(Status::of_call(Code::Internal, text))
        }
        Answer::Welcome(welcome) => Ok(Agreement { codec, remote: usable(welcome.grant), metadata: Metadata::new() }),
    }
}

/// The side that accepted. A refusal, or what a foreign peer can show, has been sent when this fails.
pub(super) async fn accept(transport: &mut Transport, endpoint: &Endpoint) -> Result<Agreement, TurnedAway> {
    let codecs = &endpoint.codecs;
    let mut input = Vec::new();
    let hello = match read(transport, &mut input, wire::parse_hello).await {
        Ok(hello) => hello,
        Err(Failure::Io(error)) => {
            // A checker of health that only looks whether somebody accepts.
            let foreign = input.is_empty().then_some(ForeignProtocol::Nothing);
            return Err(TurnedAway { status: unavailable("the handshake failed", error), foreign });
        }
        Err(Failure::Handshake(error)) => return Err(turn_away(transport, codecs, &error, input).await),
    };
    let Versions { min, max } = hello.versions;
    if !(min..=max).contains(&VERSIONS.max) {
        let text = format!("version {} is spoken here, the peer speaks {min} to {max}", VERSIONS.max);
        return Err(refuse_hello(transport, codecs, Code::Unimplemented, text).await);
    }
    let Some(codec) = codecs.iter().copied().find(|codec| codec.name() == hello.codec) else {
        let text = format!("the codec {:?} is not known here", hello.codec);
        return Err(refuse_hello(transport, codecs, Code::Unimplemented, text).await);
    };
    let grant = grant(&endpoint.limits);
    let welcome = Welcome { version: 1, codec: hello.codec, grant, features: Vec::new() };
    let answer = wire::encode_answer(&Answer::Welcome(welcome));
    transport.writer.send_all(&answer).await.map_err(|error| unavailable("the handshake failed", error))?;
    let mut metadata = Metadata::new();
    for (key, value) in hello.metadata {
        metadata.append(key, value);
    }
    Ok(Agreement { codec, remote: usable(hello.grant), metadata })
}

/// [Tells](tell_refusal) the peer why there is no connection, and [leaves it time](discard) to read that.
pub(super) async fn refuse(transport: &mut Transport, codecs: &[CodecKind], code: Code, reason: String) {
    tell_refusal(transport, codecs, code, reason).await;
    discard(transport).await;
}

/// Tells the peer why there is no connection.
pub(super) async fn tell_refusal(transport: &mut Transport, codecs: &[CodecKind], code: Code, reason: String) {
    tell(transport, &wire::encode_answer(&Answer::Refusal(refusal(codecs, code, reason)))).await;
}

/// Leaves a peer that was refused time to read the refusal.
pub(super) async fn discard(transport: &mut Transport) {
    read_on(transport, DISCARD).await;
}

/// Refuses what the peer asks for; gives the same as a status.
async fn refuse_hello(transport: &mut Transport, codecs: &[CodecKind], code: Code, text: String) -> TurnedAway {
    refuse(transport, codecs, code, text.clone()).await;
    Status::of_call(code, text).into()
}

/// Answers what was no Hello, each protocol in its own way.
async fn turn_away(
    transport: &mut Transport,
    codecs: &[CodecKind],
    error: &HandshakeError,
    mut input: Vec<u8>,
) -> TurnedAway {
    let Some(protocol) = foreign::protocol_of(error) else {
        return refuse_hello(transport, codecs, Code::InvalidArgument, error.to_string()).await;
    };
    foreign::read_line(transport, protocol, &mut input).await;
    let reason = "a connection to this port begins with the magic bytes F5 52 50 43 0D 0A 1A 0A and a length";
    let answer = protocol.answer(&input, &refusal(codecs, Code::InvalidArgument, reason.to_owned()));
    if !answer.is_empty() {
        tell(transport, &answer).await;
        read_on(transport, DISCARD_FOREIGN).await;
    }
    let text = foreign::told(error, protocol, &input);
    TurnedAway { status: Status::of_call(Code::InvalidArgument, text), foreign: Some(protocol) }
}

fn refusal(codecs: &[CodecKind], code: Code, reason: String) -> Refusal {
    let codecs = codecs.iter().map(|codec| codec.name().to_owned()).collect();
    Refusal { code, reason, versions: VERSIONS, codecs }
}

/// Writes the last words and ends this direction. A courtesy: whether they arrive is the peer's matter.
async fn tell(transport: &mut Transport, last: &[u8]) {
    let farewell = async {
        transport.writer.send_all(last).await?;
        transport.writer.end().await
    };
    let _ = timeout(DISCARD_TIME, farewell).await;
}

/// Reads on for a while: to close with unread input would destroy the last words on their way.
async fn read_on(transport: &mut Transport, most: usize) {
    let mut rest = (&mut transport.reader).take(most as u64);
    let _ = timeout(DISCARD_TIME, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// What the peer grants, as far as a frame can use it: the length of a header has 16 bits.
fn usable(grant: Grant) -> Grant {
    Grant { max_header: grant.max_header.min(u32::from(u16::MAX)), ..grant }
}

/// What this side lets the other send.
fn grant(limits: &Limits) -> Grant {
    Grant {
        in_flight: limits.in_flight,
        request_window: limits.granted_window(),
        max_message: limits.max_message,
        max_header: limits.max_header,
        streams: limits.streams,
        stream_window: limits.stream_window.start,
    }
}

enum Failure {
    Io(io::Error),
    Handshake(HandshakeError),
}

/// Reads what `parse` asks for and not a byte more, to `input`.
async fn read<T>(
    transport: &mut Transport,
    input: &mut Vec<u8>,
    parse: fn(&[u8]) -> Result<Handshake<T>, HandshakeError>,
) -> Result<T, Failure> {
    loop {
        match parse(input).map_err(Failure::Handshake)? {
            Handshake::Done { value, .. } => return Ok(value),
            Handshake::Incomplete { needed } => {
                let wanted = needed.saturating_sub(input.len()).max(1) as u64;
                let count = (&mut transport.reader).take(wanted).read_buf(input).await.map_err(Failure::Io)?;
                if count == 0 {
                    let text = format!("the peer closed the connection after {} bytes of the handshake", input.len());
                    return Err(Failure::Io(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Status {
    let Versions { min, max } = refusal.versions;
    let codecs = refusal.codecs.join(", ");
    let reason = &refusal.reason;
    let text =
        format!("the peer refused the connection: {reason} (it speaks version {min} to {max}, codecs: {codecs})");
    // It will be logged, and is of the peer's making.
    Status::of_call(refusal.code, text.replace(char::is_control, " "))
}

fn unavailable(what: &str, error: io::Error) -> Status {
    Status::of_call(Code::Unavailable, format!("{what}: {error}")).with_source(error)
}

impl Writer {
    async fn send_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Owned(writer) => {
                writer.write_all(bytes).await?;
                writer.flush().await
            }
            Self::Shared(writer) => {
                while !bytes.is_empty() {
                    poll_fn(|cx| writer.poll_write_ready(cx)).await?;
                    match writer.try_write_vectored(&[io::IoSlice::new(bytes)]) {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(count) => bytes = &bytes[count..],
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Owned(writer) => writer.shutdown().await,
            Self::Shared(writer) => writer.shutdown(),
        }
    }
}
