//! Bytes of the format postcard to values. Strings and bytes are lent out of the body; nothing is reserved here.

use std::{cell::Cell, str};

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::U32Deserializer,
    },
};

use super::{Fault, Source};

/// What is left of the body: read through a shared reference, so that the guard sees it, too.
pub(super) struct Reader<'de> {
    rest: Cell<&'de [u8]>,
}

/// `$name` reads an integer of at most `bits` bits. It need not be as short as possible.
macro_rules! varint {
    ($($name:ident: $type:ty;)*) => {$(
        #[inline]
        fn $name(&self, bits: u32) -> Result<$type, Fault> {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = self.byte()?;
                let low = <$type>::from(byte & 0x7f);
                if shift >= bits || (bits - shift < 7 && low >> (bits - shift) != 0) { return Err(too_large(bits)); }
                value |= low << shift;
                if byte < 0x80 { return Ok(value); }
                shift += 7;
            }
        }
    )*};
}

impl<'de> Reader<'de> {
    pub(super) fn new(body: &'de [u8]) -> Self {
        Self { rest: Cell::new(body) }
    }

    #[inline]
    fn take(&self, count: usize) -> Result<&'de [u8], Fault> {
        let rest = self.rest.get();
        let (front, rest) = rest.split_at_checked(count).ok_or_else(|| too_short(count - rest.len()))?;
        self.rest.set(rest);
        Ok(front)
    }

    #[inline]
    fn array<const N: usize>(&self) -> Result<[u8; N], Fault> {
        let rest = self.rest.get();
        let (front, rest) = rest.split_first_chunk().ok_or_else(|| too_short(N - rest.len()))?;
        self.rest.set(rest);
        Ok(*front)
    }

    #[inline]
    fn byte(&self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    varint! {
        varint: u64;
        long_varint: u128;
    }

    /// The length of a sequence or map, which the guard judges.
    #[inline]
    fn length(&self) -> Result<usize, Fault> {
        usize::try_from(self.varint(64)?).map_err(Fault::custom)
    }

    #[inline]
    fn bytes(&self) -> Result<&'de [u8], Fault> {
        let length = self.varint(64)?;
        let remaining = self.rest.get().len();
        match usize::try_from(length) {
            Ok(length) if length <= remaining => self.take(length),
            _ => Err(too_long(length, remaining)),
        }
    }

    #[inline]
    fn text(&self) -> Result<&'de str, Fault> {
        str::from_utf8(self.bytes()?).map_err(not_text)
    }

    fn character(&self) -> Result<char, Fault> {
        let text = self.text()?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(Fault::custom(format_args!("{} bytes are not one character", text.len()))),
        }
    }

    #[inline]
    fn flag(&self) -> Result<bool, Fault> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(not_a_flag(other)),
        }
    }
}

impl<'de> Source<'de> for Reader<'de> {
    const ANNOUNCES: bool = true;
    const TRACKED: bool = true;

    #[inline]
    fn remaining(&self) -> usize {
        self.rest.get().len()
    }
}

macro_rules! read {
    ($($method:ident($($argument:ident: $type:ty),*) $reader:ident $visitor:ident $read:expr;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* $visitor: V) -> Result<V::Value, Fault> {
            let $reader = self;
            $read
        }
    )*};
}

impl<'de> Deserializer<'de> for &Reader<'de> {
    type Error = Fault;

    read! {
        deserialize_bool() reader visitor visitor.visit_bool(reader.flag()?);
        deserialize_i8() reader visitor visitor.visit_i8(reader.byte()? as i8);
        deserialize_i16() reader visitor visitor.visit_i16(signed(reader.varint(16)?) as i16);
        deserialize_i32() reader visitor visitor.visit_i32(signed(reader.varint(32)?) as i32);
        deserialize_i64() reader visitor visitor.visit_i64(signed(reader.varint(64)?));
        deserialize_i128() reader visitor visitor.visit_i128(long_signed(reader.long_varint(128)?));
        deserialize_u8() reader visitor visitor.visit_u8(reader.byte()?);
        deserialize_u16() reader visitor visitor.visit_u16(reader.varint(16)? as u16);
        deserialize_u32() reader visitor visitor.visit_u32(reader.varint(32)? as u32);
        deserialize_u64() reader visitor visitor.visit_u64(reader.varint(64)?);
        deserialize_u128() reader visitor visitor.visit_u128(reader.long_varint(128)?);
        deserialize_f32() reader visitor visitor.visit_f32(f32::from_le_bytes(reader.array()?));
        deserialize_f64() reader visitor visitor.visit_f64(f64::from_le_bytes(reader.array()?));
        deserialize_char() reader visitor visitor.visit_char(reader.character()?);
        deserialize_str() reader visitor visitor.visit_borrowed_str(reader.text()?);
        deserialize_string() reader visitor visitor.visit_borrowed_str(reader.text()?);
        deserialize_bytes() reader visitor visitor.visit_borrowed_bytes(reader.bytes()?);
        deserialize_byte_buf() reader visitor visitor.visit_borrowed_bytes(reader.bytes()?);
        deserialize_option() reader visitor
            if reader.flag()? { visitor.visit_some(reader) } else { visitor.visit_none() };
        deserialize_unit() _reader visitor visitor.visit_unit();
        deserialize_unit_struct(_name: &'static str) _reader visitor visitor.visit_unit();
        deserialize_newtype_struct(_name: &'static str) reader visitor visitor.visit_newtype_struct(reader);
        deserialize_seq() reader visitor visitor.visit_seq(Items { left: reader.length()?, reader });
        deserialize_map() reader visitor visitor.visit_map(Items { left: reader.length()?, reader });
        deserialize_tuple(length: usize) reader visitor visitor.visit_seq(Items { left: length, reader });
        deserialize_tuple_struct(_name: &'static str, length: usize) reader visitor
            visitor.visit_seq(Items { left: length, reader });
        deserialize_struct(_name: &'static str, fields: &'static [&'static str]) reader visitor
            visitor.visit_seq(Items { left: fields.len(), reader });
        deserialize_enum(_name: &'static str, _variants: &'static [&'static str]) reader visitor
            visitor.visit_enum(reader);
        deserialize_any() _reader _visitor Err(Fault::NotDescribed);
        deserialize_identifier() _reader _visitor Err(Fault::NotDescribed);
        deserialize_ignored_any() _reader _visitor Err(Fault::NotDescribed);
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Elements, fields or entries.
struct Items<'a, 'de> {
    reader: &'a Reader<'de>,
    left: usize,
}

impl<'de> Items<'_, 'de> {
    #[inline]
    fn next<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                seed.deserialize(self.reader).map(Some)
            }
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.next(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        seed.deserialize(self.reader)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &Reader<'de> {
    type Error = Fault;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let index: U32Deserializer<Fault> = (self.varint(32)? as u32).into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for &Reader<'de> {
    type Error = Fault;

    #[inline]
    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault>
    where
        V: Visitor<'de>,
    {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

/// Undoes the zigzag that puts small negative numbers beside small positive ones.
#[inline]
fn signed(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn long_signed(value: u128) -> i128 {
    (value >> 1) as i128 ^ -((value & 1) as i128)
}

#[cold]
fn too_short(missing: usize) -> Fault {
    Fault::custom(format_args!("the body ends where at least {missing} more bytes are expected"))
}

#[cold]
fn too_large(bits: u32) -> Fault {
    Fault::custom(format_args!("an integer has more than {bits} bits"))
}

#[cold]
fn too_long(announced: u64, remaining: usize) -> Fault {
    Fault::custom(format_args!("a string or byte sequence of {announced} bytes is announced where {remaining} remain"))
}

#[cold]
fn not_text(error: str::Utf8Error) -> Fault {
    Fault::custom(format_args!("a string is not utf-8: {error}"))
}

#[cold]
fn not_a_flag(byte: u8) -> Fault {
    Fault::custom(format_args!("the byte {byte} is neither 0 nor 1"))
}
