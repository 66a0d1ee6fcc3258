//! Unsigned LEB128: seven bits a byte, the lowest first, at most ten bytes.

/// How many bytes [`put`] writes.
#[inline]
pub(super) const fn len(value: u64) -> usize {
    // Zero takes a byte as well.
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends the shortest form of `value`.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front of `input`. Longer forms than the shortest are taken too; `None` when the
/// bytes end within it or it does not fit 64 bits, and `input` is left as it was.
#[inline]
pub(super) fn take(input: &mut &[u8]) -> Option<u64> {
    if let [byte @ 0..0x80, rest @ ..] = *input {
        *input = rest;
        return Some(u64::from(*byte));
    }
    take_long(input)
}

fn take_long(input: &mut &[u8]) -> Option<u64> {
    let mut rest = *input;
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        if shift == 63 && byte > 1 {
            return None;
        }
        rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            *input = rest;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, value);
        out
    }

    #[test]
    fn numbers_are_written_as_seven_bits_a_byte_lowest_first() {
        assert_eq!(written(0), [0x00]);
        assert_eq!(written(127), [0x7f]);
        assert_eq!(written(128), [0x80, 0x01]);
        assert_eq!(written(300), [0xac, 0x02]);
        assert_eq!(written(u64::MAX), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }

    #[test]
    fn a_number_beyond_64_bits_or_ten_bytes_is_none() {
        let nine = [0xff; 9];
        for tail in [&[0x02][..], &[0x7f], &[0x81, 0x00], &[0x80, 0x80, 0x00]] {
            let bytes = [&nine[..], tail].concat();
            let mut input = &bytes[..];
            assert_eq!(take(&mut input), None, "{bytes:x?}");
            assert_eq!(input, bytes, "nothing was taken");
        }
    }

    #[test]
    fn a_longer_form_of_a_number_is_taken() {
        let mut input = &[0x85, 0x80, 0x00, 0x09][..];
        assert_eq!(take(&mut input), Some(5));
        assert_eq!(input, [0x09]);
    }

    proptest! {
        #[test]
        fn every_number_comes_back_with_the_announced_length_and_no_truncation_is_taken(value: u64, shift in 0..64) {
            let value = value >> shift;
            let bytes = written(value);
            prop_assert_eq!(bytes.len(), len(value));
            prop_assert_eq!(take(&mut &bytes[..]), Some(value));
            for end in 0..bytes.len() {
                prop_assert_eq!(take(&mut &bytes[..end]), None);
            }
        }
    }
}
