//! A codec's serializer as the types see it. All here is compiled for each codec, not for each type.

use std::mem;

use serde::{
    Serialize, Serializer,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::serializer::{Item, Output, Part, Value};
use crate::codec::EncodeError;

/// Gives the value to the serializer.
pub(in crate::codec) fn write<S: Serializer>(value: &dyn Value, serializer: S) -> Result<S::Ok, S::Error> {
    let mut writer = Writer::Ready(serializer);
    value.put(&mut writer).map_err(S::Error::custom)?;
    match writer {
        Writer::Done(done) => Ok(done),
        _ => Err(S::Error::custom("a value was not written to its end")),
    }
}

/// A part of a value, as the codec sees it.
struct Whole<'a>(&'a dyn Value);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self.0, serializer)
    }
}

/// A serializer, and how far it is.
enum Writer<S: Serializer> {
    Ready(S),
    Seq(S::SerializeSeq),
    Tuple(S::SerializeTuple),
    TupleStruct(S::SerializeTupleStruct),
    TupleVariant(S::SerializeTupleVariant),
    Map(S::SerializeMap),
    Struct(S::SerializeStruct),
    StructVariant(S::SerializeStructVariant),
    Done(S::Ok),
    Failed,
}

impl<S: Serializer> Output for Writer<S> {
    fn item(&mut self, item: Item<'_>) -> Result<(), EncodeError> {
        let Self::Ready(serializer) = mem::replace(self, Self::Failed) else { return Err(out_of_turn()) };
        *self = Self::begin(serializer, item).map_err(EncodeError::new)?;
        Ok(())
    }

    fn part(&mut self, part: Part<'_>) -> Result<(), EncodeError> {
        if let Part::End = part {
            *self = mem::replace(self, Self::Failed).end()?;
            return Ok(());
        }
        let written = match (self, part) {
            (Self::Seq(seq), Part::Element(value)) => seq.serialize_element(&Whole(value)),
            (Self::Tuple(tuple), Part::Element(value)) => tuple.serialize_element(&Whole(value)),
            (Self::TupleStruct(tuple), Part::Element(value)) => tuple.serialize_field(&Whole(value)),
            (Self::TupleVariant(tuple), Part::Element(value)) => tuple.serialize_field(&Whole(value)),
            (Self::Map(map), Part::Key(key)) => map.serialize_key(&Whole(key)),
            (Self::Map(map), Part::MapValue(value)) => map.serialize_value(&Whole(value)),
            (Self::Struct(fields), Part::Field(name, value)) => fields.serialize_field(name, &Whole(value)),
            (Self::Struct(fields), Part::Skipped(name)) => fields.skip_field(name),
            (Self::StructVariant(fields), Part::Field(name, value)) => fields.serialize_field(name, &Whole(value)),
            (Self::StructVariant(fields), Part::Skipped(name)) => fields.skip_field(name),
            _ => return Err(out_of_turn()),
        };
        written.map_err(EncodeError::new)
    }

    fn is_human_readable(&self) -> bool {
        match self {
            Self::Ready(serializer) => serializer.is_human_readable(),
            _ => true,
        }
    }
}

impl<S: Serializer> Writer<S> {
    /// Writes what has no parts, and begins what has.
    fn begin(serializer: S, item: Item<'_>) -> Result<Self, S::Error> {
        let done = match item {
            Item::Bool(value) => serializer.serialize_bool(value),
            Item::I8(value) => serializer.serialize_i8(value),
            Item::I16(value) => serializer.serialize_i16(value),
            Item::I32(value) => serializer.serialize_i32(value),
            Item::I64(value) => serializer.serialize_i64(value),
            Item::I128(value) => serializer.serialize_i128(value),
            Item::U8(value) => serializer.serialize_u8(value),
            Item::U16(value) => serializer.serialize_u16(value),
            Item::U32(value) => serializer.serialize_u32(value),
            Item::U64(value) => serializer.serialize_u64(value),
            Item::U128(value) => serializer.serialize_u128(value),
            Item::F32(value) => serializer.serialize_f32(value),
            Item::F64(value) => serializer.serialize_f64(value),
            Item::Char(value) => serializer.serialize_char(value),
            Item::Str(text) => serializer.serialize_str(text),
            Item::Display(value) => serializer.collect_str(value),
            Item::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Item::None => serializer.serialize_none(),
            Item::Some(value) => serializer.serialize_some(&Whole(value)),
            Item::Unit => serializer.serialize_unit(),
            Item::UnitStruct(name) => serializer.serialize_unit_struct(name),
            Item::UnitVariant(variant) => serializer.serialize_unit_variant(variant.of, variant.index, variant.name),
            Item::Newtype(name, value) => serializer.serialize_newtype_struct(name, &Whole(value)),
            Item::NewtypeVariant(variant, value) => {
                serializer.serialize_newtype_variant(variant.of, variant.index, variant.name, &Whole(value))
            }
            Item::Seq(length) => return serializer.serialize_seq(length).map(Self::Seq),
            Item::Tuple(length) => return serializer.serialize_tuple(length).map(Self::Tuple),
            Item::TupleStruct(name, length) => {
                return serializer.serialize_tuple_struct(name, length).map(Self::TupleStruct);
            }
            Item::TupleVariant(variant, length) => {
                let tuple = serializer.serialize_tuple_variant(variant.of, variant.index, variant.name, length);
                return tuple.map(Self::TupleVariant);
            }
            Item::Map(length) => return serializer.serialize_map(length).map(Self::Map),
            Item::Struct(name, length) => return serializer.serialize_struct(name, length).map(Self::Struct),
            Item::StructVariant(variant, length) => {
                let fields = serializer.serialize_struct_variant(variant.of, variant.index, variant.name, length);
                return fields.map(Self::StructVariant);
            }
        };
        done.map(Self::Done)
    }

    fn end(self) -> Result<Self, EncodeError> {
        let done = match self {
            Self::Seq(seq) => seq.end(),
            Self::Tuple(tuple) => tuple.end(),
            Self::TupleStruct(tuple) => tuple.end(),
            Self::TupleVariant(tuple) => tuple.end(),
            Self::Map(map) => map.end(),
            Self::Struct(fields) => fields.end(),
            Self::StructVariant(fields) => fields.end(),
            _ => return Err(out_of_turn()),
        };
        done.map(Self::Done).map_err(EncodeError::new)
    }
}

/// Types that keep to serde's order never come here.
#[cold]
fn out_of_turn() -> EncodeError {
    EncodeError::new("a part of a value is written where there is no place for it")
}
