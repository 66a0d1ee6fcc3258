//! Items as they stand one behind the other in the bodies of Message frames: `varint length | bytes` each.

use super::varint;

/// What an item costs of its stream's window beside its bytes, so that items without bytes are bounded, too.
pub(crate) const ITEM_COST: usize = 32;

/// Takes an item off the front of `input`; `None` when there is none, or none that is whole.
#[inline]
pub(crate) fn take_item<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *input;
    let length = usize::try_from(varint::take(&mut rest)?).ok()?;
    let (item, behind) = rest.split_at_checked(length)?;
    *input = behind;
    Some(item)
}

/// Makes an item of what stands behind `start` and the `width` bytes that were left free for its length. Gives the
/// width that it took, which is a good one to leave free for the next.
#[inline]
pub(crate) fn close_item(out: &mut Vec<u8>, start: usize, width: usize) -> usize {
    let length = out.len() - start - width;
    let needed = varint::len(length as u64);
    if needed == 1 && width == 1 {
        out[start] = length as u8;
    } else {
        close_wide(out, start, width, needed);
    }
    needed
}

fn close_wide(out: &mut Vec<u8>, start: usize, width: usize, needed: usize) {
    let length = out.len() - start - width;
    if needed > width {
        out.resize(out.len() + needed - width, 0);
    }
    if needed != width {
        out.copy_within(start + width..start + width + length, start + needed);
    }
    out.truncate(start + needed + length);
    let mut rest = length as u64;
    for byte in &mut out[start..start + needed] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[start + needed - 1] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(items: &[Vec<u8>], width: impl Fn(usize) -> usize) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (start, width) = (out.len(), width(index));
            out.resize(start + width, 0);
            out.extend_from_slice(item);
            close_item(&mut out, start, width);
        }
        out
    }

    proptest! {
        #[test]
        fn items_come_back_whatever_width_was_left_free(
            lengths in proptest::collection::vec(0_usize..40_000, 0..6), width in 1_usize..4
        ) {
            let items: Vec<Vec<u8>> = lengths.iter().map(|length| vec![*length as u8; *length]).collect();
            let out = packed(&items, |index| (index + width) % 3 + 1);
            let mut input = &out[..];
            for item in &items {
                prop_assert_eq!(take_item(&mut input), Some(&item[..]));
            }
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_no_item() {
        for bytes in [&[][..], &[1], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0]] {
            assert_eq!(take_item(&mut &bytes[..]), None, "{bytes:?}");
        }
    }
}
