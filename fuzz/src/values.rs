//! Bodies for the codecs: whatever decodes comes back when it is encoded, and what decoding holds is bounded by the
//! bytes that came.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    time::Duration,
};

use rpc_runtime::{
    __private::{decode, encode},
    CodecKind,
    descriptor::ArgumentDescriptor,
    fuzzing,
};
use serde::{Deserialize, Serialize};

use crate::heap;

/// What may be reserved whatever came, in bytes.
const FREE: usize = 64 << 10;
/// How much more than the widest element each byte may cost: one element is what a byte may reserve; a sequence that
/// grows has two buffers at a time, the new one twice the size, and a table has a seventh more.
const GROWTH: usize = 4;

/// A value that holds itself in every way.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Boxed(Box<Tree>),
    Several(Vec<Tree>),
    Named { left: Option<Box<Tree>>, right: BTreeMap<String, Tree> },
    Pair(u8, Box<Tree>),
}

/// Mostly nothing.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sparse {
    #[serde(default)]
    a: Option<u64>,
    b: Option<Option<String>>,
    c: Option<Box<Sparse>>,
    d: Option<[u16; 4]>,
    e: Option<bool>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

/// All simple types there are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Simple {
    small: (u8, i8, u16, i16),
    large: (u32, i32, u64, i64),
    wide: Option<(u128, i128)>,
    real: (Bits32, Bits64),
    text: (char, bool, Unit, ()),
    time: Duration,
}

/// A float is the same when its bits are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Bits64(f64);

impl PartialEq for Bits64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Bits32(f32);

impl PartialEq for Bits32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

/// What may be lent out of the body.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Lent<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    owned: Cow<'a, [u16]>,
    #[serde(borrow)]
    several: Vec<Cow<'a, str>>,
}

/// A node of a `BTreeMap`, which has room for eleven entries and the edges between them.
const fn node<K, V>() -> usize {
    11 * (size_of::<K>() + size_of::<V>()) + 16 * size_of::<usize>()
}

/// The first byte chooses the codec, the second the type, the rest is a body. Beside each type stands the most that one
/// byte of a body makes of it in memory: an element of a sequence, an entry of a table, a node.
pub fn decode_any(input: &[u8]) {
    const TREE: usize = node::<String, Tree>();
    let [codec, of, body @ ..] = input else { return };
    let codecs = CodecKind::available();
    let codec = codecs[usize::from(*codec) % codecs.len()];
    let again = &mut Vec::new();
    match of % 16 {
        0 => comes_back::<Tree>(codec, body, again, TREE),
        1 => comes_back::<Vec<()>>(codec, body, again, 0),
        2 => comes_back::<HashMap<String, u64>>(codec, body, again, size_of::<(String, u64)>() + 1),
        3 => comes_back::<String>(codec, body, again, 1),
        4 => comes_back::<Sparse>(codec, body, again, size_of::<Sparse>()),
        5 => comes_back::<Vec<u8>>(codec, body, again, 1),
        6 => comes_back::<Lent<'_>>(codec, body, again, size_of::<Cow<'_, str>>()),
        7 => comes_back::<Simple>(codec, body, again, 1),
        8 => comes_back::<Vec<Sparse>>(codec, body, again, size_of::<Sparse>()),
        9 => comes_back::<Result<Vec<Option<bool>>, Tree>>(codec, body, again, TREE),
        10 => comes_back::<(u64, Vec<String>, HashMap<u8, Vec<Vec<u32>>>)>(codec, body, again, 4 * size_of::<String>()),
        11 => comes_back::<BTreeMap<i64, (Unit, char)>>(codec, body, again, node::<i64, char>()),
        12 => comes_back::<(Cow<'_, str>, Vec<Bits64>)>(codec, body, again, size_of::<Bits64>()),
        13 => comes_back::<&str>(codec, body, again, 1),
        14 => comes_back::<Vec<HashMap<(), ()>>>(codec, body, again, size_of::<HashMap<(), ()>>() + 16),
        _ => by_name(codec, body),
    }
}

fn comes_back<'b, T>(codec: CodecKind, body: &'b [u8], again: &'b mut Vec<u8>, widest: usize)
where
    T: Serialize + Deserialize<'b> + PartialEq + Debug,
{
    let (decoded, held) = heap::most_of(|| decode::<T>(codec, body));
    let most = FREE + GROWTH * widest * body.len();
    assert!(held <= most, "{codec:?}: {held} bytes are held for a body of {}, {most} at most", body.len());
    let Ok(value) = decoded else { return };
    if let Err(error) = encode(codec, &value, again) {
        panic!("{codec:?}: {value:?} was decoded and can not be encoded: {error}");
    }
    let again: &'b [u8] = again;
    assert_eq!(decode::<T>(codec, again).as_ref(), Ok(&value), "{codec:?}: {again:02x?}");
}

fn by_name(codec: CodecKind, body: &[u8]) {
    const NAMES: [&str; 3] = ["first", "second", "third"];
    let arguments = NAMES.map(|name| ArgumentDescriptor { name, type_name: "u64" });
    let (ordered, held) = heap::most_of(|| fuzzing::in_order(codec, body, &arguments));
    let most = FREE + GROWTH * body.len();
    assert!(held <= most, "{codec:?}: {held} bytes are held for {} bytes of arguments", body.len());
    if let Ok(Some(ordered)) = ordered {
        let read = fuzzing::in_order(codec, &ordered, &arguments);
        assert_eq!(read, Ok(None), "{codec:?}: what is in order is left as it is");
    }
}
