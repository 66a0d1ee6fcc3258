//! The processes that the conductor starts, one by one.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn chaos(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ended with the test, also by a panic.
struct Process(Child);

impl Process {
    /// One that has said its first line.
    fn that_is_there(role: &str, settings: &str) -> (Self, String) {
        let mut process = Self(chaos(&[role, settings]).spawn().expect("it can be started"));
        let mut line = String::new();
        let output = process.0.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("it is text");
        (process, line)
    }

    fn ends(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.0.try_wait().expect("it is a child").is_some() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn a_server_and_a_proxy_end_when_whoever_started_them_has_gone() {
    for (role, settings) in [("server", "{}"), ("proxy", r#"{"server":"tcp://127.0.0.1:1","seed":null}"#)] {
        let (mut process, line) = Process::that_is_there(role, settings);
        assert!(line.contains("tcp://127.0.0.1:"), "{role}: {line}");
        assert!(process.0.try_wait().unwrap().is_none(), "{role} ended by itself");
        drop(process.0.stdin.take());
        assert!(process.ends(), "{role} goes on without its conductor");
    }
}

#[test]
fn a_client_ends_when_whoever_started_it_has_gone() {
    let (_server, line) = Process::that_is_there("server", "{}");
    let address = line.split('"').find(|word| word.starts_with("tcp://")).unwrap();
    let (mut client, line) = Process::that_is_there("client", &format!(r#"{{"servers":["{address}"]}}"#));
    assert!(line.contains("Connected"), "{line}");
    drop(client.0.stdin.take());
    assert!(client.ends(), "the client goes on without its conductor");
}

#[test]
fn what_can_not_be_understood_is_an_error_that_says_what_there_is() {
    for arguments in [&["nothing"][..], &["--nothing"], &["soak", "--minutes"], &["cook", "{}"]] {
        let Output { status, stderr, .. } = chaos(arguments).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
        assert!(said.contains("usage: chaos") || said.contains("no role"), "{arguments:?}: {said}");
    }
}
