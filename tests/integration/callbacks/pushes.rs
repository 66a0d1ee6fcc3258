//! What calls back are for: news that a server pushes to those who subscribed, and the progress of a long call.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_runtime::{Channel, Code, Context, Server, Status, rpc_service, testing};
use tokio::sync::mpsc;

use super::{PartyClient, spawn, within};

#[rpc_service]
trait News {
    /// Pushes all that is told from now on to the caller's `Reader`.
    async fn subscribe(&self, topic: String);
    /// How many subscribers were reached.
    async fn tell(&self, topic: String, text: String) -> usize;
    /// Tells the caller how far it is, by hundredths.
    async fn print(&self, sheets: u64) -> Result<u64, Status>;
}

#[rpc_service]
trait Reader {
    async fn read(&self, topic: String, text: String);
    async fn progress(&self, sheets: u64);
}

#[derive(Default)]
struct Office(Mutex<Vec<(String, ReaderClient)>>);

impl News for Office {
    async fn subscribe(&self, topic: String) {
        self.0.lock().unwrap().push((topic, ReaderClient::new(Channel::caller())));
    }
    async fn tell(&self, topic: String, text: String) -> usize {
        let readers = self.0.lock().unwrap().clone();
        let mut reached = 0;
        for (_, reader) in readers.iter().filter(|(of, _)| *of == topic) {
            match reader.read(topic.clone(), text.clone()).await {
                Ok(()) => reached += 1,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
            }
        }
        reached
    }
    async fn print(&self, sheets: u64) -> Result<u64, Status> {
        let caller = ReaderClient::new(Channel::caller());
        for sheet in 1..=sheets {
            caller.progress(sheet).await?;
        }
        Ok(sheets)
    }
}

/// What was read, in order.
struct Eyes(mpsc::Sender<String>);

impl Reader for Eyes {
    async fn read(&self, topic: String, text: String) {
        self.0.send(format!("{topic}: {text}")).await.expect("the test reads");
    }
    async fn progress(&self, sheets: u64) {
        self.0.send(sheets.to_string()).await.expect("the test reads");
    }
}

fn eyes() -> (ReaderServer<Eyes>, mpsc::Receiver<String>) {
    let (tx, rx) = mpsc::channel(100);
    (ReaderServer::new(Eyes(tx)), rx)
}

fn taken(rx: &mut mpsc::Receiver<String>) -> Vec<String> {
    std::iter::from_fn(|| rx.try_recv().ok()).collect()
}

#[tokio::test]
async fn a_server_pushes_to_those_who_subscribed_and_to_nobody_else() {
    let server = Server::builder().service(NewsServer::new(Office::default())).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.local_address().to_owned();
    spawn(server.serve());
    let mut readers = Vec::new();
    for topic in ["sport", "weather", "sport"] {
        let (reader, rx) = eyes();
        let news = NewsClient::new(Channel::builder().service(reader).connect(&address).await.unwrap());
        news.subscribe(topic.to_owned()).await.unwrap();
        readers.push((news, rx));
    }
    let teller = NewsClient::new(Channel::connect(&address).await.unwrap());
    let tell = |topic: &str, text: &str| teller.tell(topic.to_owned(), text.to_owned());
    assert_eq!(tell("sport", "one nil").await.unwrap(), 2);
    assert_eq!(tell("weather", "rain").await.unwrap(), 1);
    assert_eq!(tell("sport", "two nil").await.unwrap(), 2);
    for (n, expected) in [(0, &["sport: one nil", "sport: two nil"][..]), (1, &["weather: rain"])] {
        assert_eq!(taken(&mut readers[n].1), expected);
    }
    let (left, mut its) = readers.pop().unwrap();
    drop(left);
    assert_eq!(taken(&mut its).len(), 2);
    assert_eq!(within("the news", its.recv()).await, None, "its service is dropped with the connection");
    assert_eq!(tell("sport", "three nil").await.unwrap(), 1, "who has gone is told of at once");
}

#[tokio::test]
async fn a_long_call_tells_its_caller_of_its_progress() {
    let (reader, mut rx) = eyes();
    let server = Server::builder().service(NewsServer::new(Office::default()));
    let (channel, _link) = testing::link(server, Channel::builder().service(reader)).await.unwrap();
    let printed = NewsClient::new(channel).print(5);
    assert_eq!(within("the print", printed).await.unwrap(), 5);
    assert_eq!(taken(&mut rx), ["1", "2", "3", "4", "5"]);
}

/// An hour of silence on either side costs a listener nothing.
#[tokio::test(start_paused = true)]
async fn a_client_that_only_listens_is_reached_after_a_long_silence() {
    let (reader, mut rx) = eyes();
    let office = Arc::new(Office::default());
    let server = Server::builder().service(NewsServer::from_arc(Arc::clone(&office)));
    let (channel, _link) = testing::link(server, Channel::builder().service(reader)).await.unwrap();
    NewsClient::new(channel.clone()).subscribe("all".to_owned()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(office.tell("all".to_owned(), "nothing new".to_owned()).await, 1);
    assert_eq!(taken(&mut rx), ["all: nothing new"]);
}

#[rpc_service]
trait Background {
    /// The codes that calls back end with in tasks of the handler: with its context, detached, and without.
    async fn start(&self) -> Vec<String>;
}

struct Tasks;

impl Background for Tasks {
    async fn start(&self) -> Vec<String> {
        let call = || async {
            let sum = PartyClient::new(Channel::caller()).add(1, 2).await;
            sum.map_or_else(|status| status.code().to_string(), |sum| sum.to_string())
        };
        let context = Context::current();
        let tasks = [spawn(context.scope(call())), spawn(context.detached().scope(call())), spawn(call())];
        let mut codes = Vec::new();
        for task in tasks {
            codes.push(task.await.expect("it does not panic"));
        }
        codes
    }
}

#[tokio::test]
async fn tasks_call_back_in_the_context_of_their_handler_also_detached() {
    let here = super::End::new();
    let server = Server::builder().service(BackgroundServer::new(Tasks));
    let (channel, _link) = testing::link(server, Channel::builder().service(here.service())).await.unwrap();
    assert_eq!(BackgroundClient::new(channel).start().await.unwrap(), ["3", "3", "FAILED_PRECONDITION"]);
}

#[tokio::test]
async fn a_channel_to_the_caller_goes_on_after_its_handler_has_returned() {
    let pair = super::Pair::new().await;
    let caller = pair.met().await;
    assert_eq!(within("the call back", caller.add(1, 2)).await.unwrap(), 3);
}
