//! No framework: the trait, its implementation, and calls of that. What serde, tokio and the user's own code cost.

use crate::service::{Method, Returns, calls};
use crate::subjects::{Dialect, Subject};

/// Only what all subjects depend on.
pub const SUBJECT: Subject = Subject { name: "plain", dependencies: "", dialect: DIALECT, program };

const DIALECT: Dialect = Dialect {
    imports: "",
    attribute: "",
    method: "",
    receiver: "&self, ",
    returns: Returns { plain: "{}", value: "{}" },
};

fn program(count: usize) -> String {
    let implementation = DIALECT.implementation(count, "impl Desk for Here", "&self, ");
    let call = |method: Method| {
        let outcome = if method.is_fallible() { ".map_err(text)?" } else { "" };
        format!("client.{}({}).await{outcome}", method.name(), method.arguments())
    };
    HEAD.to_owned() + &implementation + &calls(count, "Here", call)
}

const HEAD: &str = r#"#![allow(dead_code)]

mod service;

use service::*;

struct Here;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    call_all(&Here).await
}

"#;
