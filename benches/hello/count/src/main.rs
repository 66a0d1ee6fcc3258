//! Counts what a newcomer writes for a service that says hello, in each framework, off the syntax of the programs
//! beside this one. `cargo run -p count` prints the table; the rule stands in the README beside it, and a test holds
//! that the table there is this one.

mod names;
mod statements;

use std::{error::Error, fs, path::Path};

use names::Names;

/// Each framework: its folder, what the table calls it, and its crates.
const SUBJECTS: [(&str, &str, &[&str]); 5] = [
    ("ours", "**this one**", &["rpc_runtime"]),
    ("tarpc", "tarpc 0.38", &["tarpc"]),
    ("tonic", "tonic 0.14", &["tonic", "tonic_prost_build"]),
    ("jsonrpsee", "jsonrpsee 0.26", &["jsonrpsee"]),
    ("remoc", "remoc 0.20", &["remoc"]),
];

/// In every program, or in place of a program that would have to be installed.
const NOT_COUNTED: [&str; 2] = ["tokio", "protox"];

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    print!("{}", table()?);
    Ok(())
}

fn table() -> Result<String, Failure> {
    let mut table = String::from("| | statements | names | crates named | beside Rust |\n|---|---|---|---|---|\n");
    for (folder, title, crates) in SUBJECTS {
        table += &row(folder, title, crates)?;
    }
    Ok(table)
}

fn row(folder: &str, title: &str, crates: &[&str]) -> Result<String, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut names = Names::new(crates, declared(&folder)?);
    let mut of_main = [0; 3];
    for (count, file) in of_main.iter_mut().zip(["src/server.rs", "src/client.rs", "build.rs"]) {
        let path = folder.join(file);
        if path.exists() {
            let syntax = syn::parse_file(&fs::read_to_string(path)?)?;
            *count = statements::of_main(&syntax);
            names.collect(&syntax);
        }
    }
    names.collect(&syn::parse_file(&fs::read_to_string(folder.join("src/lib.rs"))?)?);
    let [server, client, build] = of_main;
    let beside = match lines(&folder.join("hello.proto"))? {
        0 => String::new(),
        lines => format!("{lines} lines of protobuf, and a build script with {build} statement"),
    };
    Ok(format!(
        "| {title} | {} ({server} + {client}) | {} ({} + {} + {}) | {} | {beside} |\n",
        server + client + build,
        names.framework.len() + names.generated.len() + names.others.len(),
        names.framework.len(),
        names.generated.len(),
        names.others.len(),
        dependencies(&folder)?,
    ))
}

/// The names of the service itself: its own, and those of the messages in a `.proto`.
fn declared(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut declared = vec!["Hello".to_owned()];
    let path = folder.join("hello.proto");
    if path.exists() {
        let text = fs::read_to_string(path)?;
        declared
            .extend(text.lines().filter_map(|line| Some(line.strip_prefix("message ")?.split(' ').next()?.to_owned())));
    }
    Ok(declared)
}

/// The lines of a file that say something, none if it is not there.
fn lines(path: &Path) -> Result<usize, Failure> {
    if !path.exists() {
        return Ok(0);
    }
    Ok(fs::read_to_string(path)?.lines().filter(|line| !line.trim().is_empty()).count())
}

/// How many crates a `Cargo.toml` asks for.
fn dependencies(folder: &Path) -> Result<usize, Failure> {
    let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml"))?.parse()?;
    let tables = ["dependencies", "build-dependencies"].into_iter().filter_map(|name| manifest.get(name)?.as_table());
    Ok(tables.flat_map(toml::Table::keys).filter(|name| !NOT_COUNTED.contains(&name.as_str())).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_readme_is_what_is_counted() {
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("there is one");
        let table = table().expect("the programs can be read");
        assert!(readme.contains(&table), "the README beside the programs should have\n{table}");
    }
}
