//! Frames that are cut, split, false or of a later version.

use proptest::prelude::*;

use super::{
    super::{handshake::MAGIC, *},
    MAX_HEADER, hex, raw, whole,
};

const MAX_LENGTH: u32 = 12 + 65_535 + 65_536;

#[track_caller]
fn refused(input: &[u8]) -> ProtocolError {
    parse(input, MAX_HEADER).expect_err("the input is refused")
}

/// Everything that `input` says until it ends or breaks, as text, when it arrives in pieces up to `cuts`.
fn told(input: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut told = Vec::new();
    let mut begin = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        loop {
            let rest = input.get(begin..end).unwrap_or_default();
            let length = match parse(rest, 40) {
                Ok(Parsed::Incomplete { needed }) => {
                    assert!(needed > rest.len(), "{needed} are needed, {} are there", rest.len());
                    break;
                }
                Ok(
                    Parsed::Frame { length, .. } | Parsed::Ignored { length } | Parsed::HeaderTooLong { length, .. },
                ) => length,
                Err(error) => {
                    told.push(error.to_string());
                    return told;
                }
            };
            told.push(format!("{:?}", parse(rest, 40)));
            begin += length;
        }
    }
    told
}

#[test]
fn an_end_and_a_message_have_the_layout_of_every_frame() {
    let end = hex("11 00 00 00 04 00 03 00 05 00 00 00 00 00 00 00 01 01 01 AA BB");
    let frame = Frame { kind: Kind::End, more: false, id: 5, header: &[1, 1, 1], body: &[0xaa, 0xbb] };
    assert_eq!(whole(&end), frame);
    let message = hex("11 00 00 00 03 01 03 00 06 00 00 00 00 00 00 80 05 01 02 01 AA");
    let frame =
        Frame { kind: Kind::Message, more: true, id: 0x8000_0000_0000_0006, header: &[5, 1, 2], body: &[1, 0xaa] };
    assert_eq!(whole(&message), frame);
}

#[test]
fn every_truncation_is_incomplete_and_says_how_much_is_needed() {
    let frame = raw(12 + 3 + 4, 1, 0, 3, 2, b"hdrbody");
    for end in 0..frame.len() {
        let needed = if end < PREFIX { PREFIX } else { frame.len() };
        assert_eq!(parse(&frame[..end], MAX_HEADER), Ok(Parsed::Incomplete { needed }), "{end} bytes");
    }
}

#[test]
fn the_bytes_behind_a_frame_are_left_alone() {
    let mut input = raw(12, 7, 0, 0, 9, &[]);
    input.extend([0xff; 40]);
    let frame = Frame { kind: Kind::Ping, more: false, id: 9, header: &[], body: &[] };
    assert_eq!(parse(&input, MAX_HEADER), Ok(Parsed::Frame { frame, length: 16 }));
}

#[test]
fn a_length_below_the_rest_of_the_prefix_is_refused_by_its_four_bytes() {
    for length in 0..12_u32 {
        let error = ProtocolError::TooShort { length, needed: 12 };
        assert_eq!(refused(&length.to_le_bytes()), error);
        assert_eq!(refused(&raw(length, 1, 0, 0, 2, &[0; 64])), error);
    }
}

#[test]
fn a_length_above_the_limit_is_refused_by_its_four_bytes() {
    for length in [MAX_LENGTH + 1, 1 << 24, u32::MAX] {
        assert_eq!(refused(&length.to_le_bytes()), ProtocolError::TooLong { length });
        assert_eq!(refused(&raw(length, 1, 0, 0, 2, &[])), ProtocolError::TooLong { length });
    }
    let told = refused(&u32::MAX.to_le_bytes()).to_string();
    assert_eq!(told, "a frame of length 4294967295, the limit is 131083");
}

#[test]
fn the_longest_frame_is_taken() {
    let bytes = raw(MAX_LENGTH, 1, 0, u16::MAX, 2, &vec![0; 65_535 + 65_536]);
    let Ok(Parsed::Frame { frame, length }) = parse(&bytes, 65_535) else { panic!("not a frame") };
    assert_eq!((frame.header.len(), frame.body.len(), length), (65_535, 65_536, bytes.len()));
}

#[test]
fn a_body_above_one_part_is_refused_before_it_comes() {
    assert_eq!(parse(&raw(12 + 65_536, 2, 0, 0, 2, &[]), 0), Ok(Parsed::Incomplete { needed: PREFIX + 65_536 }));
    let error = ProtocolError::PartTooLong { body: 65_537 };
    assert_eq!(refused(&raw(12 + 65_537, 2, 0, 0, 2, &[])), error);
    assert_eq!(refused(&raw(12 + 65_537, 2, 0, 0, 2, &[])[..8]), error);
}

#[test]
fn a_header_length_beyond_the_frame_is_refused() {
    let frame = raw(12 + 4, 1, 0, 5, 2, &[0; 64]);
    assert_eq!(refused(&frame), ProtocolError::TooShort { length: 16, needed: 17 });
    assert_eq!(refused(&frame[..8]), ProtocolError::TooShort { length: 16, needed: 17 });
    assert_eq!(refused(&frame).to_string(), "a frame of length 16, its prefix and header have 17");
}

#[test]
fn a_header_above_its_limit_is_told_with_the_id_as_soon_as_the_prefix_is_there() {
    let frame = raw(12 + 41 + 7, 1, 1, 41, 6, &[0; 48]);
    let told = Parsed::HeaderTooLong { kind: Kind::Request, id: 6, more: true, header: 41, body: 7, length: 64 };
    assert_eq!(parse(&frame, 40), Ok(told));
    assert_eq!(parse(&frame[..PREFIX], 40), Ok(told));
    assert_eq!(parse(&frame[..PREFIX - 1], 40), Ok(Parsed::Incomplete { needed: PREFIX }));
    assert!(matches!(parse(&frame, 41), Ok(Parsed::Frame { .. })));
}

#[test]
fn unknown_kinds_below_128_are_refused_by_their_byte_and_the_others_passed_over() {
    for kind in (0..=0).chain(10..=127) {
        let frame = raw(14, kind, 0, 0, 2, &[0; 2]);
        assert_eq!(refused(&frame), ProtocolError::UnknownKind(kind));
        assert_eq!(refused(&frame[..5]), ProtocolError::UnknownKind(kind));
    }
    for kind in 128..=255 {
        // Flags and header length may mean something else there.
        let frame = raw(14, kind, 0xff, 0xffff, 2, &[0; 2]);
        assert_eq!(parse(&frame, 0), Ok(Parsed::Ignored { length: 18 }));
        for end in 0..frame.len() {
            let needed = if end < PREFIX { PREFIX } else { 18 };
            assert_eq!(parse(&frame[..end], 0), Ok(Parsed::Incomplete { needed }));
        }
    }
}

#[test]
fn undefined_flags_are_refused_by_their_byte() {
    for (kind, flags) in [(Kind::Request, 2), (Kind::Response, 3), (Kind::Message, 0x80), (Kind::Ping, 0xfe)] {
        let frame = raw(12, kind as u8, flags, 0, 2, &[]);
        assert_eq!(refused(&frame), ProtocolError::Flags { kind, flags });
        assert_eq!(refused(&frame[..6]), ProtocolError::Flags { kind, flags });
    }
}

#[test]
fn more_is_only_for_requests_responses_and_messages() {
    for kind in [Kind::Request, Kind::Response, Kind::Message] {
        assert!(whole(&raw(12, kind as u8, 1, 0, 2, &[])).more);
    }
    for kind in [Kind::End, Kind::Cancel, Kind::Credit, Kind::Ping, Kind::Pong, Kind::GoAway] {
        assert_eq!(refused(&raw(12, kind as u8, 1, 0, 2, &[])), ProtocolError::Flags { kind, flags: 1 });
    }
}

#[test]
fn frames_without_header_or_body_are_refused_when_they_have_one() {
    for kind in [Kind::Cancel, Kind::Ping, Kind::Pong, Kind::Credit] {
        let shape = |header, body| ProtocolError::Shape { kind, header, body };
        assert_eq!(refused(&raw(12 + 4, kind as u8, 0, 4, 2, &[0; 4])), shape(4, 0));
        assert_eq!(refused(&raw(12 + 5, kind as u8, 0, 0, 2, &[0; 5])), shape(0, 5));
    }
    assert_eq!(refused(&raw(12, 6, 0, 0, 0, &[])), ProtocolError::Shape { kind: Kind::Credit, header: 0, body: 0 });
    assert_eq!(refused(&raw(13, 9, 0, 0, 0, &[0])), ProtocolError::Shape { kind: Kind::GoAway, header: 0, body: 1 });
    assert_eq!(
        refused(&raw(13, 9, 0, 0, 0, &[0])).to_string(),
        "a goaway frame with a header of 0 and a body of 1 bytes"
    );
}

#[test]
fn a_goaway_for_a_call_is_refused() {
    assert_eq!(refused(&raw(12, 9, 0, 0, 2, &[])), ProtocolError::GoAwayId(2));
}

#[test]
fn a_second_handshake_is_refused() {
    assert!(matches!(refused(&MAGIC), ProtocolError::TooLong { .. }));
}

#[test]
fn a_credit_is_exactly_four_bytes() {
    assert_eq!(credit_increment(&hex("FF FF FF FF")), Some(u32::MAX));
    assert_eq!(credit_increment(&hex("00 01 00 00")), Some(256));
    for length in [0, 3, 5] {
        assert_eq!(credit_increment(&vec![0; length]), None);
    }
}

#[test]
fn every_split_in_two_or_into_single_bytes_tells_the_same() {
    let session = [
        raw(12 + 3 + 4, 1, 0, 3, 2, b"hdrbody"),
        raw(12, 7, 0, 0, 9, &[]),
        raw(12 + 41 + 7, 2, 0, 41, 6, &[0; 48]),
        raw(12 + 9, 200, 7, 99, 6, &[0; 9]),
        raw(12 + 2, 2, 1, 0, 2, &[1, 2]),
        raw(12, 7, 2, 0, 9, &[]),
    ]
    .concat();
    let at_once = told(&session, &[]);
    assert_eq!(at_once.len(), 6);
    for cut in 0..session.len() {
        assert_eq!(told(&session, &[cut]), at_once, "cut at {cut}");
    }
    assert_eq!(told(&session, &Vec::from_iter(1..session.len())), at_once);
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Request, Kind::Response, Kind::Message, Kind::End])
}

proptest! {
    #[test]
    fn every_frame_comes_back_from_between_others(
        kind in kinds(),
        more: bool,
        id: u64,
        header in prop::collection::vec(any::<u8>(), 0..300),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let more = more && kind != Kind::End;
        let mut out = Vec::new();
        put_ping(&mut out, 1);
        put_head(&mut out, kind, id, more, &header, body.len());
        out.extend_from_slice(&body);
        put_cancel(&mut out, 3);
        let frame = Frame { kind, more, id, header: &header, body: &body };
        let length = PREFIX + header.len() + body.len();
        prop_assert_eq!(parse(&out[PREFIX..], MAX_HEADER), Ok(Parsed::Frame { frame, length }));
        prop_assert_eq!(out.len(), PREFIX + length + PREFIX);
    }

    #[test]
    fn any_bytes_tell_the_same_in_any_split(
        frames in prop::collection::vec((0..80_u32, 0..=255_u8, 0..3_u8, 0..60_u16, any::<u64>()), 0..6),
        cuts in prop::collection::vec(0..300_usize, 0..6),
    ) {
        let mut input = Vec::new();
        for (length, kind, flags, header, id) in frames {
            let kind = if kind < 128 { kind % 12 } else { kind };
            input.extend(raw(length, kind, flags, header, id, &vec![7; length.saturating_sub(12) as usize]));
        }
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= input.len()).collect();
        cuts.sort_unstable();
        prop_assert_eq!(told(&input, &cuts), told(&input, &[]));
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(input in prop::collection::vec(any::<u8>(), 0..64), max_header in 0..100_usize) {
        let _ = parse(&input, max_header);
    }
}
