//! What each codec costs by itself: the runtime's encoding and its guarded decoding, beside the crate that the codec is
//! made of (or, for postcard, stands beside). Both in turns, on one thread; medians, and the ratio of each pair.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rpc_runtime::__private::{Bulk, decode, encode};
use rpc_runtime::{Codec, CodecError, CodecKind, DecodeValue, EncodeValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const ROUNDS: usize = 301;
/// How long each half of a round takes, about.
const HALF: Duration = Duration::from_micros(300);

/// The arguments of a small call.
#[derive(Serialize, Deserialize)]
struct Small {
    a: i64,
    b: i64,
}

/// About 300 bytes of what services pass about.
#[derive(Serialize, Deserialize)]
struct Record {
    id: u64,
    customer: String,
    street: String,
    city: Option<String>,
    prices: Vec<f64>,
    stock: Vec<(u32, String)>,
    state: State,
}

#[derive(Serialize, Deserialize)]
enum State {
    Sent { at: u64, by: String },
}

/// JSON as a codec of one's own.
struct Own;

impl Codec for Own {
    fn name(&self) -> &str {
        "own (json)"
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(serde_json::to_writer(out, &value)?)
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        let mut json = serde_json::Deserializer::from_slice(body);
        value.read_from(&mut json)?;
        Ok(json.end()?)
    }
}

const CODECS: [CodecKind; 5] =
    [CodecKind::Bincode, CodecKind::Postcard, CodecKind::MessagePack, CodecKind::Json, CodecKind::Custom(&Own)];

fn main() -> Result<(), CodecError> {
    let small = Small { a: 7, b: -1_000_000 };
    println!(
        "ns for one value; `crate` is the crate as it is, `runtime` goes the way of a call (decoding: the guard)\n"
    );
    println!("| value | codec | bytes | encode: crate | runtime | ratio | decode: crate | runtime | ratio |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for codec in CODECS {
        row("two integers", codec, &small)?;
    }
    for codec in CODECS {
        row("record", codec, &record())?;
    }
    for codec in CODECS {
        row("4,096 integers", codec, &(0..4_096_u64).map(|n| n * n).collect::<Vec<_>>())?;
        row("64 KiB", codec, &Bulk(vec![7_u8; 65_536]))?;
    }
    Ok(())
}

fn record() -> Record {
    Record {
        id: 70_000,
        customer: "Ada Lovelace".into(),
        street: "12 St James's Square".into(),
        city: Some("London".into()),
        prices: vec![1.5, 20.25, -3.125, 1e9],
        stock: (0..10).map(|n| (n * 1_000, format!("part number {n}"))).collect(),
        state: State::Sent { at: 1 << 40, by: "mail".into() },
    }
}

fn row<T: Serialize + DeserializeOwned>(name: &str, codec: CodecKind, value: &T) -> Result<(), CodecError> {
    let mut body = Vec::new();
    encode(codec, value, &mut body)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let encoding = in_turns(
        || {
            theirs.clear();
            encode_raw(codec, black_box(value), &mut theirs)
        },
        || {
            ours.clear();
            Ok(encode(codec, black_box(value), &mut ours)?)
        },
    )?;
    let decoding = in_turns(
        || decode_raw::<T>(codec, black_box(&body)).map(|value| drop(black_box(value))),
        || Ok(decode::<T>(codec, black_box(&body)).map(|value| drop(black_box(value)))?),
    )?;
    println!("| {name} | {} | {} | {encoding} | {decoding} |", codec.name(), body.len());
    Ok(())
}

fn encode_raw<T: Serialize>(codec: CodecKind, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match codec {
        CodecKind::Bincode => {
            bincode::serde::encode_into_std_write(value, out, bincode::config::standard())?;
        }
        CodecKind::Postcard => *out = postcard::to_extend(value, std::mem::take(out))?,
        CodecKind::MessagePack => rmp_serde::encode::write_named(out, value)?,
        _ => serde_json::to_writer(out, value)?,
    }
    Ok(())
}

fn decode_raw<T: DeserializeOwned>(codec: CodecKind, body: &[u8]) -> Result<T, CodecError> {
    Ok(match codec {
        CodecKind::Bincode => bincode::serde::decode_from_slice(body, bincode::config::standard())?.0,
        CodecKind::Postcard => postcard::from_bytes(body)?,
        CodecKind::MessagePack => rmp_serde::from_slice(body)?,
        _ => serde_json::from_slice(body)?,
    })
}

/// Medians of both, and the median of the ratios, as three cells.
fn in_turns(
    mut one: impl FnMut() -> Result<(), CodecError>,
    mut other: impl FnMut() -> Result<(), CodecError>,
) -> Result<String, CodecError> {
    let mut count = 1;
    while time(&mut one, count)? < HALF {
        count *= 2;
    }
    let (mut ones, mut others, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (a, b) = if round % 2 == 0 {
            let a = time(&mut one, count)?;
            (a, time(&mut other, count)?)
        } else {
            let b = time(&mut other, count)?;
            (time(&mut one, count)?, b)
        };
        ones.push(a.as_secs_f64() * 1e9 / f64::from(count));
        others.push(b.as_secs_f64() * 1e9 / f64::from(count));
        ratios.push(b.as_secs_f64() / a.as_secs_f64());
    }
    Ok(format!("{:.0} | {:.0} | {:.2}", median(ones), median(others), median(ratios)))
}

fn time(work: &mut impl FnMut() -> Result<(), CodecError>, count: u32) -> Result<Duration, CodecError> {
    let began = Instant::now();
    for _ in 0..count {
        work()?;
    }
    Ok(began.elapsed())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
