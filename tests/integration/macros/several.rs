//! Several services beside each other, and a service under other paths than its own.

use rpc_runtime::{Server, prelude::*};

mod inner {
    pub(super) mod deep {
        use rpc_runtime::prelude::*;

        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub(in super::super) struct Row(pub(in super::super) u8);

        #[rpc_service]
        pub(in super::super) trait First {
            async fn get(&self, row: Row) -> Row;
            fn list(&self) -> impl Stream<Item = Row>;
            async fn put(&self, rows: Streaming<Row>) -> usize;
        }
    }
    pub(super) use deep::{First as Rows, FirstClient as RowsClient, FirstServer as RowsServer};
}

use inner::{Rows, RowsClient, RowsServer, deep::Row};

#[rpc_service]
trait Second {
    async fn get(&self, number: u8) -> u8;
    fn list(&self) -> impl Stream<Item = u16>;
}

struct Both;

impl Rows for Both {
    async fn get(&self, row: Row) -> Row {
        row
    }
    fn list(&self) -> impl Stream<Item = Row> {
        futures_util::stream::iter([Row(1)])
    }
    async fn put(&self, rows: Streaming<Row>) -> usize {
        futures_util::StreamExt::count(rows).await
    }
}

impl Second for Both {
    async fn get(&self, number: u8) -> u8 {
        number + 1
    }
    fn list(&self) -> impl Stream<Item = u16> {
        futures_util::stream::iter([2])
    }
}

#[tokio::test]
async fn services_with_methods_of_the_same_name_do_not_meet() {
    let address = "mem://macros-several";
    let server = Server::builder().service(RowsServer::new(Both)).service(SecondServer::new(Both));
    let server = server.bind(address).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(server.serve());
    let channel = Channel::connect(address).await.unwrap();
    let (rows, second) = (RowsClient::new(channel.clone()), SecondClient::new(channel));
    assert_eq!(rows.get(Row(1)).await.unwrap(), Row(1));
    assert_eq!(second.get(1).await.unwrap(), 2);
    assert_eq!(rows.list().await.unwrap().next().await.unwrap().unwrap(), Row(1));
    assert_eq!(second.list().await.unwrap().next().await.unwrap().unwrap(), 2);
    assert_eq!(rows.put(futures_util::stream::iter([Row(1), Row(2)])).await.unwrap(), 2);
}

#[test]
fn a_service_that_is_reexported_keeps_its_name_on_the_wire() {
    assert_eq!(RowsClient::DESCRIPTOR.name, "First");
}
