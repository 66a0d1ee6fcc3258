//! How much memory decoding takes at most for bodies whose lengths lie, for each codec and for types as services have
//! them: a table, and a failure when it is more than 64 KiB. The only file with unsafe code: `GlobalAlloc` is unsafe to
//! implement, and there is no other way to see allocations from the inside.
#![expect(unsafe_code, reason = "implementing GlobalAlloc takes it; every call is passed on to the system allocator")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::{BTreeMap, HashMap},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rpc_runtime::{
    __private::{DeserializeOwned, decode},
    CodecKind,
};
use serde::Deserialize;

/// What may be reserved ahead of the bytes that came.
const MOST: usize = 64 << 10;
/// A length that no body has.
const HUGE: u64 = 1 << 60;
/// Bytes behind the length, few of which are elements: what is taken is taken ahead.
const REST: [usize; 4] = [11, 256, 4_096, 60_000];
/// Of lies within lies some are true: of few bytes these take little.
const NESTED: usize = 1_000;
/// What a byte that came may take: an element of one, in a buffer that is moved to one of twice its size.
const FOR_A_BYTE: usize = 4;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

// SAFETY: every method passes its arguments on to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// A value that may nest without end.
#[derive(Deserialize)]
struct Tree(#[expect(dead_code, reason = "it is only decoded")] Vec<Tree>);

/// An element of a kilobyte, of which each byte of a body may be an eighth.
type Wide = [[u64; 16]; 8];

fn main() -> ExitCode {
    println!("| type | {} |", CodecKind::available().iter().map(|codec| codec.name()).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(CodecKind::available().len()));
    let rows = [
        row::<Vec<u8>>("Vec<u8>"),
        row::<Vec<u64>>("Vec<u64>"),
        row::<Vec<()>>("Vec<()>"),
        row::<Vec<Wide>>("Vec<[[u64; 16]; 8]>"),
        row::<Vec<Option<Wide>>>("Vec<Option<[[u64; 16]; 8]>>"),
        row::<Vec<String>>("Vec<String>"),
        row::<Vec<Vec<Vec<u64>>>>("Vec<Vec<Vec<u64>>>"),
        row::<String>("String"),
        row::<HashMap<u64, u64>>("HashMap<u64, u64>"),
        row::<HashMap<u64, Wide>>("HashMap<u64, [[u64; 16]; 8]>"),
        row::<BTreeMap<u64, String>>("BTreeMap<u64, String>"),
        row::<Tree>("a tree"),
    ];
    if rows.iter().all(|most| *most <= MOST) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what each codec takes for this type above the bytes that came; gives the most.
fn row<T: DeserializeOwned>(name: &str) -> usize {
    let taken: Vec<usize> = CodecKind::available().iter().map(|codec| most::<T>(*codec)).collect();
    let cells: Vec<String> = taken.iter().map(|taken| format!("{:.1}", *taken as f64 / 1_024.0)).collect();
    println!("| `{name}` | {} |", cells.join(" | "));
    taken.into_iter().max().unwrap_or_default()
}

/// The most that any lie takes, beyond what the bytes of its body may.
fn most<T: DeserializeOwned>(codec: CodecKind) -> usize {
    let bodies = REST.iter().flat_map(|rest| {
        let lengths = [HUGE, 65_536, *rest as u64, *rest as u64 / 2];
        lengths.into_iter().flat_map(move |length| heads(codec, length, *rest)).flat_map(move |head| {
            // A lie, and lies within lies.
            let flat = [head.clone(), vec![filler(codec); *rest]].concat();
            let nested: Vec<u8> = head.iter().copied().cycle().take(NESTED.min(*rest)).collect();
            [flat, nested]
        })
    });
    bodies.map(|body| taken::<T>(codec, &body).saturating_sub(FOR_A_BYTE * body.len())).max().unwrap_or_default()
}

fn taken<T: DeserializeOwned>(codec: CodecKind, body: &[u8]) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let decoded = decode::<T>(codec, body);
    let peak = PEAK.load(Relaxed);
    drop(decoded);
    peak - before
}

/// How this codec begins what has so many elements: each kind that there is, but for bytes that are all there.
fn heads(codec: CodecKind, length: u64, rest: usize) -> Vec<Vec<u8>> {
    match codec.name() {
        "messagepack" => {
            let kinds: &[u8] = if length > rest as u64 { &[0xDD, 0xDF, 0xDB, 0xC6] } else { &[0xDD, 0xDF] };
            let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
            kinds.iter().map(|kind| [&[*kind][..], &length].concat()).collect()
        }
        "json" => vec![b"[".to_vec(), b"{\"1\":".to_vec(), b"\"".to_vec()],
        "postcard" => vec![leb128(length)],
        _ => vec![[&[0xFD][..], &length.to_le_bytes()].concat()],
    }
}

fn filler(codec: CodecKind) -> u8 {
    match codec.name() {
        "messagepack" => 0xC1,
        "json" => b'?',
        _ => 0xFF,
    }
}

fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
