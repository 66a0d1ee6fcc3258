//! The codecs over real connections: all beside one another at one server, the values that are hard for a format, and
//! codecs of one's own.
#![expect(clippy::unwrap_used, reason = "what tests are made of, also outside of their functions")]

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use rpc_runtime::{Codec, CodecError, DecodeValue, EncodeValue, ServerBuilder, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

#[rpc_service]
trait Values {
    async fn float(&self, value: f64) -> f64;
    async fn wide(&self, signed: i128, unsigned: u128) -> (i128, u128);
    async fn time(&self, value: Duration) -> Duration;
    async fn keys(&self, table: BTreeMap<u32, ()>) -> BTreeMap<u32, ()>;
    async fn bytes(&self, bytes: Vec<u8>) -> Vec<u8>;
    async fn record(&self, record: Record) -> Result<Record, Refused>;
}

/// What a time is on the wire.
#[rpc_service(name = "Values")]
trait Crooked {
    async fn time(&self, parts: Time) -> Duration;
}

#[derive(Serialize, Deserialize)]
struct Time {
    secs: u64,
    nanos: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    name: Option<String>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Numbered(i32),
    Placed { x: f32, y: f32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Refused {
    Id(u64),
}

struct Mirror;

impl Values for Mirror {
    async fn float(&self, value: f64) -> f64 {
        value
    }
    async fn wide(&self, signed: i128, unsigned: u128) -> (i128, u128) {
        (signed, unsigned)
    }
    async fn time(&self, value: Duration) -> Duration {
        value
    }
    async fn keys(&self, table: BTreeMap<u32, ()>) -> BTreeMap<u32, ()> {
        table
    }
    async fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
    async fn record(&self, record: Record) -> Result<Record, Refused> {
        if record.id == 0 { Err(Refused::Id(0)) } else { Ok(record) }
    }
}

/// JSON behind a mark, which panics where it is told to.
struct Own(&'static str);

/// What `Own` panics at when it meets it in JSON.
const PANICS: &str = "\"panic\"";

impl Codec for Own {
    fn name(&self) -> &str {
        self.0
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let json = serde_json::to_string(&value)?;
        assert!(!(self.0 == "panics-at-encode" && json.contains(PANICS)), "on purpose");
        out.push(b'!');
        out.extend(json.bytes());
        Ok(())
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        let [b'!', json @ ..] = body else { return Err("the mark is missing".into()) };
        let panics = json.windows(PANICS.len()).any(|part| part == PANICS.as_bytes());
        assert!(!(self.0 == "panics-at-decode" && panics), "on purpose");
        let mut json = serde_json::Deserializer::from_slice(json);
        value.read_from(&mut json)?;
        Ok(json.end()?)
    }
}

const OWN: CodecKind = CodecKind::Custom(&Own("own"));

fn all() -> Vec<CodecKind> {
    [CodecKind::available(), &[OWN]].concat()
}

fn mirror() -> ServerBuilder {
    Server::builder().service(ValuesServer::new(Mirror))
}

/// Serves at this name for as long as what it gives lives.
async fn serve(address: &str, server: ServerBuilder) -> JoinSet<()> {
    let server = server.bind(address).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async {
        server.serve().await.unwrap();
    });
    tasks
}

async fn client(address: &str, codec: CodecKind) -> ValuesClient {
    ValuesClient::new(Channel::builder().codec(codec).connect(address).await.unwrap())
}

#[tokio::test]
async fn one_server_speaks_all_codecs_at_once() {
    let _serving = serve("mem://codecs-all", mirror().codec(OWN)).await;
    assert_eq!(all().len(), 5);
    let mut clients = Vec::new();
    for codec in all() {
        clients.push(client("mem://codecs-all", codec).await);
    }
    let kinds = [Kind::Plain, Kind::Numbered(-7), Kind::Placed { x: 0.5, y: -1.5 }];
    for (id, kind) in (1..).zip(kinds) {
        let record = Record { id, name: Some("caf\u{e9}".into()), kind };
        for client in &clients {
            assert_eq!(client.record(record.clone()).await.unwrap(), record);
        }
    }
    for client in &clients {
        let record = Record { id: 0, name: None, kind: Kind::Plain };
        assert_eq!(client.record(record).await.unwrap_err().service(), Some(&Refused::Id(0)));
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        assert_eq!(client.bytes(bytes.clone()).await.unwrap(), bytes);
    }
}

/// D7: what a format can not say is an error of its sender, and what it can comes back to the last bit.
#[tokio::test]
async fn numbers_at_the_edge_come_back_or_are_an_error_that_names_the_codec() {
    let _serving = serve("mem://codecs-edge", mirror().codec(OWN)).await;
    for codec in all() {
        let values = client("mem://codecs-edge", codec).await;
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            match values.float(float).await {
                Ok(back) => assert_eq!(back.to_bits(), float.to_bits(), "{codec:?}"),
                // What serde_json makes of it, for a codec of one's own, is null.
                Err(status) => {
                    assert!(codec == CodecKind::Json || codec == OWN, "{codec:?}: {status}");
                    assert_eq!((status.code(), status.may_have_run()), (Code::InvalidArgument, false), "{status}");
                    assert!(status.message().contains(codec.name()), "{status}");
                }
            }
        }
        for float in [f64::MIN, f64::MIN_POSITIVE, -0.0, 0.1 + 0.2] {
            assert_eq!(values.float(float).await.unwrap().to_bits(), float.to_bits());
        }
        assert_eq!(values.wide(i128::MIN, u128::MAX).await.unwrap(), (i128::MIN, u128::MAX));
        assert_eq!(values.time(Duration::MAX).await.unwrap(), Duration::MAX);
        let crooked = CrookedClient::new(values.channel().clone());
        let refused = crooked.time(Time { secs: u64::MAX, nanos: u32::MAX }).await.unwrap_err();
        assert_eq!((refused.code(), refused.may_have_run()), (Code::InvalidArgument, false), "{codec:?}: {refused}");
        assert!(refused.message().contains(codec.name()), "{refused}");
    }
}

/// D8: a million keys are more bytes than a message may have, whatever the codec; what fits comes back.
#[tokio::test]
async fn a_map_is_bounded_by_the_size_of_a_message() {
    let _serving = serve("mem://codecs-keys", mirror().codec(OWN)).await;
    let keys = |count: u32| (0..count).map(|n| (u32::MAX - n, ())).collect::<BTreeMap<_, _>>();
    let (fits, million) = (keys(50_000), keys(1_000_000));
    for codec in all() {
        let values = client("mem://codecs-keys", codec).await;
        let refused = values.keys(million.clone()).await.unwrap_err();
        assert_eq!((refused.code(), refused.may_have_run()), (Code::ResourceExhausted, false), "{codec:?}: {refused}");
        assert!(refused.message().contains("max_message"), "{refused}");
        assert_eq!(values.keys(fits.clone()).await.unwrap(), fits, "{codec:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_a_codec_names_all_that_it_speaks() {
    let _serving = serve("mem://codecs-refused", mirror().codec(&Own("one")).codec(&Own("two"))).await;
    let refused = Channel::builder().codec(OWN).connect("mem://codecs-refused").await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::Unimplemented, false));
    let text = refused.to_string();
    assert!(text.contains("the codec \"own\" is not known here"), "{text}");
    assert!(text.contains("codecs: bincode, json, messagepack, postcard, one, two"), "{text}");
}

#[tokio::test]
async fn a_codec_whose_name_can_not_be_used_is_an_error_where_it_is_given() {
    for name in
        ["", "json", "postcard", "with a space", "x23456789012345678901234567890123456789012345678901234567890abcde"]
    {
        let own: &'static Own = Box::leak(Box::new(Own(name)));
        let status = mirror().codec(own).bind("mem://codecs-named").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status}");
        assert!(status.message().contains(name), "{status}");
        let status = Channel::builder().codec(own).lazy("mem://codecs-named").unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::InvalidArgument, false), "{name}: {status}");
        let (near, _far) = tokio::io::duplex(64);
        let status = Channel::builder().codec(own).handshake(near, "pipe").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status}");
    }
}

#[tokio::test]
async fn two_codecs_of_one_name_and_more_than_eight_are_an_error() {
    let twice = mirror().codec(OWN).codec(&Own("own")).bind("mem://codecs-twice").await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists, "{twice}");
    let names = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let add = |server: ServerBuilder, name: &&'static str| server.codec(&*Box::leak(Box::new(Own(name))));
    drop(names[..8].iter().fold(mirror(), add).bind("mem://codecs-eight").await.unwrap());
    let nine = names.iter().fold(mirror(), add).bind("mem://codecs-nine").await.unwrap_err();
    assert!(nine.message().contains("number 9") && nine.message().contains("limit is 8"), "{nine}");
}

#[tokio::test]
async fn a_codec_that_is_built_in_may_be_named_again() {
    let _serving = serve("mem://codecs-again", mirror().codec(CodecKind::Json).codec(CodecKind::Postcard)).await;
    assert_eq!(client("mem://codecs-again", CodecKind::Postcard).await.float(1.5).await.unwrap(), 1.5);
}

fn named(name: &str) -> Record {
    Record { id: 1, name: Some(name.into()), kind: Kind::Plain }
}

#[tokio::test]
async fn a_codec_that_panics_in_the_server_costs_its_call_only() {
    for (loud, quiet) in [
        (&Own("panics-at-decode"), &Renamed("panics-at-decode")),
        (&Own("panics-at-encode"), &Renamed("panics-at-encode")),
    ] {
        let address = format!("mem://codecs-{}", loud.0);
        let _serving = serve(&address, mirror().codec(loud)).await;
        let values = client(&address, CodecKind::from(quiet)).await;
        let (panicked, other) = tokio::join!(values.record(named("panic")), values.record(named("fine")));
        let error = panicked.unwrap_err();
        let status = error.status().unwrap();
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(status.message().contains("panicked: on purpose"), "{status}");
        assert_eq!(other.unwrap(), named("fine"));
        assert_eq!(values.record(named("later")).await.unwrap(), named("later"));
    }
}

#[tokio::test]
async fn a_codec_that_panics_in_the_client_panics_in_its_caller_and_nowhere_else() {
    for own in [&Own("panics-at-encode"), &Own("panics-at-decode")] {
        let address = format!("mem://codecs-client-{}", own.0);
        let _serving = serve(&address, mirror().codec(&*Box::leak(Box::new(Renamed(own.0))))).await;
        let values = client(&address, CodecKind::from(own)).await;
        let other = values.record(named("fine")).start();
        if own.0 == "panics-at-encode" {
            let panic = catch_unwind(AssertUnwindSafe(|| values.record(named("panic")))).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        } else {
            let mut caller = JoinSet::new();
            caller.spawn(values.record(named("panic")));
            assert!(caller.join_next().await.unwrap().unwrap_err().is_panic());
        }
        assert_eq!(other.await.unwrap(), named("fine"));
        assert_eq!(values.record(named("later")).await.unwrap(), named("later"));
        assert_eq!(values.channel().outstanding_calls(), 0);
    }
}

/// The codec of the other side: `Own` under another name, without the panic.
struct Renamed(&'static str);

impl Codec for Renamed {
    fn name(&self) -> &str {
        self.0
    }
    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Own("own").encode(value, out)
    }
    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        Own("own").decode(body, value)
    }
}
