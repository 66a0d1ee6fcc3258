//! What may stand in a signature: whatever a good Rust programmer would write there, and serde can carry.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    num::NonZeroU8,
    time::Duration,
};

use bytes::Bytes;
use rpc_runtime::rpc_service;

type Pair<T> = (T, T);
type Id = u64;
type Lookup<'a> = Option<&'a str>;

const WIDTH: usize = 3;

macro_rules! list {
    ($element:ty) => { Vec<$element> };
}

#[rpc_service]
trait Values {
    async fn options(&self, outer: Option<Option<String>>, inner: Option<()>) -> Option<Option<String>>;
    async fn nested(&self, outcome: Result<Result<u8, String>, ()>) -> Result<Result<u8, String>, ()>;
    async fn three_deep(&self, depth: u8) -> Result<Result<Result<u8, u16>, u32>, u64>;
    async fn optional_outcome(&self, outcome: Option<Result<u8, String>>) -> Option<Result<u8, String>>;
    async fn outcome_of_an_option(&self, some: bool) -> Result<Option<Vec<u8>>, String>;
    async fn aliases(&self, pair: Pair<Id>, ids: &[Id], pairs: &Pair<String>) -> Pair<Id>;
    async fn tuples(&self, nested: (u8, (String, [u8; 2])), single: (u8,)) -> (u8,);
    async fn units(&self, one: (), two: ()) -> ((), ());
    async fn arrays(&self, bytes: [u8; 4], table: [[u16; 2]; 3], lent: &[String; 2], long: [u8; 32]) -> [u64; 32];
    async fn constants(&self, width: [u8; WIDTH], more: [u16; WIDTH + 1]) -> [u8; WIDTH];
    async fn macros(&self, bytes: list!(u8), names: list!(String)) -> list!(u8);
    async fn collections(&self, set: HashSet<u8>, map: &HashMap<String, Vec<u8>>, queue: VecDeque<u8>) -> BTreeSet<u8>;
    async fn scalars(&self, wide: u128, letter: char, time: Duration, number: NonZeroU8, lent: &Duration) -> i128;
    async fn boxes(&self, text: Box<str>, bytes: Box<[u8]>, one: Box<u8>) -> Box<[u8]>;
    async fn bytes(&self, shared: Bytes, lent: &[u8], list: Vec<u8>, cow: Cow<'_, [u8]>) -> Bytes;
    async fn ranges(&self, range: std::ops::Range<u8>) -> BTreeMap<u8, std::ops::RangeInclusive<u8>>;
    async fn qualified(&self, text: ::std::string::String) -> ::std::result::Result<::core::primitive::u8, String>;
}

struct Here;

impl Values for Here {
    async fn options(&self, outer: Option<Option<String>>, _: Option<()>) -> Option<Option<String>> {
        outer
    }
    async fn nested(&self, outcome: Result<Result<u8, String>, ()>) -> Result<Result<u8, String>, ()> {
        outcome
    }
    async fn three_deep(&self, depth: u8) -> Result<Result<Result<u8, u16>, u32>, u64> {
        match depth {
            0 => Err(0),
            1 => Ok(Err(1)),
            2 => Ok(Ok(Err(2))),
            _ => Ok(Ok(Ok(3))),
        }
    }
    async fn optional_outcome(&self, outcome: Option<Result<u8, String>>) -> Option<Result<u8, String>> {
        outcome
    }
    async fn outcome_of_an_option(&self, some: bool) -> Result<Option<Vec<u8>>, String> {
        Ok(some.then(|| vec![1]))
    }
    async fn aliases(&self, pair: Pair<Id>, ids: &[Id], pairs: &Pair<String>) -> Pair<Id> {
        (pair.1 + ids[0], pair.0 + pairs.0.len() as u64)
    }
    async fn tuples(&self, nested: (u8, (String, [u8; 2])), single: (u8,)) -> (u8,) {
        (nested.0 + nested.1.1[1] + single.0,)
    }
    async fn units(&self, (): (), (): ()) -> ((), ()) {
        ((), ())
    }
    async fn arrays(&self, bytes: [u8; 4], table: [[u16; 2]; 3], lent: &[String; 2], long: [u8; 32]) -> [u64; 32] {
        long.map(|byte| u64::from(byte) + u64::from(bytes[0]) + u64::from(table[2][1]) + lent[1].len() as u64)
    }
    async fn constants(&self, width: [u8; WIDTH], _: [u16; WIDTH + 1]) -> [u8; WIDTH] {
        width
    }
    async fn macros(&self, bytes: Vec<u8>, names: Vec<String>) -> Vec<u8> {
        [bytes, names.concat().into_bytes()].concat()
    }
    async fn collections(&self, set: HashSet<u8>, map: &HashMap<String, Vec<u8>>, queue: VecDeque<u8>) -> BTreeSet<u8> {
        set.into_iter().chain(map.values().flatten().copied()).chain(queue).collect()
    }
    async fn scalars(&self, wide: u128, letter: char, time: Duration, number: NonZeroU8, lent: &Duration) -> i128 {
        assert_eq!((wide, letter, time, number.get()), (u128::MAX, 'ß', Duration::from_nanos(1), 1));
        -i128::try_from(lent.as_nanos()).unwrap_or(0)
    }
    async fn boxes(&self, text: Box<str>, bytes: Box<[u8]>, one: Box<u8>) -> Box<[u8]> {
        [&bytes, text.as_bytes(), &[*one]].concat().into()
    }
    async fn bytes(&self, shared: Bytes, lent: &[u8], list: Vec<u8>, cow: Cow<'_, [u8]>) -> Bytes {
        [&shared[..], lent, &list, &cow].concat().into()
    }
    async fn ranges(&self, range: std::ops::Range<u8>) -> BTreeMap<u8, std::ops::RangeInclusive<u8>> {
        BTreeMap::from([(0, range.start..=range.end)])
    }
    async fn qualified(&self, text: String) -> Result<u8, String> {
        text.parse().map_err(|_| text)
    }
}

#[tokio::test]
async fn options_and_results_may_be_nested() {
    let client = ValuesClient::from_service(Here);
    assert_eq!(client.options(Some(None), Some(())).await.unwrap(), Some(None));
    assert_eq!(client.options(None, None).await.unwrap(), None);
    assert_eq!(client.nested(Ok(Err("inner".into()))).await.unwrap(), Err("inner".into()));
    assert_eq!(client.nested(Err(())).await.unwrap_err().service(), Some(&()));
    assert_eq!(client.three_deep(0).await.unwrap_err().service(), Some(&0));
    assert_eq!(client.three_deep(1).await.unwrap(), Err(1));
    assert_eq!(client.three_deep(2).await.unwrap(), Ok(Err(2)));
    assert_eq!(client.three_deep(3).await.unwrap(), Ok(Ok(3)));
    assert_eq!(client.optional_outcome(Some(Err("no".into()))).await.unwrap(), Some(Err("no".into())));
    assert_eq!(client.outcome_of_an_option(true).await.unwrap(), Some(vec![1]));
    assert_eq!(client.qualified("300".into()).await.unwrap_err().service(), Some(&"300".to_owned()));
}

#[tokio::test]
async fn aliases_tuples_units_and_arrays_are_values_like_others() {
    let client = ValuesClient::from_service(Here);
    assert_eq!(client.aliases((1, 2), &[10], &("ab".into(), String::new())).await.unwrap(), (12, 3));
    assert_eq!(client.tuples((1, (String::new(), [0, 2])), (3,)).await.unwrap(), (6,));
    assert_eq!(client.units((), ()).await.unwrap(), ((), ()));
    let lent = [String::new(), "four".into()];
    assert_eq!(client.arrays([1; 4], [[2; 2]; 3], &lent, [3; 32]).await.unwrap(), [10; 32]);
    assert_eq!(client.constants([7; WIDTH], [0; WIDTH + 1]).await.unwrap(), [7; WIDTH]);
}

#[tokio::test]
async fn what_serde_carries_is_carried() {
    let client = ValuesClient::from_service(Here);
    assert_eq!(client.macros(vec![1], vec!["a".into()]).await.unwrap(), [1, b'a']);
    let map = HashMap::from([("k".to_owned(), vec![2])]);
    let set = client.collections(HashSet::from([1]), &map, VecDeque::from([3])).await.unwrap();
    assert_eq!(set, BTreeSet::from([1, 2, 3]));
    let (nanosecond, one) = (Duration::from_nanos(1), NonZeroU8::MIN);
    assert_eq!(client.scalars(u128::MAX, 'ß', nanosecond, one, &nanosecond).await.unwrap(), -1);
    assert_eq!(*client.boxes("b".into(), Box::new([1]), Box::new(2)).await.unwrap(), [1, b'b', 2]);
    assert_eq!(client.ranges(1..5).await.unwrap()[&0], 1..=5);
    let sent = client.bytes(Bytes::from_static(&[1]), &[2], vec![3], Cow::Borrowed(&[4])).await;
    assert_eq!(sent.unwrap(), [1, 2, 3, 4][..]);
}

#[rpc_service]
trait Lent {
    async fn cow(&self, text: Cow<'_, str>) -> usize;
    async fn cow_for_ever(&self, text: Cow<'static, str>) -> Cow<'static, str>;
    async fn one_lifetime<'a>(&self, text: Cow<'a, str>, other: &'a str) -> usize;
    async fn two_lifetimes<'a, 'b: 'a>(&'a self, text: Cow<'a, str>, list: &'b [Cow<'a, str>]) -> usize;
    async fn of_the_service<'a>(&'a self, text: &'a str) -> usize;
    async fn elided(&'_ self, text: &'_ str) -> usize;
    async fn lists(
        &self,
        optional: Option<&[String]>,
        nested: &[Vec<Option<String>>],
        lookup: &Option<String>,
    ) -> usize;
    async fn owned_and_lent(&self, mut owned: String, lent: &str) -> String {
        owned.push_str(lent);
        owned
    }
}

impl Lent for Here {
    async fn cow(&self, text: Cow<'_, str>) -> usize {
        text.len()
    }
    async fn cow_for_ever(&self, text: Cow<'static, str>) -> Cow<'static, str> {
        text
    }
    async fn one_lifetime<'a>(&self, text: Cow<'a, str>, other: &'a str) -> usize {
        std::cmp::max_by_key(&*text, other, |text| text.len()).len()
    }
    async fn two_lifetimes<'a, 'b: 'a>(&'a self, text: Cow<'a, str>, list: &'b [Cow<'a, str>]) -> usize {
        text.len() + list.len()
    }
    async fn of_the_service<'a>(&'a self, text: &'a str) -> usize {
        text.len()
    }
    async fn elided(&self, text: &str) -> usize {
        text.len()
    }
    async fn lists(
        &self,
        optional: Option<&[String]>,
        nested: &[Vec<Option<String>>],
        lookup: &Option<String>,
    ) -> usize {
        let lookup: Lookup<'_> = lookup.as_deref();
        optional.map_or(0, <[_]>::len) + nested.len() + lookup.map_or(0, str::len)
    }
}

#[tokio::test]
async fn lifetimes_of_arguments_are_those_of_the_trait() {
    let client = LentClient::from_service(Here);
    let text = String::from("abc");
    assert_eq!(client.cow(Cow::Borrowed(&text)).await.unwrap(), 3);
    assert_eq!(client.cow_for_ever("ever".into()).await.unwrap(), "ever");
    assert_eq!(client.one_lifetime(Cow::Borrowed(&text), "four").await.unwrap(), 4);
    assert_eq!(client.two_lifetimes("a".into(), &[Cow::Borrowed(&text)]).await.unwrap(), 2);
    assert_eq!(client.of_the_service(&text).await.unwrap(), 3);
    assert_eq!(client.elided(&text).await.unwrap(), 3);
    assert_eq!(client.lists(Some(&[]), &[vec![None]], &Some("ab".into())).await.unwrap(), 3);
    assert_eq!(client.owned_and_lent("a".into(), &text).await.unwrap(), "aabc");
}
