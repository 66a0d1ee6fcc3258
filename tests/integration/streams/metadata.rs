//! What travels beside the beginning and the end of a stream when it is more than the caller accepts.

use futures_util::{Stream, stream};
use rpc_runtime::{Channel, Code, Context, Server, Status, rpc_service, testing};

use super::{collect, within};

#[rpc_service]
trait Stamps {
    /// One item, with so many entries of so many bytes beside the beginning.
    async fn early(&self, entries: usize, size: usize) -> Result<impl Stream<Item = u64>, Status>;
    /// The same beside the end.
    fn late(&self, entries: usize, size: usize) -> impl Stream<Item = u64>;
}

struct Office;

impl Stamps for Office {
    async fn early(&self, entries: usize, size: usize) -> Result<impl Stream<Item = u64>, Status> {
        stamp(entries, size);
        Ok(stream::iter([1]))
    }

    fn late(&self, entries: usize, size: usize) -> impl Stream<Item = u64> {
        stream::unfold(0, move |sent| async move {
            if sent == 1 {
                stamp(entries, size);
            }
            (sent == 0).then_some((1, 1))
        })
    }
}

fn stamp(entries: usize, size: usize) {
    for entry in 0..entries {
        Context::current().set_response_metadata(format!("stamp-{entry}"), "x".repeat(size));
    }
}

/// More bytes than a header may have, more than a frame can say, and more entries than are allowed.
const TOO_MUCH: [(usize, usize, &str); 3] =
    [(1, 20_000, "max_header"), (1, 70_000, "max_header"), (65, 1, "max_metadata")];

#[tokio::test]
async fn too_much_metadata_beside_the_beginning_costs_the_call_alone() {
    let server = Server::builder().service(StampsServer::new(Office));
    let (channel, _server) = testing::link(server, Channel::builder()).await.unwrap();
    let stamps = StampsClient::new(channel.clone());
    for (entries, size, limit) in TOO_MUCH {
        let status = within("the refusal", stamps.early(entries, size)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, true), "{status}");
        assert!(status.message().contains(limit) && status.message().contains("Stamps.early"), "{status}");
    }
    let (items, status) = within("the end", collect(stamps.early(1, 1).await.unwrap())).await;
    assert_eq!((items, status.map(|status| status.code())), (vec![1], None));
    assert_eq!(channel.stats().protocol_faults, 0);
}

#[tokio::test]
async fn too_much_metadata_beside_the_end_is_left_out() {
    let server = Server::builder().service(StampsServer::new(Office));
    let (channel, _server) = testing::link(server, Channel::builder()).await.unwrap();
    let stamps = StampsClient::new(channel.clone());
    for (entries, size, _) in TOO_MUCH {
        let mut items = within("the stream", stamps.late(entries, size)).await.unwrap();
        assert_eq!(items.next().await.transpose().unwrap(), Some(1));
        assert!(within("the end", items.next()).await.is_none());
        assert!(items.end_metadata().is_empty());
    }
    assert_eq!(channel.stats().protocol_faults, 0);
}
