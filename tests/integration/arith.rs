//! The two programs of the arith example as their users run them.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use arith_common::{ArithClient, Pair};
use rpc_runtime::Channel;

/// The program, built as these tests are.
fn program(name: &str) -> Command {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "arith-server", "-p", "arith-client"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs").success());
        let tests = std::env::current_exe().expect("this program has a path");
        tests.parent().and_then(|deps| deps.parent()).expect("cargo puts tests into deps/").to_owned()
    });
    Command::new(folder.join(name))
}

fn output(name: &str, arguments: &[&str]) -> Output {
    program(name).args(arguments).output().expect("the program runs")
}

/// A server that is killed when the test ends early.
struct Server {
    child: Child,
    uri: String,
}

impl Server {
    fn start(address: &str) -> Self {
        let mut child = program("arith-server").arg(address).stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
        let uri = line.strip_prefix("listening on ").expect("the server says where it listens").trim_end().to_owned();
        Self { child, uri }
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args(["-s", name, &self.child.id().to_string()])
                .status()
                .expect("kill runs")
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn bad_usage_is_one_line_that_names_address_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix://{}/missing/arith.sock", folder.path().display());
    let taken = Server::start("tcp://127.0.0.1:0");
    let table: &[(&str, &[&str], i32, &[&str])] = &[
        ("arith-server", &[], 2, &["usage: arith-server ADDRESS"]),
        ("arith-client", &[], 2, &["usage: arith-client ADDRESS"]),
        ("arith-client", &["tcp://127.0.0.1:1", "more"], 2, &["usage: arith-client ADDRESS"]),
        ("arith-server", &["localhost:1"], 1, &["\"localhost:1\"", "no scheme"]),
        ("arith-client", &["localhost:1"], 1, &["\"localhost:1\"", "no scheme"]),
        ("arith-server", &[&taken.uri], 1, &[&taken.uri, "already in use"]),
        ("arith-server", &[&nowhere], 1, &[&nowhere, "No such file"]),
        ("arith-client", &["tcp://127.0.0.1:1"], 1, &["tcp://127.0.0.1:1", "refused"]),
        ("arith-client", &[&nowhere], 1, &[&nowhere, "No such file"]),
    ];
    for (name, arguments, code, texts) in table {
        let Output { status, stdout, stderr } = output(name, arguments);
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.len()), (Some(*code), 0), "{name} {arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(texts.iter().all(|text| said.to_lowercase().contains(&text.to_lowercase())), "{said}");
    }
}

#[test]
fn the_client_says_a_line_for_each_call_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["tcp://127.0.0.1:0", &format!("unix://{}/arith.sock", folder.path().display())] {
        let server = Server::start(address);
        let Output { status, stdout, stderr } = output("arith-client", &[&server.uri]);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        let said = String::from_utf8(stdout).unwrap();
        assert!(said.starts_with("add(1, 2) = 3\ndivide(7, 2) = 3, remainder 1\n"), "{said}");
        assert_eq!(said.lines().count(), 7, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_what_is_in_flight_and_ends_with_success_on_either_signal() {
    for name in ["TERM", "INT"] {
        let mut server = Server::start("tcp://127.0.0.1:0");
        let arith = ArithClient::new(Channel::connect(&server.uri).await.unwrap());
        let waiting = arith.wait(200).start();
        // Answered behind it: so the server has read the call that waits.
        assert_eq!(arith.add(Pair { a: 1, b: 2 }).await.unwrap(), 3);
        server.signal(name);
        assert!(waiting.await.unwrap() >= 200);
        let ended = tokio::task::spawn_blocking(move || server.child.wait().unwrap());
        assert_eq!(ended.await.unwrap().code(), Some(0), "after SIG{name}");
    }
}
