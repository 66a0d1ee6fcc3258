//! The serializer that types see, and a value as a codec sees it. What is generic here is compiled for each type.

use std::fmt::Display;

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant,
    },
};

use crate::codec::EncodeError;

/// A value of whatever type.
pub(in crate::codec) trait Value {
    fn put(&self, output: &mut dyn Output) -> Result<(), EncodeError>;
}

impl<T: Serialize + ?Sized> Value for &T {
    fn put(&self, output: &mut dyn Output) -> Result<(), EncodeError> {
        self.serialize(Into(output))
    }
}

/// What a type gives its serializer.
#[derive(Clone, Copy)]
pub(in crate::codec) enum Item<'a> {
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
    Str(&'a str),
    Display(&'a dyn Display),
    Bytes(&'a [u8]),
    None,
    Some(&'a dyn Value),
    Unit,
    UnitStruct(&'static str),
    UnitVariant(Variant),
    Newtype(&'static str, &'a dyn Value),
    NewtypeVariant(Variant, &'a dyn Value),
    Seq(Option<usize>),
    Tuple(usize),
    TupleStruct(&'static str, usize),
    TupleVariant(Variant, usize),
    Map(Option<usize>),
    Struct(&'static str, usize),
    StructVariant(Variant, usize),
}

/// A variant of an enum.
#[derive(Clone, Copy)]
pub(in crate::codec) struct Variant {
    pub(in crate::codec) of: &'static str,
    pub(in crate::codec) index: u32,
    pub(in crate::codec) name: &'static str,
}

/// What belongs to an item that was begun.
pub(in crate::codec) enum Part<'a> {
    Element(&'a dyn Value),
    Key(&'a dyn Value),
    MapValue(&'a dyn Value),
    Field(&'static str, &'a dyn Value),
    Skipped(&'static str),
    End,
}

/// A serializer: it is given one item, and then its parts.
pub(in crate::codec) trait Output {
    fn item(&mut self, item: Item<'_>) -> Result<(), EncodeError>;

    fn part(&mut self, part: Part<'_>) -> Result<(), EncodeError>;

    fn is_human_readable(&self) -> bool;
}

/// A serializer of whatever kind, and what it makes of all that has parts.
struct Into<'a>(&'a mut dyn Output);

macro_rules! scalars {
    ($($method:ident($($argument:ident: $type:ty),*) $item:expr;)*) => {$(
        fn $method(self, $($argument: $type),*) -> Result<(), EncodeError> {
            self.0.item($item)
        }
    )*};
}

macro_rules! compounds {
    ($($method:ident($($argument:ident: $type:ty),*) $item:expr;)*) => {$(
        fn $method(self, $($argument: $type),*) -> Result<Self, EncodeError> {
            self.0.item($item)?;
            Ok(self)
        }
    )*};
}

impl Serializer for Into<'_> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    scalars! {
        serialize_bool(value: bool) Item::Bool(value);
        serialize_i8(value: i8) Item::I8(value);
        serialize_i16(value: i16) Item::I16(value);
        serialize_i32(value: i32) Item::I32(value);
        serialize_i64(value: i64) Item::I64(value);
        serialize_i128(value: i128) Item::I128(value);
        serialize_u8(value: u8) Item::U8(value);
        serialize_u16(value: u16) Item::U16(value);
        serialize_u32(value: u32) Item::U32(value);
        serialize_u64(value: u64) Item::U64(value);
        serialize_u128(value: u128) Item::U128(value);
        serialize_f32(value: f32) Item::F32(value);
        serialize_f64(value: f64) Item::F64(value);
        serialize_char(value: char) Item::Char(value);
        serialize_str(text: &str) Item::Str(text);
        serialize_bytes(bytes: &[u8]) Item::Bytes(bytes);
        serialize_none() Item::None;
        serialize_unit() Item::Unit;
        serialize_unit_struct(name: &'static str) Item::UnitStruct(name);
        serialize_unit_variant(of: &'static str, index: u32, name: &'static str)
            Item::UnitVariant(Variant { of, index, name });
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.0.item(Item::Some(&value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        self.0.item(Item::Newtype(name, &value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.0.item(Item::NewtypeVariant(Variant { of, index, name }, &value))
    }

    compounds! {
        serialize_seq(length: Option<usize>) Item::Seq(length);
        serialize_tuple(length: usize) Item::Tuple(length);
        serialize_tuple_struct(name: &'static str, length: usize) Item::TupleStruct(name, length);
        serialize_tuple_variant(of: &'static str, index: u32, name: &'static str, length: usize)
            Item::TupleVariant(Variant { of, index, name }, length);
        serialize_map(length: Option<usize>) Item::Map(length);
        serialize_struct(name: &'static str, length: usize) Item::Struct(name, length);
        serialize_struct_variant(of: &'static str, index: u32, name: &'static str, length: usize)
            Item::StructVariant(Variant { of, index, name }, length);
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.0.item(Item::Display(&value))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! unnamed {
    ($($compound:ident::$method:ident)*) => {$(
        impl $compound for Into<'_> {
            type Ok = ();
            type Error = EncodeError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.0.part(Part::Element(&value))
            }
            fn end(self) -> Result<(), EncodeError> { self.0.part(Part::End) }
        }
    )*};
}

unnamed! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}

macro_rules! named {
    ($($compound:ident)*) => {$(
        impl $compound for Into<'_> {
            type Ok = ();
            type Error = EncodeError;
            fn serialize_field<T>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError>
            where T: Serialize + ?Sized {
                self.0.part(Part::Field(name, &value))
            }
            fn skip_field(&mut self, name: &'static str) -> Result<(), EncodeError> { self.0.part(Part::Skipped(name)) }
            fn end(self) -> Result<(), EncodeError> { self.0.part(Part::End) }
        }
    )*};
}

named! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Into<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.0.part(Part::Key(&key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.0.part(Part::MapValue(&value))
    }

    fn end(self) -> Result<(), EncodeError> {
        self.0.part(Part::End)
    }
}
