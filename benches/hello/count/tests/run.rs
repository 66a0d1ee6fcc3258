//! The programs that are counted do what they say. Those of others are compiled on demand, for that takes minutes.

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

#[test]
fn ours_says_hello() {
    says_hello("ours");
}

#[test]
#[ignore = "compiles tarpc"]
fn tarpc_says_hello() {
    says_hello("tarpc");
}

#[test]
#[ignore = "compiles tonic"]
fn tonic_says_hello() {
    says_hello("tonic");
}

#[test]
#[ignore = "compiles jsonrpsee"]
fn jsonrpsee_says_hello() {
    says_hello("jsonrpsee");
}

#[test]
#[ignore = "compiles remoc"]
fn remoc_says_hello() {
    says_hello("remoc");
}

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs both programs as they are. The server says nothing when it is ready, so the client asks until it is.
fn says_hello(framework: &str) {
    let package = format!("hello-{framework}");
    let built = cargo().args(["build", "--quiet", "-p", &package]).status().expect("cargo runs");
    assert!(built.success());
    // Not by cargo, whose child would outlive it.
    let folder = std::env::current_exe().expect("this is one").ancestors().nth(2).expect("deps/").to_owned();
    let program = |name| Command::new(folder.join(format!("{framework}-{name}")));
    let _server = Server(program("server").spawn().expect("the server starts"));
    let begin = Instant::now();
    loop {
        let client = program("client").output().expect("the client starts");
        if client.status.success() {
            assert_eq!(String::from_utf8_lossy(&client.stdout), "hello, world\n");
            return;
        }
        let error = String::from_utf8_lossy(&client.stderr);
        assert!(begin.elapsed() < Duration::from_secs(10), "{error}");
    }
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}
