//! Default methods, supertraits, and the trait as it is implemented.

use std::fmt::Debug;

use rpc_runtime::rpc_service;

use super::serve;

#[rpc_service]
trait Greeter: Debug + Send {
    async fn name(&self) -> String;

    async fn greet(&self, mut greeting: String, twice: bool) -> Result<String, String> {
        if greeting.is_empty() {
            return Err("no greeting".into());
        }
        let name = self.name().await;
        greeting.push(' ');
        greeting.push_str(&name);
        if twice { Ok(format!("{greeting}, {greeting}")) } else { Ok(greeting) }
    }

    async fn boxed(&self, text: &str) -> Result<Box<str>, String> {
        let parsed: u8 = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
        Ok(parsed.to_string().into())
    }

    async fn debug(&self) -> String {
        format!("{self:?}")
    }

    async fn quiet(&self) {}
}

#[derive(Debug)]
struct Ada;

impl Greeter for Ada {
    async fn name(&self) -> String {
        "Ada".into()
    }
}

#[derive(Debug)]
struct Other;

impl Greeter for Other {
    async fn name(&self) -> String {
        "Other".into()
    }
    async fn greet(&self, greeting: String, _: bool) -> Result<String, String> {
        Ok(greeting)
    }
}

#[tokio::test]
async fn a_default_method_runs_unless_it_is_overridden() {
    let ada = GreeterClient::new(serve("mem://macros-ada", GreeterServer::new(Ada)).await);
    assert_eq!(ada.greet("Hello".into(), true).await.unwrap(), "Hello Ada, Hello Ada");
    assert_eq!(ada.greet(String::new(), false).await.unwrap_err().service(), Some(&"no greeting".to_owned()));
    assert_eq!(&*ada.boxed("7").await.unwrap(), "7");
    assert_eq!(ada.debug().await.unwrap(), "Ada");
    ada.quiet().await.unwrap();
    let other = GreeterClient::new(serve("mem://macros-other", GreeterServer::new(Other)).await);
    assert_eq!(other.greet("Hello".into(), true).await.unwrap(), "Hello");
}

#[tokio::test]
async fn an_implementation_can_be_called_without_any_server() {
    assert_eq!(Ada.greet("Hi".into(), false).await.unwrap(), "Hi Ada");
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(is_send(Ada.name()).await, "Ada");
}

#[tokio::test]
async fn clients_and_servers_can_be_cloned_and_printed() {
    let unnamed = GreeterServer::from_arc(std::sync::Arc::new(Ada));
    let server = unnamed.clone().named("greeter");
    assert_eq!(format!("{unnamed:?}"), "GreeterServer { name: \"Greeter\", .. }");
    assert_eq!(format!("{server:?}"), "GreeterServer { name: \"greeter\", .. }");
    let client = GreeterClient::named(serve("mem://macros-clone", server).await, "greeter");
    assert!(format!("{client:?}").starts_with("GreeterClient"));
    assert_eq!(client.clone().name().await.unwrap(), "Ada");
}
