//! A chat room: each client sends a stream of lines and gets everybody's, its own among them, over one call.
//! `cargo run --example chat`

use futures_util::{StreamExt, future::try_join_all, stream as streams};
use rpc_runtime::{prelude::*, stream};
use tokio::sync::broadcast;

#[rpc_service]
trait Chat {
    /// Who has the stream is in the room; who ends its lines leaves.
    async fn join(&self, name: String, lines: Streaming<String>) -> Result<impl Stream<Item = String>, Status>;
}

struct Room(broadcast::Sender<String>);

impl Chat for Room {
    async fn join(&self, name: String, lines: Streaming<String>) -> Result<impl Stream<Item = String>, Status> {
        if name.is_empty() {
            return Err(Status::invalid_argument("a name is needed"));
        }
        let (said, heard) = (&self.0, self.0.subscribe());
        let heard = streams::unfold(heard, |mut heard| async {
            match heard.recv().await {
                Ok(line) => Some((line, heard)),
                Err(broadcast::error::RecvError::Lagged(lines)) => Some((format!("({lines} lines missed)"), heard)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        });
        let speaking = lines.for_each(move |line| {
            // The last item is an error when the client has gone without a word.
            let line =
                line.map_or_else(|gone| format!("{name} is gone: {}", gone.code()), |line| format!("{name}: {line}"));
            // Fails when nobody is in the room, and this client is.
            let _ = said.send(line);
            std::future::ready(())
        });
        Ok(heard.take_until(speaking))
    }
}

/// Says two lines and listens until six were heard.
async fn visit(address: &str, name: &str, everybody: &tokio::sync::Barrier) -> Result<Vec<String>, Status> {
    let chat = ChatClient::new(Channel::connect(address).await?);
    let (speak, lines) = stream::channel(8);
    let mut heard = chat.join(name.to_owned(), lines).await?;
    everybody.wait().await;
    for line in ["hello", "how are you?"] {
        speak.send(line.to_owned()).await.expect("the room is open");
    }
    let mut all = Vec::new();
    while all.len() < 6 {
        all.extend(heard.next().await.transpose()?);
    }
    drop(speak);
    assert!(heard.next().await.is_none(), "who has left hears nothing");
    Ok(all)
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let room = Room(broadcast::Sender::new(64));
    let server = Server::builder().service(ChatServer::new(room)).bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());

    let (names, everybody) = (["Ada", "Grace", "Edsger"], tokio::sync::Barrier::new(3));
    let visits = try_join_all(names.map(|name| visit(&address, name, &everybody))).await?;
    for line in &visits[0] {
        println!("{line}");
    }
    assert!(visits.iter().all(|lines| *lines == visits[0]), "all hear the same in the same order");

    let nobody = ChatClient::new(Channel::connect(&address).await?).join(String::new(), streams::empty::<String>());
    assert!(nobody.await.is_err_and(|status| status.code() == Code::InvalidArgument));
    Ok(())
}
