//! The quickstart as a stranger runs it: a readable line for each call, and a good end.

use std::process::Command;

#[test]
fn the_quickstart_says_a_line_for_each_call_and_ends() {
    let mut run = Command::new(env!("CARGO"));
    run.args(["run", "--quiet", "-p", "examples", "--example", "quickstart"]);
    if !cfg!(debug_assertions) {
        run.arg("--release");
    }
    let output = run.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    let beginnings = [
        "serving at tcp://127.0.0.1:",
        "sum(1, 2) = 3",
        "divide(7, 2) = 3",
        "divide(7, 0): division by zero",
        // In the order in which they ended.
        "sleep(20) = ",
        "sleep(40) = ",
        "sleep(60) = ",
        "sleep(10000) within 50 ms: DEADLINE_EXCEEDED: Arith.sleep at tcp://127.0.0.1:",
        "power(2, 10): UNIMPLEMENTED: Arith.power at tcp://127.0.0.1:",
        "10,000 calls at once: 10000 right, in ",
    ];
    assert_eq!(said.lines().count(), beginnings.len(), "{said}");
    for (line, beginning) in said.lines().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line} does not begin with {beginning}");
    }
}
