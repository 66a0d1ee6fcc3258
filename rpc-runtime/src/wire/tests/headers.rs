//! Header fields: each one's bytes, and those that lie.

use std::{borrow::Cow, time::Duration};

use proptest::prelude::*;

use super::{super::*, hex};
use crate::{metadata::Metadata, status::Code};

/// `service` and `method`, which every request has.
const NAMES: &str = "01 01 53 03 01 6D";

fn request() -> RequestHeader<'static> {
    RequestHeader { service: "S", method: "m", timeout: None, total: None, metadata: Cow::Owned(Metadata::new()) }
}

fn response(ending: Ending) -> ResponseHeader<'static> {
    ResponseHeader { ending, total: None, metadata: Cow::Owned(Metadata::new()) }
}

fn status(code: Code, not_executed: bool, message: &str) -> Ending {
    Ending::Status { code, not_executed, message: message.to_owned() }
}

/// What the fields `rest` behind the names make of a request.
fn request_error(rest: &str) -> HeaderError {
    let header = hex(&format!("{NAMES} {rest}"));
    RequestHeader::decode(&header, 64).expect_err("the header is refused")
}

fn response_error(header: &str) -> HeaderError {
    ResponseHeader::decode(&hex(header), 64).expect_err("the header is refused")
}

#[track_caller]
fn request_is(golden: &str, header: &RequestHeader<'_>) {
    let golden = hex(golden);
    let mut out = Vec::new();
    header.put(&mut out);
    assert_eq!(out, golden);
    assert_eq!(header.encoded_len(), golden.len());
    assert_eq!(RequestHeader::decode(&golden, 64).as_ref(), Ok(header));
}

#[track_caller]
fn response_is(golden: &str, header: &ResponseHeader<'_>) {
    let golden = hex(golden);
    let mut out = Vec::new();
    header.put(&mut out);
    assert_eq!(out, golden);
    assert_eq!(header.encoded_len(), golden.len());
    assert_eq!(ResponseHeader::decode(&golden, 64).as_ref(), Ok(header));
}

#[test]
fn the_fields_of_a_request_are_written_in_the_order_of_their_tags() {
    request_is(NAMES, &request());
    let timeout = Some(Duration::from_micros(300));
    request_is("01 01 53 02 02 AC 02 03 01 6D", &RequestHeader { timeout, ..request() });
    request_is("01 01 53 02 01 00 03 01 6D", &RequestHeader { timeout: Some(Duration::ZERO), ..request() });
    request_is("01 01 53 03 01 6D 05 03 80 80 04", &RequestHeader { total: Some(65_536), ..request() });
    let mut metadata = Metadata::new();
    metadata.append("k", "v");
    metadata.append("k", "");
    request_is(
        "01 01 53 03 01 6D 04 03 01 6B 76 04 02 01 6B",
        &RequestHeader { metadata: Cow::Owned(metadata), ..request() },
    );
}

#[test]
fn the_fields_of_a_response_are_written_in_the_order_of_their_tags() {
    response_is("", &response(Ending::Ok));
    response_is("01 01 01", &response(Ending::ServiceError));
    response_is("01 01 03", &response(Ending::Opened));
    response_is("05 01 7F", &ResponseHeader { total: Some(127), ..response(Ending::Ok) });
    response_is("01 01 02 03 01 10", &response(status(Code::Unauthenticated, false, "")));
    let mut metadata = Metadata::new();
    metadata.append("k", "v");
    response_is(
        "01 01 02 02 02 6E 6F 03 01 08 04 03 01 6B 76 05 01 09 07 00",
        &ResponseHeader {
            ending: status(Code::ResourceExhausted, true, "no"),
            total: Some(9),
            metadata: Cow::Owned(metadata),
        },
    );
}

#[test]
fn the_fields_of_a_goaway_are_read() {
    let encoded = GoAwayHeader::encode(Code::Unavailable, "no");
    assert_eq!(encoded, hex("02 02 6E 6F 03 01 0E"));
    let decoded = GoAwayHeader { code: Code::Unavailable, message: "no".to_owned() };
    assert_eq!(GoAwayHeader::decode(&encoded), Ok(decoded));
    assert_eq!(GoAwayHeader::decode(&[]), Ok(GoAwayHeader { code: Code::Ok, message: String::new() }));
    assert_eq!(GoAwayHeader::decode(&hex("09 00")), Err(HeaderError::UnknownField { tag: 9 }));
    assert!(matches!(GoAwayHeader::decode(&hex("02 01 FF")), Err(HeaderError::Malformed(_))));
}

#[test]
fn fields_come_in_any_order_and_an_explicit_ok_is_ok() {
    let header = hex("05 01 09 03 01 6D 02 01 07 01 01 53");
    let expected = RequestHeader { timeout: Some(Duration::from_micros(7)), total: Some(9), ..request() };
    assert_eq!(RequestHeader::decode(&header, 64), Ok(expected));
    assert_eq!(ResponseHeader::decode(&hex("01 01 00"), 64), Ok(response(Ending::Ok)));
    let ending = status(Code::NotFound, true, "x");
    assert_eq!(ResponseHeader::decode(&hex("07 00 03 01 05 02 01 78 01 01 02"), 64), Ok(response(ending)));
}

#[test]
fn unknown_even_fields_are_skipped_whatever_they_hold() {
    let header = hex(&format!("06 00 {NAMES} E8 07 03 FF FF FF 06 01 00"));
    assert_eq!(RequestHeader::decode(&header, 64), Ok(request()));
    assert_eq!(ResponseHeader::decode(&hex("08 01 00 01 01 01"), 64), Ok(response(Ending::ServiceError)));
}

#[test]
fn unknown_odd_fields_are_told_by_their_tag() {
    assert_eq!(request_error("07 00"), HeaderError::UnknownField { tag: 7 });
    // A tag that is a known one only in its low byte.
    assert_eq!(request_error("81 02 00"), HeaderError::UnknownField { tag: 257 });
    assert_eq!(response_error("09 00"), HeaderError::UnknownField { tag: 9 });
    let told = HeaderError::UnknownField { tag: 9 }.to_string();
    assert_eq!(told, "header field 9 is required by the peer and unknown here");
}

#[test]
fn a_field_given_twice_is_malformed() {
    let twice = HeaderError::Malformed("a field is given twice");
    for rest in ["01 01 53", "03 01 6D", "02 01 01 02 01 01", "05 01 01 05 01 01"] {
        assert_eq!(request_error(rest), twice, "{rest}");
    }
    for header in ["01 01 01 01 01 01", "07 00 07 00", "02 00 02 00", "03 01 01 03 01 01", "05 01 01 05 01 01"] {
        assert_eq!(response_error(header), twice, "{header}");
    }
}

#[test]
fn names_are_one_to_256_bytes_of_utf_8() {
    let decode = |service: &[u8]| {
        let header =
            [&hex("03 01 6D 01")[..], &[service.len() as u8 | 0x80, (service.len() >> 7) as u8], service].concat();
        RequestHeader::decode(&header, 64).map(|header| header.service.len())
    };
    assert_eq!(decode(&[b'x'; 256]), Ok(256));
    assert_eq!(decode(&[b'x'; 257]), Err(HeaderError::NameTooLong { field: "service", length: 257 }));
    assert_eq!(decode(&[]), Err(HeaderError::Malformed("the service or method name is empty")));
    assert_eq!(decode(&[0xc3, 0x28]), Err(HeaderError::Malformed("a text field is not utf-8")));
    let told = HeaderError::NameTooLong { field: "service", length: 257 }.to_string();
    assert_eq!(told, "the service name has 257 bytes, the limit is 256");
    for one in ["01 01 53", "03 01 6D", ""] {
        let missing = HeaderError::Malformed("the service or method name is missing");
        assert_eq!(RequestHeader::decode(&hex(one), 64), Err(missing));
    }
}

#[test]
fn lengths_that_lie_are_malformed() {
    for rest in [
        "02",                                  // no length
        "02 02 01",                            // one byte less than it says
        "02 80",                               // a length that is cut off
        "80",                                  // a tag that is cut off
        "06 FF FF FF FF FF FF FF FF FF 01",    // 2^64 - 1 bytes
        "06 FF FF FF FF FF FF FF FF FF 02",    // beyond 64 bits
        "FF FF FF FF FF FF FF FF FF FF 01 00", // a tag of eleven bytes
    ] {
        assert!(matches!(request_error(rest), HeaderError::Malformed(_)), "{rest}");
        assert!(matches!(response_error(rest), HeaderError::Malformed(_)), "{rest}");
    }
}

#[test]
fn a_number_field_is_one_varint_and_nothing_else() {
    let malformed = HeaderError::Malformed("a number field is not one varint");
    for value in ["00", "01 80", "02 01 01", "0A FF FF FF FF FF FF FF FF FF 02", "0B 80 80 80 80 80 80 80 80 80 80 00"]
    {
        assert_eq!(request_error(&format!("02 {value}")), malformed, "{value}");
        assert_eq!(request_error(&format!("05 {value}")), malformed, "{value}");
        assert_eq!(response_error(&format!("01 {value}")), malformed, "{value}");
    }
}

#[test]
fn the_longest_timeout_is_kept_and_none_overflows() {
    let header = hex(&format!("{NAMES} 02 0A FF FF FF FF FF FF FF FF FF 01"));
    let longest = RequestHeader::decode(&header, 64).map(|header| header.timeout);
    assert_eq!(longest, Ok(Some(Duration::from_micros(u64::MAX))));
    let mut out = Vec::new();
    RequestHeader { timeout: Some(Duration::MAX), ..request() }.put(&mut out);
    let back = RequestHeader::decode(&out, 64).map(|header| header.timeout);
    assert_eq!(back, Ok(Some(Duration::from_micros(u64::MAX))));
}

#[test]
fn metadata_above_its_limit_is_told_with_both_numbers() {
    let three = hex(&format!("{NAMES} 04 03 01 6B 76 04 03 01 6B 76 04 03 01 6B 76"));
    assert_eq!(RequestHeader::decode(&three, 3).map(|header| header.metadata.len()), Ok(3));
    let error = HeaderError::TooManyEntries { entries: 3, limit: 2 };
    assert_eq!(RequestHeader::decode(&three, 2), Err(error));
    assert_eq!(ResponseHeader::decode(&three[6..], 2), Err(error));
    assert_eq!(error.to_string(), "3 metadata entries, more than max_metadata, 2");
}

#[test]
fn metadata_that_lies_is_malformed() {
    for entry in [
        "00",                               // not even a key length
        "01 01",                            // a key of one byte that is not there
        "02 80 00",                         // a key length in two bytes: an empty key, an empty value
        "0A FF FF FF FF FF FF FF FF FF 01", // a key of 2^64 - 1 bytes
        "02 01 FF",                         // a key that is not utf-8
        "02 00 FF",                         // a value that is not utf-8
    ] {
        let header = hex(&format!("04 {entry}"));
        let decoded = ResponseHeader::decode(&header, 64);
        if entry == "02 80 00" {
            assert_eq!(decoded.map(|header| header.metadata.get("").map(str::len)), Ok(Some(0)));
        } else {
            assert!(matches!(decoded, Err(HeaderError::Malformed(_))), "{entry}");
        }
    }
}

#[test]
fn a_status_needs_a_code_and_nothing_else_may_have_one() {
    let without = HeaderError::Malformed("a status without a code");
    assert_eq!(response_error("01 01 02"), without);
    assert_eq!(response_error("01 01 02 03 01 00"), without);
    let stray = HeaderError::Malformed("fields of a status where there is none");
    for header in ["03 01 05", "01 01 01 03 01 05", "01 01 00 02 00", "01 01 03 07 00"] {
        assert_eq!(response_error(header), stray, "{header}");
    }
    assert_eq!(response_error("01 01 04"), HeaderError::Malformed("an unknown kind of status"));
    assert_eq!(response_error("01 01 02 03 01 05 07 01 00"), HeaderError::Malformed("not executed carries no bytes"));
    assert_eq!(response_error("01 01 02 02 01 FF"), HeaderError::Malformed("a text field is not utf-8"));
}

#[test]
fn a_code_of_a_later_version_is_unknown() {
    let decoded = ResponseHeader::decode(&hex("01 01 02 03 02 91 01"), 64);
    assert_eq!(decoded, Ok(response(status(Code::Unknown, false, ""))));
}

#[test]
fn a_status_that_says_ok_is_written_as_unknown() {
    let mut out = Vec::new();
    response(status(Code::Ok, false, "")).put(&mut out);
    assert_eq!(out, hex("01 01 02 03 01 02"));
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let entries = prop::collection::vec(("[a-z]{0,6}", ".{0,200}"), 0..5);
    entries.prop_map(|entries| {
        entries.into_iter().fold(Metadata::new(), |mut metadata, (key, value)| {
            metadata.append(key, value);
            metadata
        })
    })
}

fn endings() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Ok),
        Just(Ending::ServiceError),
        Just(Ending::Opened),
        (1..17_u64, any::<bool>(), ".{0,200}").prop_map(|(code, not_executed, message)| Ending::Status {
            code: Code::from_number(code),
            not_executed,
            message,
        }),
    ]
}

proptest! {
    #[test]
    fn every_request_header_comes_back(
        service in "\\PC{1,64}",
        method in "\\PC{1,64}",
        timeout: Option<u64>,
        total: Option<u64>,
        metadata in metadata(),
    ) {
        let timeout = timeout.map(Duration::from_micros);
        let metadata = Cow::Borrowed(&metadata);
        let header = RequestHeader { service: &service, method: &method, timeout, total, metadata };
        let mut out = Vec::new();
        header.put(&mut out);
        prop_assert_eq!(header.encoded_len(), out.len());
        prop_assert_eq!(RequestHeader::decode(&out, 64), Ok(header));
    }

    #[test]
    fn every_response_header_comes_back(ending in endings(), total: Option<u64>, metadata in metadata()) {
        let header = ResponseHeader { ending, total, metadata: Cow::Borrowed(&metadata) };
        let mut out = Vec::new();
        header.put(&mut out);
        prop_assert_eq!(header.encoded_len(), out.len());
        prop_assert_eq!(ResponseHeader::decode(&out, 64), Ok(header));
    }

    #[test]
    fn no_bytes_make_a_header_panic(header in prop::collection::vec(0..=12_u8, 0..40), noise: Vec<u8>) {
        for bytes in [&header, &noise] {
            let _ = RequestHeader::decode(bytes, 2);
            let _ = ResponseHeader::decode(bytes, 2);
            let _ = GoAwayHeader::decode(bytes);
        }
    }
}
