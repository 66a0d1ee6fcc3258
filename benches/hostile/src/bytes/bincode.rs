//! tarpc's messages as bincode 1 writes them with variable integers, each behind a length of four bytes, high to low.

/// A frame of this length.
pub fn frame(body: &[u8]) -> Vec<u8> {
    [&prefix(body.len() as u32)[..], body].concat()
}

/// The length of a frame, which may lie.
pub fn prefix(length: u32) -> Vec<u8> {
    length.to_be_bytes().to_vec()
}

/// A request: ten seconds, no trace, the method by its place, and the arguments.
pub fn ask(id: u64, method: u64, arguments: &[u8]) -> Vec<u8> {
    let context = [&[10, 0][..], &[0; 16], &[0, 1]].concat();
    // Sixteen bytes of a trace, as a sequence of fixed length.
    frame(&[vec![0], context, varint(id), varint(method), arguments.to_vec()].concat())
}

/// A cancel of a request.
pub fn cancel(id: u64) -> Vec<u8> {
    frame(&[vec![1], vec![0; 16], vec![0, 1], varint(id)].concat())
}

/// An unsigned number: one byte below 251, else a marker and as many bytes as it needs.
pub fn varint(number: u64) -> Vec<u8> {
    match number {
        0..=250 => vec![number as u8],
        251..=0xffff => [&[251][..], &(number as u16).to_le_bytes()].concat(),
        0x1_0000..=0xffff_ffff => [&[252][..], &(number as u32).to_le_bytes()].concat(),
        _ => [&[253][..], &number.to_le_bytes()].concat(),
    }
}
