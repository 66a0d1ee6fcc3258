//! What is peculiar to the codec bincode in bodies that lie about what they hold.

use std::{collections::BTreeMap, time::Duration};

use super::{Tree, bytes_of, refusal};
use crate::codec::{CodecKind::Bincode, guard};

#[test]
fn elements_without_bytes_are_bounded_in_all() {
    let most = bytes_of(Bincode, &(guard::EMPTY as u64));
    assert_eq!(Bincode.decode::<Vec<()>>(&most).unwrap().len(), guard::EMPTY);
    let more = bytes_of(Bincode, &(guard::EMPTY as u64 + 1));
    refusal::<Vec<()>>(Bincode, &more);
    refusal::<BTreeMap<(), ()>>(Bincode, &more);

    let halves = bytes_of(Bincode, &vec![guard::EMPTY as u64 / 2; 3]);
    assert!(refusal::<Vec<Vec<()>>>(Bincode, &halves).contains("are announced"));
    let trailed = [more.as_slice(), &[1]].concat();
    assert!(refusal::<Vec<()>>(Bincode, &trailed).starts_with("more than 65536 elements consume no byte"));
}

#[test]
fn fields_without_bytes_are_not_counted() {
    let values = vec![(1_u8, (), ()); 2 * guard::EMPTY];
    assert_eq!(Bincode.decode::<Vec<(u8, (), ())>>(&bytes_of(Bincode, &values)).unwrap(), values);
}

#[test]
fn exactly_the_deepest_chain_of_variants_is_accepted() {
    let nested = |levels: usize| [vec![1; levels - 1], vec![0]].concat();
    let depth = usize::from(guard::DEPTH);
    Bincode.decode::<Tree>(&nested(depth)).unwrap();
    refusal::<Tree>(Bincode, &nested(depth + 1));
}

#[test]
fn a_body_of_another_type_is_an_error_that_names_the_likely_cause() {
    let body = bytes_of(Bincode, &("text", 3_u8));
    for text in [
        refusal::<(u64, u64, String)>(Bincode, &body),
        refusal::<bool>(Bincode, &body),
        refusal::<Option<u8>>(Bincode, &body),
        refusal::<Tree>(Bincode, &[200]),
        refusal::<u32>(Bincode, &[253, 0, 0, 0, 0, 1, 0, 0, 0]),
        refusal::<char>(Bincode, &[0xff; 4]),
        refusal::<u8>(Bincode, &[]),
    ] {
        assert!(text.ends_with("; with bincode both ends must have the same types, which may differ here"), "{text}");
    }
    assert!(refusal::<u32>(Bincode, &[252, 1]).starts_with("the body ends"));
}

#[test]
fn a_time_that_can_not_be_is_an_error() {
    let body = bytes_of(Bincode, &(u64::MAX, u32::MAX));
    assert!(refusal::<Duration>(Bincode, &body).contains("overflow"));
}

#[test]
fn a_sequence_of_unknown_length_can_not_be_written() {
    struct Filtered;
    impl serde::Serialize for Filtered {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..9).filter(|number| number % 2 == 0))
        }
    }
    let error = Bincode.encode(&Filtered, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("must know the length"), "{error}");
}
