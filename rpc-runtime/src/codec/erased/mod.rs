//! Values of any type and codecs of any kind, each compiled without knowledge of the other.
//!
//! Between them is what serde's data model consists of, as a few enums and `dyn` traits. On the side of the types there
//! is little code for each: one function that takes a token, where serde's visitor has 26. On the side of the codecs
//! there is more, but a program has few of them. Errors pass as texts, short ones: a codec may add to them.

mod deserializer;
mod kind;
mod reader;
mod serializer;
mod token;
mod visit;
mod writer;

pub(super) use deserializer::Await;
pub(super) use reader::Reader;
pub(super) use serializer::Value;
pub(super) use token::Seed;
pub(super) use writer::write;
