//! A channel that was made in one runtime and is used in another, which outlives it.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code};
use tokio::runtime::{Builder, Runtime};

use super::a21_a38_service::{FaultsClient, Seen, serve, serves, settled, within};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn a_channel_made_in_one_runtime_serves_another_and_is_lost_with_its_own() {
    let (servers, makers, users) = (runtime(), runtime(), runtime());
    let seen = Seen::new();
    let (address, _server) = servers.block_on(serve(&seen));
    let client = makers.block_on(async { FaultsClient::new(Channel::connect(&address).await.unwrap()) });
    let pending = users.block_on(async {
        for n in 0..200 {
            assert_eq!(within("a call", client.add(n, 1)).await.unwrap(), n + 1);
        }
        let late = within("its deadline", client.hang().timeout(Duration::from_millis(50))).await.unwrap_err();
        assert_eq!((late.code(), late.may_have_run()), (Code::DeadlineExceeded, true), "{late}");
        let pending: Vec<_> = (0..50).map(|_| client.wait().start()).collect();
        seen.live(50).await;
        pending
    });
    drop(makers);
    users.block_on(async {
        for outcome in within("the pending calls", join_all(pending)).await {
            let status = outcome.unwrap_err();
            assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
        }
        let later = within("a later call", client.add(1, 2)).await.unwrap_err();
        assert_eq!((later.code(), later.may_have_run()), (Code::Unavailable, false), "{later}");
        seen.live(0).await;
        settled(client.channel()).await;
        serves(&address).await;
    });
}
