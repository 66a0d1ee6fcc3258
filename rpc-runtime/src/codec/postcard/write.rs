//! Values to bytes of the format postcard.

use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant, Serializer,
    },
};

use crate::codec::{EncodeError, undescribed};

/// Appends to what is there.
pub(super) struct Writer<'o>(pub(super) &'o mut Vec<u8>);

impl Writer<'_> {
    /// Seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn long_varint(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    #[inline]
    fn length(&mut self, length: Option<usize>) -> Result<&mut Self, EncodeError> {
        match length {
            Some(length) => self.varint(length as u64),
            None => return Err(undescribed::unknown_length("postcard")),
        }
        Ok(self)
    }
}

macro_rules! written {
    ($($method:ident($value:ident: $type:ty) $writer:ident $write:expr;)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result<(), EncodeError> {
            let $writer = self;
            $write;
            Ok(())
        }
    )*};
}

impl<'a, 'o> Serializer for &'a mut Writer<'o> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    written! {
        serialize_bool(value: bool) writer writer.0.push(u8::from(value));
        serialize_i8(value: i8) writer writer.0.push(value as u8);
        serialize_i16(value: i16) writer writer.varint(u64::from((value << 1 ^ value >> 15) as u16));
        serialize_i32(value: i32) writer writer.varint(u64::from((value << 1 ^ value >> 31) as u32));
        serialize_i64(value: i64) writer writer.varint((value << 1 ^ value >> 63) as u64);
        serialize_i128(value: i128) writer writer.long_varint((value << 1 ^ value >> 127) as u128);
        serialize_u8(value: u8) writer writer.0.push(value);
        serialize_u16(value: u16) writer writer.varint(u64::from(value));
        serialize_u32(value: u32) writer writer.varint(u64::from(value));
        serialize_u64(value: u64) writer writer.varint(value);
        serialize_u128(value: u128) writer writer.long_varint(value);
        serialize_f32(value: f32) writer writer.0.extend_from_slice(&value.to_le_bytes());
        serialize_f64(value: f64) writer writer.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A character is a string.
    #[inline]
    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        self.length(Some(value.len()))?.0.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.0.push(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.0.push(1);
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_u32(index)
    }

    #[inline]
    fn serialize_newtype_struct<T>(self, _: &'static str, value: &T) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.varint(u64::from(index));
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, EncodeError> {
        self.length(length)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, EncodeError> {
        self.varint(u64::from(index));
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, EncodeError> {
        self.length(length)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, EncodeError> {
        self.serialize_tuple_variant(name, index, variant, length)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! one_behind_the_other {
    ($($compound:ident { $($method:ident($($name:ident: $type:ty)?);)+ })*) => {$(
        impl $compound for &mut Writer<'_> {
            type Ok = ();
            type Error = EncodeError;
            $(#[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Result<(), EncodeError> {
                value.serialize(&mut **self)
            })+
            #[inline]
            fn end(self) -> Result<(), EncodeError> { Ok(()) }
        }
    )*};
}

one_behind_the_other! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(_name: &'static str); }
    SerializeStructVariant { serialize_field(_name: &'static str); }
}
