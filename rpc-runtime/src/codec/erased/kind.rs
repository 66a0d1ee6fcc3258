//! Which answers a type has use for, by what it asked. Of a visitor's 26 functions only these are compiled: most of
//! the others are serde's defaults, whose error is given here in their place.

use std::{convert::Infallible, fmt, mem};

use serde::de::{Expected, Visitor};

use super::{
    deserializer::{Access, Choice, Erased},
    token::Token,
};
use crate::codec::DecodeError;

/// A kind of hint.
pub(super) trait Kind {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError>;
}

/// Scalars, texts, bytes and whatever comes: there are few such types in a program.
pub(super) struct Any;

impl Kind for Any {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError> {
        match token {
            Token::Bool(value) => visitor.visit_bool(value),
            Token::I8(value) => visitor.visit_i8(value),
            Token::I16(value) => visitor.visit_i16(value),
            Token::I32(value) => visitor.visit_i32(value),
            Token::I64(value) => visitor.visit_i64(value),
            Token::I128(value) => visitor.visit_i128(value),
            Token::U8(value) => visitor.visit_u8(value),
            Token::U16(value) => visitor.visit_u16(value),
            Token::U32(value) => visitor.visit_u32(value),
            Token::U64(value) => visitor.visit_u64(value),
            Token::U128(value) => visitor.visit_u128(value),
            Token::F32(value) => visitor.visit_f32(value),
            Token::F64(value) => visitor.visit_f64(value),
            Token::Char(value) => visitor.visit_char(value),
            Token::Str(text) => visitor.visit_str(text),
            Token::BorrowedStr(text) => visitor.visit_borrowed_str(text),
            Token::String(text) => visitor.visit_string(mem::take(text)),
            Token::Bytes(bytes) => visitor.visit_bytes(bytes),
            Token::BorrowedBytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::ByteBuf(bytes) => visitor.visit_byte_buf(mem::take(bytes)),
            Token::None => visitor.visit_none(),
            Token::Some(input) => visitor.visit_some(Erased(input)),
            Token::Unit => visitor.visit_unit(),
            Token::Newtype(input) => visitor.visit_newtype_struct(Erased(input)),
            Token::Seq(parts) => visitor.visit_seq(Access(parts)),
            Token::Map(parts) => visitor.visit_map(Access(parts)),
            Token::Enum(variants) => visitor.visit_enum(Choice(variants)),
        }
    }
}

/// Names of fields and variants: texts, bytes and numbers.
pub(super) struct Name;

impl Kind for Name {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError> {
        match token.widened() {
            Token::Str(text) => visitor.visit_str(text),
            Token::BorrowedStr(text) => visitor.visit_borrowed_str(text),
            Token::Bytes(bytes) => visitor.visit_bytes(bytes),
            Token::BorrowedBytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::U64(value) => visitor.visit_u64(value),
            Token::I64(value) => visitor.visit_i64(value),
            other => Err(unlike(other, &visitor)),
        }
    }
}

/// Structs, tuples, sequences and maps; the empty ones may be nothing.
pub(super) struct Parts;

impl Kind for Parts {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError> {
        match token {
            Token::Seq(parts) => visitor.visit_seq(Access(parts)),
            Token::Map(parts) => visitor.visit_map(Access(parts)),
            Token::Unit => visitor.visit_unit(),
            other => Err(unlike(other, &visitor)),
        }
    }
}

/// What may be missing.
pub(super) struct Optional;

impl Kind for Optional {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError> {
        match token {
            Token::None => visitor.visit_none(),
            Token::Some(input) => visitor.visit_some(Erased(input)),
            Token::Unit => visitor.visit_unit(),
            other => Err(unlike(other, &visitor)),
        }
    }
}

/// A struct around one value: as such, or as what has parts.
pub(super) struct Newtype;

impl Kind for Newtype {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError> {
        match token {
            Token::Newtype(input) => visitor.visit_newtype_struct(Erased(input)),
            Token::Seq(parts) => visitor.visit_seq(Access(parts)),
            Token::Map(parts) => visitor.visit_map(Access(parts)),
            other => Err(unlike(other, &visitor)),
        }
    }
}

/// Enums.
pub(super) struct Enum;

impl Kind for Enum {
    fn visit<'de, V: Visitor<'de>>(visitor: V, token: Token<'_, 'de>) -> Result<V::Value, DecodeError> {
        match token {
            Token::Enum(variants) => visitor.visit_enum(Choice(variants)),
            other => Err(unlike(other, &visitor)),
        }
    }
}

/// What serde says of it.
#[cold]
fn unlike(token: Token<'_, '_>, expected: &dyn Expected) -> DecodeError {
    match Any::visit(Nothing(expected), token) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// A visitor that has use for nothing.
struct Nothing<'a>(&'a dyn Expected);

impl Visitor<'_> for Nothing<'_> {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
