//! Items of all sizes: none at all, larger than the window, and at the limit of messages and above it.

use futures_util::{StreamExt, stream};
use rpc_runtime::{Channel, Code, Limits};

use super::{Linked, collect, complete, within};

/// A vector of so many bytes takes so many more to be encoded.
const LENGTH: u64 = 5;

fn limits(max_message: u32) -> Limits {
    Limits::default().max_message(max_message)
}

#[tokio::test]
async fn an_item_larger_than_the_window_goes_through_in_both_directions() {
    let small = || limits(4 << 20).stream_window(1_000, 1_000);
    let linked = Linked::with(small(), Channel::builder().limits(small())).await;
    for size in [967, 968, 1_000, 65_536, 1 << 20] {
        let blocks = within("the blocks", complete(linked.tides.blocks(3, size).await.unwrap())).await;
        assert!(blocks.len() == 3 && blocks.iter().all(|block| block.len() as u64 == size), "{size}");
        let sent = stream::iter(0..3).map(move |_| vec![1; size as usize]);
        assert_eq!(within("the size", linked.tides.size(sent)).await.unwrap(), 3 * size);
    }
    linked.is_as_before().await;
}

#[tokio::test]
async fn an_item_at_the_limit_goes_through_and_one_above_it_costs_its_call_alone() {
    let linked = Linked::with(limits(1 << 20), Channel::builder().limits(limits(1 << 20))).await;
    let most = (1 << 20) - LENGTH;
    let beside = linked.tides.hang(1).await.unwrap();
    let blocks = within("the blocks", complete(linked.tides.blocks(2, most).await.unwrap())).await;
    assert_eq!(blocks.len(), 2);
    assert_eq!(linked.tides.size(stream::iter([vec![1; most as usize]])).await.unwrap(), most);

    let (items, status) = within("the end", collect(linked.tides.blocks(2, 1 << 20).await.unwrap())).await;
    assert!(items.is_empty());
    is_too_large(&status.unwrap(), 1 << 20, 1 << 20);
    let sent = stream::iter([vec![1; 10], vec![1; 1 << 20]]);
    let status = within("the end", linked.tides.size(linked.here.watched(sent))).await.unwrap_err();
    is_too_large(&status, 1 << 20, 1 << 20);
    assert_eq!(linked.channel.stats().protocol_faults, 0);
    drop(beside);
    linked.is_as_before().await;
}

#[tokio::test]
async fn an_item_above_what_the_other_side_accepts_is_not_sent_from_either_side() {
    for (ours, theirs) in [(16 << 20, 1 << 20), (1 << 20, 16 << 20)] {
        let linked = Linked::with(limits(theirs), Channel::builder().limits(limits(ours))).await;
        let sent = stream::iter([vec![1; 12 << 20]]);
        let status = within("the end", linked.tides.size(sent)).await.unwrap_err();
        is_too_large(&status, 12 << 20, 1 << 20);
        if theirs > ours {
            let (_, status) = within("the end", collect(linked.tides.blocks(1, 12 << 20).await.unwrap())).await;
            is_too_large(&status.unwrap(), 12 << 20, 1 << 20);
        }
        linked.is_as_before().await;
    }
}

#[tokio::test]
async fn items_that_are_packed_together_are_as_small_as_the_other_side_accepts() {
    let linked = Linked::with(limits(16_384), Channel::builder()).await;
    let sent = stream::iter([vec![1; 16_000], vec![1; 17_000], vec![1; 16_000]]);
    let status = within("the end", linked.tides.size(sent)).await.unwrap_err();
    is_too_large(&status, 17_000, 16_384);
    linked.is_as_before().await;
}

fn is_too_large(status: &rpc_runtime::Status, size: u64, limit: u64) {
    let text = status.message();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, true), "{status}");
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap_or(0);
    let sizes: Vec<u64> = text.split([' ', ',']).map(number).filter(|number| *number > 0).collect();
    assert!(sizes.len() == 2 && (size..=size + LENGTH).contains(&sizes[0]) && sizes[1] == limit, "{status}");
    assert!(text.contains("max_message"), "{status}");
}
