//! Frames and handshake to bytes and back: no I/O, no clock. PROTOCOL.md is the specification.
//! What a peer sent is never trusted here: every length is checked before it is used.

mod field;
mod foreign;
mod frame;
mod handshake;
mod header;
mod item;
mod varint;

pub(crate) use foreign::ForeignProtocol;
pub(crate) use frame::{
    Frame, Kind, MAX_PART, PREFIX, Parsed, ProtocolError, credit_increment, parse, put_cancel, put_credit, put_go_away,
    put_head, put_ping, put_pong, put_request, put_response,
};
pub(crate) use handshake::{
    Answer, Grant, Handshake, HandshakeError, Hello, Refusal, Versions, Welcome, encode_answer, encode_hello,
    parse_answer, parse_hello,
};
pub(crate) use header::{Ending, GoAwayHeader, HeaderError, RequestHeader, ResponseHeader, decode_total, total_header};
pub(crate) use item::{ITEM_COST, close_item, take_item};

#[cfg(test)]
mod tests;
