//! What passes between a type's `Deserialize` and a codec's deserializer.

use std::fmt;

use crate::codec::DecodeError;

/// What a type asks its deserializer for.
#[derive(Clone, Copy)]
pub(in crate::codec) enum Hint {
    Any,
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    String,
    Bytes,
    ByteBuf,
    Option,
    Unit,
    UnitStruct(&'static str),
    NewtypeStruct(&'static str),
    Seq,
    Tuple(usize),
    TupleStruct(&'static str, usize),
    Map,
    Struct(&'static str, &'static [&'static str]),
    Enum(&'static str, &'static [&'static str]),
    Identifier,
    IgnoredAny,
}

/// What a deserializer answers. Nothing in it is to be dropped, which would be code for each type.
pub(in crate::codec) enum Token<'t, 'de> {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Str(&'t str),
    BorrowedStr(&'de str),
    String(&'t mut String),
    Bytes(&'t [u8]),
    BorrowedBytes(&'de [u8]),
    ByteBuf(&'t mut Vec<u8>),
    None,
    Some(&'t mut dyn Input<'de>),
    Unit,
    Newtype(&'t mut dyn Input<'de>),
    Seq(&'t mut dyn Parts<'de>),
    Map(&'t mut dyn Parts<'de>),
    Enum(&'t mut dyn Variants<'de>),
}

impl Token<'_, '_> {
    /// What serde's visitors make of it in the end unless they distinguish more.
    pub(in crate::codec) fn widened(self) -> Self {
        match self {
            Self::I8(value) => Self::I64(value.into()),
            Self::I16(value) => Self::I64(value.into()),
            Self::I32(value) => Self::I64(value.into()),
            Self::U8(value) => Self::U64(value.into()),
            Self::U16(value) => Self::U64(value.into()),
            Self::U32(value) => Self::U64(value.into()),
            Self::String(text) => Self::Str(text),
            Self::ByteBuf(bytes) => Self::Bytes(bytes),
            other => other,
        }
    }
}

/// A deserializer: it is read once.
pub(in crate::codec) trait Input<'de> {
    fn read(&mut self, hint: Hint, into: &mut dyn Take<'de>) -> Result<(), DecodeError>;

    fn is_human_readable(&self) -> bool;
}

/// A visitor: it takes one token.
pub(in crate::codec) trait Take<'de> {
    fn take(&mut self, token: Token<'_, 'de>) -> Result<(), DecodeError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// A seed: it is fed once.
pub(in crate::codec) trait Seed<'de> {
    fn feed(&mut self, input: &mut dyn Input<'de>) -> Result<(), DecodeError>;
}

/// What comes next of a sequence or a map.
#[derive(Clone, Copy)]
pub(in crate::codec) enum Part {
    Element,
    Key,
    Value,
}

/// The elements of a sequence, or the keys and values of a map.
pub(in crate::codec) trait Parts<'de> {
    /// Feeds the seed, unless this is the end.
    fn next(&mut self, part: Part, seed: &mut dyn Seed<'de>) -> Result<(), DecodeError>;

    fn size_hint(&self) -> Option<usize>;
}

/// The variant of an enum, and then what is in it.
pub(in crate::codec) trait Variants<'de> {
    fn variant(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), DecodeError>;

    fn content(&mut self, content: Content<'_, 'de>) -> Result<(), DecodeError>;
}

/// What a type expects in a variant.
pub(in crate::codec) enum Content<'t, 'de> {
    Unit,
    Newtype(&'t mut dyn Seed<'de>),
    Tuple(usize, &'t mut dyn Take<'de>),
    Struct(&'static [&'static str], &'t mut dyn Take<'de>),
}
