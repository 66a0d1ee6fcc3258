//! What passes between types and codecs of one's own arrives as it was: what types ask, what they are answered, what
//! they write, and what goes wrong. serde's own way from one to the other says what is right.

use std::{collections::BTreeMap, ffi::CString, fmt, marker::PhantomData, net::IpAddr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor,
        value::{self, Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
    ser::Impossible,
};

use super::Kind;
use crate::codec::erased::{self, Await, Reader, Seed};

/// Reads a value as it is read for a codec of one's own.
fn read<'de, T: Deserialize<'de>>(deserializer: impl Deserializer<'de>) -> Result<T, String> {
    let mut value = Await::new(PhantomData);
    value.feed(&mut Reader::new(deserializer)).map_err(|error| error.to_string())?;
    Ok(value.get().unwrap())
}

/// A deserializer that says what it was asked for, and a serializer that says what it was given.
struct Says;

macro_rules! says_hints {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* _: V) -> Result<V::Value, Error> {
            Err(Error::custom(format_args!("{} {:?}", stringify!($method), ($($argument,)*))))
        }
    )*};
}

impl<'de> Deserializer<'de> for Says {
    type Error = Error;

    says_hints! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(length: usize) deserialize_tuple_struct(name: &'static str, length: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }
}

macro_rules! says_items {
    ($($method:ident($($argument:ident: $type:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $($argument: $type,)*) -> Result<$ok, Error> {
            Err(Error::custom(format_args!("{} {:?}", stringify!($method), ($($argument,)*))))
        }
    )*};
}

type Never = Impossible<(), Error>;

impl Serializer for Says {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    says_items! {
        serialize_bool(value: bool) -> (); serialize_char(value: char) -> ();
        serialize_i8(value: i8) -> (); serialize_i16(value: i16) -> (); serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> (); serialize_i128(value: i128) -> ();
        serialize_u8(value: u8) -> (); serialize_u16(value: u16) -> (); serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> (); serialize_u128(value: u128) -> ();
        serialize_f32(value: f32) -> (); serialize_f64(value: f64) -> ();
        serialize_str(value: &str) -> (); serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> (); serialize_unit() -> (); serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_seq(length: Option<usize>) -> Never; serialize_tuple(length: usize) -> Never;
        serialize_tuple_struct(name: &'static str, length: usize) -> Never;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> Never;
        serialize_map(length: Option<usize>) -> Never;
        serialize_struct(name: &'static str, length: usize) -> Never;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> Never;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        Err(Error::custom(format_args!("some {}", value.serialize(Says).unwrap_err())))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        Err(Error::custom(format_args!("newtype {name} {}", value.serialize(Says).unwrap_err())))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        Err(Error::custom(format_args!("newtype {name} {index} {variant} {}", value.serialize(Says).unwrap_err())))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        Err(Error::custom(format_args!("display {value}")))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u16);
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, char);
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    id: u8,
    name: String,
}
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

fn asks<T: DeserializeOwned>() {
    let Err(direct) = T::deserialize(Says) else { panic!("it says nothing") };
    assert_eq!(read::<T>(Says).err(), Some(direct.to_string()));
}

#[test]
fn a_codec_is_asked_what_the_type_asks() {
    let Err(direct) = Plain::deserialize(Says) else { panic!("it says nothing") };
    assert_eq!(direct.to_string(), "deserialize_struct (\"Plain\", [\"id\", \"name\"])");
    asks::<(bool,)>();
    asks::<bool>();
    asks::<char>();
    asks::<f32>();
    asks::<f64>();
    asks::<String>();
    asks::<CString>();
    asks::<()>();
    asks::<i8>();
    asks::<i16>();
    asks::<i32>();
    asks::<i64>();
    asks::<i128>();
    asks::<u8>();
    asks::<u16>();
    asks::<u32>();
    asks::<u64>();
    asks::<u128>();
    asks::<Option<u8>>();
    asks::<Unit>();
    asks::<Newtype>();
    asks::<Vec<u8>>();
    asks::<[u8; 3]>();
    asks::<Pair>();
    asks::<BTreeMap<u8, u8>>();
    asks::<Plain>();
    asks::<Kind>();
    asks::<serde_json::Value>();
    asks::<IgnoredAny>();
    asks::<Identifier>();
    for text in [read::<&str>(Says).unwrap_err(), read::<&[u8]>(Says).unwrap_err()] {
        assert!(text == "deserialize_str ()" || text == "deserialize_bytes ()", "{text}");
    }
}

#[test]
fn a_codec_is_given_what_the_type_gives() {
    fn gives<T: Serialize>(value: T) {
        assert_eq!(
            erased::write(&&value, Says).unwrap_err().to_string(),
            value.serialize(Says).unwrap_err().to_string()
        );
    }
    gives(true);
    gives('é');
    gives(1.5_f32);
    gives(2.5_f64);
    gives("text");
    gives(());
    gives(Unit);
    gives(None::<u8>);
    gives(-1_i8);
    gives(-2_i16);
    gives(-3_i32);
    gives(-4_i64);
    gives(i128::MIN);
    gives(1_u8);
    gives(2_u16);
    gives(3_u32);
    gives(4_u64);
    gives(u128::MAX);
    gives(Some(Some(7_u8)));
    gives(Newtype(8));
    gives(vec![1]);
    gives((1, 2));
    gives(Pair(1, 'x'));
    gives(BTreeMap::from([(1, 2)]));
    gives(Plain { id: 1, name: String::new() });
    gives(crate::codec::Bulk(&b"bytes"[..]));
    gives(Kind::Unit);
    gives(Kind::Newtype(Box::new(Kind::Unit)));
    gives(Kind::Tuple(1, 2));
    gives(Kind::Struct { x: 1, y: None });
    gives(IpAddr::from([127, 0, 0, 1]));
    gives(format_args!("{}", 1));
    gives(Wide { rest: BTreeMap::new() });
}

/// What a visitor was given.
#[derive(Debug, PartialEq)]
struct Seen(String);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sees)
    }
}

/// The same of what names are read with.
#[derive(Debug)]
struct Identifier;

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(Sees).map(|_| Self)
    }
}

struct Sees;

macro_rules! sees {
    ($($method:ident($($value:ident: $type:ty)?))*) => {$(
        fn $method<E: serde::de::Error>(self, $($value: $type)?) -> Result<Seen, E> {
            Ok(Seen(format!("{} {:?}", stringify!($method), ($($value)?))))
        }
    )*};
}

impl<'de> Visitor<'de> for Sees {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    sees! {
        visit_bool(value: bool) visit_i8(value: i8) visit_i16(value: i16) visit_i32(value: i32) visit_i64(value: i64)
        visit_i128(value: i128) visit_u8(value: u8) visit_u16(value: u16) visit_u32(value: u32) visit_u64(value: u64)
        visit_u128(value: u128) visit_f32(value: f32) visit_f64(value: f64) visit_char(value: char)
        visit_str(value: &str) visit_borrowed_str(value: &'de str) visit_string(value: String)
        visit_bytes(value: &[u8]) visit_borrowed_bytes(value: &'de [u8]) visit_byte_buf(value: Vec<u8>)
        visit_none() visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        Ok(Seen(format!("some {:?}", Seen::deserialize(deserializer)?)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        Ok(Seen(format!("newtype {:?}", Seen::deserialize(deserializer)?)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Seen, A::Error> {
        let mut seen = vec![format!("{:?}", access.size_hint())];
        while let Some(element) = access.next_element::<Seen>()? {
            seen.push(format!("{element:?} {:?}", access.size_hint()));
        }
        Ok(Seen(format!("seq {seen:?}")))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<Seen, A::Error> {
        let mut seen = vec![format!("{:?}", access.size_hint())];
        while let Some(key) = access.next_key::<Seen>()? {
            seen.push(format!("{key:?} {:?} {:?}", access.next_value::<Seen>()?, access.size_hint()));
        }
        Ok(Seen(format!("map {seen:?}")))
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, access: A) -> Result<Seen, A::Error> {
        let (variant, content) = access.variant::<Seen>()?;
        serde::de::VariantAccess::unit_variant(content)?;
        Ok(Seen(format!("enum {variant:?}")))
    }
}

/// A deserializer that answers every question in the same way.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Str,
    String,
    ByteBuf,
    None,
    Some,
    Newtype,
    Enum,
    /// A sequence whose length is not known.
    Endless,
    Map,
}

impl<'de> Deserializer<'de> for Answer {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Str => visitor.visit_str("text"),
            Self::String => visitor.visit_string("owned".into()),
            Self::ByteBuf => visitor.visit_byte_buf(b"owned".to_vec()),
            Self::None => visitor.visit_none(),
            Self::Some => visitor.visit_some(Self::Str),
            Self::Newtype => visitor.visit_newtype_struct(Self::Str),
            Self::Enum => visitor.visit_enum(value::StrDeserializer::new("Unit")),
            Self::Endless => visitor.visit_seq(SeqDeserializer::new([1_u8, 2].into_iter().filter(|_| true))),
            Self::Map => visitor.visit_map(MapDeserializer::new([(true, 'a'), (false, 'b')].into_iter())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

const ANSWERS: [Answer; 9] = [
    Answer::Str,
    Answer::String,
    Answer::ByteBuf,
    Answer::None,
    Answer::Some,
    Answer::Newtype,
    Answer::Enum,
    Answer::Endless,
    Answer::Map,
];

/// What has to hold of every answer, whatever its type.
trait Check {
    fn check(deserializer: impl Deserializer<'static, Error = Error> + Clone);

    fn all() {
        Self::check(value::BoolDeserializer::new(true));
        Self::check(value::I8Deserializer::new(-1));
        Self::check(value::I16Deserializer::new(-2));
        Self::check(value::I32Deserializer::new(-3));
        Self::check(value::I64Deserializer::new(-4));
        Self::check(value::U8Deserializer::new(1));
        Self::check(value::U16Deserializer::new(2));
        Self::check(value::U32Deserializer::new(3));
        Self::check(value::U64Deserializer::new(4));
        Self::check(value::I128Deserializer::new(i128::MIN));
        Self::check(value::U128Deserializer::new(u128::MAX));
        Self::check(value::F32Deserializer::new(1.5));
        Self::check(value::F64Deserializer::new(2.5));
        Self::check(value::CharDeserializer::new('é'));
        Self::check(value::UnitDeserializer::new());
        Self::check(value::BorrowedStrDeserializer::new("lent"));
        Self::check(value::BytesDeserializer::new(b"bytes"));
        Self::check(value::BorrowedBytesDeserializer::new(b"lent"));
        ANSWERS.into_iter().for_each(Self::check);
    }
}

fn answers_alike<'de, T: Deserialize<'de> + PartialEq + fmt::Debug>(
    deserializer: impl Deserializer<'de, Error = Error> + Clone,
) {
    let direct = T::deserialize(deserializer.clone()).map_err(|error| error.to_string());
    assert_eq!(read::<T>(deserializer), direct);
}

#[test]
fn a_type_that_takes_anything_is_given_what_the_codec_gives() {
    struct Anything;
    impl Check for Anything {
        fn check(deserializer: impl Deserializer<'static, Error = Error> + Clone) {
            answers_alike::<Seen>(deserializer);
        }
    }
    Anything::all();
    assert_eq!(read::<Seen>(Answer::Some).unwrap().0, "some Seen(\"visit_str \\\"text\\\"\")");
}

/// What is not the type's is refused in the words that serde has for it.
#[test]
fn a_type_refuses_what_it_has_no_use_for_as_it_does_elsewhere() {
    struct Refused;
    impl Check for Refused {
        fn check(deserializer: impl Deserializer<'static, Error = Error> + Clone) {
            answers_alike::<Plain>(deserializer.clone());
            answers_alike::<Pair>(deserializer.clone());
            answers_alike::<Unit>(deserializer.clone());
            answers_alike::<Newtype>(deserializer.clone());
            answers_alike::<Option<u8>>(deserializer.clone());
            answers_alike::<Vec<u8>>(deserializer.clone());
            answers_alike::<BTreeMap<bool, char>>(deserializer.clone());
            answers_alike::<Kind>(deserializer.clone());
            answers_alike::<(u8, u8)>(deserializer.clone());
            answers_alike::<(u8,)>(deserializer.clone());
            answers_alike::<u8>(deserializer.clone());
            answers_alike::<String>(deserializer.clone());
            answers_alike::<char>(deserializer.clone());
            answers_alike::<f32>(deserializer.clone());
            answers_alike::<()>(deserializer);
        }
    }
    Refused::all();
    let text = read::<Plain>(Answer::Str).unwrap_err();
    assert_eq!(text, "invalid type: string \"text\", expected struct Plain");
}
