//! Who is measured. A subject is text: what its manifest depends on, its trait, and the program around it.

use std::path::Path;

use crate::service::{Method, Returns, types};
use crate::{jsonrpsee, ours, plain, tarpc};

/// One of them.
pub struct Subject {
    /// As in the report.
    pub name: &'static str,
    /// The lines of a manifest, beside serde and tokio; `{}` is the folder of this project.
    pub dependencies: &'static str,
    /// What its trait is written with.
    pub dialect: Dialect,
    /// `main.rs` of a program that serves and calls so many methods, in which `service` is a module.
    pub program: fn(usize) -> String,
}

/// How a subject writes the trait.
pub struct Dialect {
    /// What is imported.
    pub imports: &'static str,
    /// What stands above the trait.
    pub attribute: &'static str,
    /// What stands above a method, with `{}` for its name.
    pub method: &'static str,
    /// What stands before the parameters.
    pub receiver: &'static str,
    /// How it returns a value.
    pub returns: Returns,
}

/// All of them, in the order in which they take turns. Ratios are of the first.
pub static SUBJECTS: [Subject; 4] = [ours::SUBJECT, tarpc::SUBJECT, jsonrpsee::SUBJECT, plain::SUBJECT];

/// The name of the one that has no framework at all.
pub const PLAIN: &str = plain::SUBJECT.name;

impl Subject {
    /// What its manifests depend on. Whoever measures measures the same serde and tokio for all.
    pub fn dependencies(&self, project: &Path) -> String {
        let own = self.dependencies.replace("{}", &project.display().to_string());
        format!(
            "{own}serde = {{ version = \"1\", features = [\"derive\"] }}\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt-multi-thread\"] }}\n"
        )
    }

    /// The types and the trait; without what makes a service of it, if `bare`.
    pub fn service(&self, count: usize, bare: bool) -> String {
        let Dialect { imports, attribute, method, receiver, returns } = &self.dialect;
        let head = if bare || attribute.is_empty() { String::new() } else { format!("{attribute}\n") };
        let methods: String = Method::all(count)
            .map(|one| {
                let above = if bare { String::new() } else { method.replace("{}", &one.name()) };
                let (name, parameters, returned) = (one.name(), one.parameters(), one.returned(*returns));
                format!("{above}    async fn {name}({receiver}{parameters}) -> {returned};\n")
            })
            .collect();
        let types = types(count);
        format!(
            "#![allow(async_fn_in_trait, unused_imports)]\n{imports}{types}\n{head}pub trait Desk {{\n{methods}}}\n"
        )
    }
}

impl Dialect {
    /// An implementation of the trait; `first` stands before the parameters.
    pub fn implementation(&self, count: usize, head: &str, first: &str) -> String {
        let methods: String = Method::all(count)
            .map(|method| {
                let (name, parameters) = (method.name(), method.parameters());
                let (returned, body) = (method.returned(self.returns), method.body(self.returns));
                format!("    async fn {name}({first}{parameters}) -> {returned} {{\n        {body}\n    }}\n")
            })
            .collect();
        format!("{head} {{\n{methods}}}\n\n")
    }
}
