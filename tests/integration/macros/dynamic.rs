//! `#[async_trait]` below `#[rpc_service]`: the trait can be used as `dyn`.

use std::sync::Arc;

use async_trait::async_trait;
use rpc_runtime::rpc_service;

use super::serve;

#[rpc_service]
#[async_trait]
trait Speak {
    async fn speak(&self, to: &str, times: Option<&u8>) -> Result<String, String>;
    async fn default(&self, text: &[String]) -> usize {
        text.len() + self.speak("", None).await.map_or(0, |spoken| spoken.len())
    }
}

struct Dog;
struct Cat(String);

#[async_trait]
impl Speak for Dog {
    async fn speak(&self, to: &str, _: Option<&u8>) -> Result<String, String> {
        Ok(format!("woof {to}"))
    }
}

#[async_trait]
impl Speak for Cat {
    async fn speak(&self, _: &str, times: Option<&u8>) -> Result<String, String> {
        times.map(|times| self.0.repeat(usize::from(*times))).ok_or_else(|| "silent".to_owned())
    }
}

#[tokio::test]
async fn an_implementation_behind_dyn_is_served() {
    let animals: [(&str, Arc<dyn Speak>); 2] =
        [("mem://macros-dog", Arc::new(Dog)), ("mem://macros-cat", Arc::new(Cat("miau".into())))];
    let mut spoken = Vec::new();
    for (address, animal) in animals {
        let client = SpeakClient::new(serve(address, SpeakServer::from_arc(animal)).await);
        spoken.push(client.speak("you", Some(&2)).await.unwrap());
        spoken.push(client.default(&[]).await.unwrap().to_string());
    }
    assert_eq!(spoken, ["woof you", "5", "miaumiau", "0"]);
}

#[tokio::test]
async fn an_implementation_of_a_known_type_is_served_too() {
    let client = SpeakClient::new(serve("mem://macros-concrete", SpeakServer::new(Cat(String::new()))).await);
    assert_eq!(client.speak("you", None).await.unwrap_err().service().unwrap(), "silent");
}
