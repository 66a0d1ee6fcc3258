//! A codec of one's own: JSON with a checksum in front, so that a byte that changed on the way is seen. The guard that
//! stands before the built-in codecs stands before this one, too.
//! `cargo run --example custom_codec`

use rpc_runtime::{Codec, CodecError, DecodeValue, EncodeValue, prelude::*};

/// Four bytes of checksum, then JSON.
struct Checked;

impl Codec for Checked {
    fn name(&self) -> &str {
        "checked-json"
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let json = serde_json::to_vec(&value)?;
        out.extend(checksum(&json).to_le_bytes());
        out.extend(json);
        Ok(())
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        let (sum, json) = body.split_first_chunk().ok_or("there is no checksum")?;
        let (expected, found) = (u32::from_le_bytes(*sum), checksum(json));
        if expected != found {
            return Err(format!("the checksum is {found:08x} where {expected:08x} is announced").into());
        }
        let mut json = serde_json::Deserializer::from_slice(json);
        value.read_from(&mut json)?;
        // What is left over is for the codec to refuse.
        Ok(json.end()?)
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Turns texts round.
#[rpc_service]
pub trait Mirror {
    /// The text from behind.
    async fn turn(&self, text: &str) -> String;
}

struct Glass;

impl Mirror for Glass {
    async fn turn(&self, text: &str) -> String {
        text.chars().rev().collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(MirrorServer::new(Glass)).codec(&Checked).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = tokio::spawn(server.serve());

    let checked = MirrorClient::new(Channel::builder().codec(&Checked).connect(&address).await?);
    println!("checked-json: {}", checked.turn("stressed").await?);
    // The built-in codecs are spoken as before.
    let json = MirrorClient::new(Channel::builder().codec(CodecKind::Json).connect(&address).await?);
    println!("json: {}", json.turn("drawer").await?);

    // A server without it says what it speaks.
    let other = Server::builder().service(MirrorServer::new(Glass)).bind("tcp://127.0.0.1:0").await?;
    let (elsewhere, other_handle) = (other.local_address().to_owned(), other.handle());
    let other = tokio::spawn(other.serve());
    let refused = Channel::builder().codec(&Checked).connect(&elsewhere).await;
    println!("elsewhere: {}", refused.err().ok_or("a server without the codec took it")?);

    handle.shut_down();
    other_handle.shut_down();
    drop((checked, json));
    serving.await??;
    other.await??;
    Ok(())
}
