//! Bytes that travel in one piece, under all the names that they have in signatures: what a caller gets, and that on
//! the wire they are what a list of bytes is.

use std::borrow::Cow;

use bytes::Bytes;
use rpc_runtime::{
    __private::{Bulk, encode},
    prelude::*,
};
use serde::{Deserialize, Serialize};

#[rpc_service]
trait Blobs {
    async fn optional(&self, value: Option<Vec<u8>>) -> Option<Vec<u8>>;
    async fn lent(&self, value: Option<&[u8]>, vec: Option<&Vec<u8>>, shared: Option<&Bytes>) -> Vec<u8>;
    async fn inside_of_a_reference(&self, value: &Option<Vec<u8>>, more: &Bytes) -> Option<Box<[u8]>>;
    async fn shared(&self, value: Option<Bytes>) -> Option<Bytes>;
    async fn boxed(&self, value: Box<[u8]>) -> Box<[u8]>;
    async fn cow(&self, value: Cow<'_, [u8]>) -> Vec<u8>;
    async fn named_cow<'a>(&self, value: Cow<'a, [u8]>, more: &'a str) -> usize;
    async fn outcome(&self, key: u8) -> Result<Option<Vec<u8>>, String>;
    async fn outcome_shared(&self, key: u8) -> Result<Option<Bytes>, Status>;
    async fn twice(&self, value: Option<Option<Vec<u8>>>) -> Option<Option<Vec<u8>>>;
    async fn raw(&self, r#type: r#Option<r#Vec<r#u8>>) -> ::std::option::Option<::std::vec::Vec<u8>>;
    fn each(&self, values: Streaming<Option<Bytes>>) -> impl Stream<Item = Result<Option<Box<[u8]>>, String>>;
}

/// The same without a name that tells.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plain<T>(T);

#[rpc_service(name = "Blobs")]
trait OneByOne {
    async fn optional(&self, value: Plain<Option<Vec<u8>>>) -> Plain<Option<Vec<u8>>>;
    async fn boxed(&self, value: Plain<Vec<u8>>) -> Plain<Vec<u8>>;
    async fn cow(&self, value: Plain<Vec<u8>>) -> Plain<Vec<u8>>;
    async fn outcome(&self, key: u8) -> Result<Plain<Option<Vec<u8>>>, String>;
}

#[rpc_service]
trait Store<K: Send + Sync + 'static> {
    async fn get(&self, key: K, default: Option<&[u8]>) -> Option<Vec<u8>>;
    async fn put(&self, key: &K, value: Cow<'_, [u8]>) -> Result<Option<Vec<u8>>, K>;
}

struct Here;

fn found(key: u8) -> Result<Option<Vec<u8>>, String> {
    match key {
        0 => Ok(None),
        1 => Ok(Some(vec![1, 250, 255])),
        _ => Err("no such key".into()),
    }
}

impl Blobs for Here {
    async fn optional(&self, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        value
    }
    async fn lent(&self, value: Option<&[u8]>, vec: Option<&Vec<u8>>, shared: Option<&Bytes>) -> Vec<u8> {
        [value.unwrap_or(b"a"), vec.map_or(b"b", |vec| vec), shared.map_or(b"c", |shared| shared)].concat()
    }
    async fn inside_of_a_reference(&self, value: &Option<Vec<u8>>, more: &Bytes) -> Option<Box<[u8]>> {
        value.as_ref().map(|value| [value, &**more].concat().into())
    }
    async fn shared(&self, value: Option<Bytes>) -> Option<Bytes> {
        value
    }
    async fn boxed(&self, value: Box<[u8]>) -> Box<[u8]> {
        value
    }
    async fn cow(&self, value: Cow<'_, [u8]>) -> Vec<u8> {
        value.into_owned()
    }
    async fn named_cow<'a>(&self, value: Cow<'a, [u8]>, more: &'a str) -> usize {
        value.len() + more.len()
    }
    async fn outcome(&self, key: u8) -> Result<Option<Vec<u8>>, String> {
        found(key)
    }
    async fn outcome_shared(&self, key: u8) -> Result<Option<Bytes>, Status> {
        found(key).map(|value| value.map(Bytes::from)).map_err(Status::not_found)
    }
    async fn twice(&self, value: Option<Option<Vec<u8>>>) -> Option<Option<Vec<u8>>> {
        value
    }
    async fn raw(&self, r#type: Option<Vec<u8>>) -> Option<Vec<u8>> {
        r#type
    }
    fn each(&self, values: Streaming<Option<Bytes>>) -> impl Stream<Item = Result<Option<Box<[u8]>>, String>> {
        futures_util::StreamExt::map(values, |value| match value {
            Ok(value) => Ok(value.map(|value| value.to_vec().into())),
            Err(status) => Err(status.to_string()),
        })
    }
}

impl OneByOne for Here {
    async fn optional(&self, value: Plain<Option<Vec<u8>>>) -> Plain<Option<Vec<u8>>> {
        value
    }
    async fn boxed(&self, value: Plain<Vec<u8>>) -> Plain<Vec<u8>> {
        value
    }
    async fn cow(&self, value: Plain<Vec<u8>>) -> Plain<Vec<u8>> {
        value
    }
    async fn outcome(&self, key: u8) -> Result<Plain<Option<Vec<u8>>>, String> {
        found(key).map(Plain)
    }
}

impl<K: Clone + Send + Sync + 'static> Store<K> for Here {
    async fn get(&self, _: K, default: Option<&[u8]>) -> Option<Vec<u8>> {
        default.map(<[u8]>::to_vec)
    }
    async fn put(&self, key: &K, value: Cow<'_, [u8]>) -> Result<Option<Vec<u8>>, K> {
        if value.is_empty() { Err(key.clone()) } else { Ok(Some(value.into_owned())) }
    }
}

/// The values that are told apart: none, no bytes, few, and more than have a short length.
fn values() -> [Option<Vec<u8>>; 4] {
    [None, Some(vec![]), Some(vec![0, 250, 255]), Some((0..=255).cycle().take(70_000).collect())]
}

fn blobs(codec: CodecKind) -> BlobsClient {
    BlobsClient::new(Channel::builder().codec(codec).in_process(BlobsServer::new(Here)))
}

#[tokio::test]
async fn bytes_come_back_whatever_holds_them_with_every_codec() {
    for &codec in CodecKind::available() {
        let client = blobs(codec);
        for value in values() {
            let bytes = value.clone().unwrap_or_default();
            let shared = value.clone().map(Bytes::from);
            assert_eq!(client.optional(value.clone()).await.unwrap(), value, "{codec:?}");
            assert_eq!(client.shared(shared.clone()).await.unwrap(), shared);
            assert_eq!(*client.boxed(bytes.clone().into()).await.unwrap(), bytes);
            assert_eq!(client.cow(Cow::Borrowed(&bytes)).await.unwrap(), bytes);
            assert_eq!(client.cow(Cow::Owned(bytes.clone())).await.unwrap(), bytes);
            assert_eq!(client.named_cow(Cow::Borrowed(&bytes), "ab").await.unwrap(), bytes.len() + 2);
            assert_eq!(client.raw(value.clone()).await.unwrap(), value);
            let both = client.inside_of_a_reference(&value, &Bytes::from_static(&[7])).await.unwrap();
            assert_eq!(both.map(Vec::from), value.map(|value| [value, vec![7]].concat()));
        }
    }
}

#[tokio::test]
async fn lent_bytes_in_an_option_reach_the_handler_with_every_codec() {
    for &codec in CodecKind::available() {
        let client = blobs(codec);
        assert_eq!(client.lent(None, None, None).await.unwrap(), b"abc", "{codec:?}");
        let (vec, shared) = (vec![2; 3], Bytes::from_static(&[3]));
        let all = client.lent(Some(&[1]), Some(&vec), Some(&shared)).await.unwrap();
        assert_eq!(all, [1, 2, 2, 2, 3]);
    }
}

#[tokio::test]
async fn bytes_in_a_result_are_told_from_none_and_from_an_error_with_every_codec() {
    for &codec in CodecKind::available() {
        let client = blobs(codec);
        assert_eq!(client.outcome(0).await.unwrap(), None, "{codec:?}");
        assert_eq!(client.outcome(1).await.unwrap(), Some(vec![1, 250, 255]));
        assert_eq!(client.outcome(2).await.unwrap_err().service(), Some(&"no such key".to_owned()));
        assert_eq!(client.outcome_shared(0).await.unwrap(), None);
        assert_eq!(client.outcome_shared(1).await.unwrap().unwrap(), [1, 250, 255][..]);
        assert_eq!(client.outcome_shared(2).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn an_option_in_an_option_is_what_the_codec_makes_of_it() {
    for &codec in CodecKind::available() {
        let client = blobs(codec);
        let knows_both = matches!(codec, CodecKind::Bincode | CodecKind::Postcard);
        assert_eq!(client.twice(Some(None)).await.unwrap(), knows_both.then_some(None), "{codec:?}");
        assert_eq!(client.twice(Some(Some(vec![1]))).await.unwrap(), Some(Some(vec![1])));
    }
}

#[tokio::test]
async fn optional_bytes_are_items_in_both_directions_with_every_codec() {
    for &codec in CodecKind::available() {
        let sent = values().map(|value| value.map(Bytes::from));
        let mut items = blobs(codec).each(futures_util::stream::iter(sent)).await.unwrap();
        for value in values() {
            assert_eq!(items.next().await.unwrap().unwrap().map(Vec::from), value, "{codec:?}");
        }
        assert!(items.next().await.is_none());
    }
}

#[tokio::test]
async fn the_other_end_may_take_them_one_by_one() {
    for &codec in CodecKind::available() {
        let plain = OneByOneClient::new(Channel::builder().codec(codec).in_process(BlobsServer::new(Here)));
        let bulk = BlobsClient::new(Channel::builder().codec(codec).in_process(OneByOneServer::new(Here)));
        for value in values() {
            let bytes = value.clone().unwrap_or_default();
            assert_eq!(plain.optional(Plain(value.clone())).await.unwrap().0, value, "{codec:?}");
            assert_eq!(bulk.optional(value.clone()).await.unwrap(), value);
            assert_eq!(plain.boxed(Plain(bytes.clone())).await.unwrap().0, bytes);
            assert_eq!(*bulk.boxed(bytes.clone().into()).await.unwrap(), bytes);
            assert_eq!(plain.cow(Plain(bytes.clone())).await.unwrap().0, bytes);
            assert_eq!(bulk.cow(Cow::Borrowed(&bytes)).await.unwrap(), bytes);
        }
        assert_eq!(plain.outcome(1).await.unwrap().0, found(1).unwrap());
        assert_eq!(bulk.outcome(0).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_generic_service_has_them_too() {
    let client = StoreClient::<String>::from_service(Here);
    assert_eq!(client.get("a".into(), Some(&[1])).await.unwrap(), Some(vec![1]));
    assert_eq!(client.put(&"a".into(), Cow::Borrowed(&[2])).await.unwrap(), Some(vec![2]));
    assert_eq!(client.put(&"a".into(), Cow::Borrowed(&[])).await.unwrap_err().service(), Some(&"a".to_owned()));
}

#[test]
fn on_the_wire_they_are_lists_of_bytes_and_bin_with_messagepack() {
    for &codec in CodecKind::available() {
        let written = |value: &dyn Fn(&mut Vec<u8>) -> Result<(), String>| {
            let mut out = Vec::new();
            value(&mut out).unwrap();
            out
        };
        for value in values() {
            let one_by_one = written(&|out| encode(codec, &value, out));
            let bulk = written(&|out| encode(codec, &Bulk(&value), out));
            let is_bin = codec == CodecKind::MessagePack && value.is_some();
            assert_eq!(bulk == one_by_one, !is_bin, "{codec:?}");
            let of_some = |bytes: &[u8]| {
                let all: [Vec<u8>; 4] = [
                    written(&|out| encode(codec, &Bulk(Some(bytes)), out)),
                    written(&|out| encode(codec, &Bulk(Some(Bytes::copy_from_slice(bytes))), out)),
                    written(&|out| encode(codec, &Bulk(Some(Box::<[u8]>::from(bytes))), out)),
                    written(&|out| encode(codec, &Bulk(Some(Cow::Borrowed(bytes))), out)),
                ];
                all
            };
            for other in value.as_deref().map(of_some).into_iter().flatten() {
                assert_eq!(other, bulk, "{codec:?}");
            }
        }
    }
}
