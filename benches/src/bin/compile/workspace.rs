//! The crates of one subject in a folder of their own, and what cargo makes of them.
//!
//! `desk-N` is a program with a service of N methods, `api-N` its types and trait alone, `bare-N` the same without what
//! makes a service of the trait.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bench::cpu;
use bench::subject::Failure;

use crate::subjects::Subject;

/// A cargo workspace with its own lock file and target directory.
pub struct Workspace {
    folder: PathBuf,
}

/// How cargo builds.
#[derive(Clone, Copy, PartialEq)]
pub enum Profile {
    /// Its default.
    Debug,
    /// With `--release`; programs are stripped.
    Release,
}

/// What a build took, in seconds.
pub struct Cost {
    /// By the clock.
    pub wall: f64,
    /// User and system time of all its processes.
    pub cpu: f64,
}

/// The text of something: its bytes, and its lines.
#[derive(Clone, Copy)]
pub struct Length {
    /// In UTF-8.
    pub bytes: usize,
    /// That end.
    pub lines: usize,
}

impl Profile {
    /// Both, in the order in which they are measured.
    pub const ALL: [Self; 2] = [Self::Debug, Self::Release];

    /// As cargo names its directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

impl Workspace {
    /// Writes all crates, and downloads what they depend on.
    pub fn create(folder: &Path, project: &Path, subject: &Subject, counts: &[usize]) -> Result<Self, Failure> {
        let workspace = Self { folder: folder.join(subject.name) };
        let dependencies = subject.dependencies(project);
        let members = counts.iter().flat_map(|count| ["desk", "api", "bare"].map(|kind| format!("\"{kind}-{count}\"")));
        let members = members.collect::<Vec<_>>().join(", ");
        let manifest =
            format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[profile.release]\nstrip = true\n");
        workspace.write("Cargo.toml", &manifest)?;
        for count in counts {
            let [api, bare] = [false, true].map(|bare| subject.service(*count, bare));
            let program = (subject.program)(*count);
            workspace.write(&format!("desk-{count}/src/service.rs"), &api)?;
            for (kind, file, text) in [("desk", "main.rs", program), ("api", "lib.rs", api), ("bare", "lib.rs", bare)] {
                let package =
                    format!("[package]\nname = \"{kind}-{count}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n");
                let manifest = format!("{package}\n[dependencies]\n{dependencies}");
                workspace.write(&format!("{kind}-{count}/Cargo.toml"), &manifest)?;
                workspace.write(&format!("{kind}-{count}/src/{file}"), &text)?;
            }
        }
        workspace.write("nightly", "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec \"$@\"\n")?;
        fs::set_permissions(workspace.folder.join("nightly"), Permissions::from_mode(0o755))?;
        run(workspace.cargo("fetch", &["--quiet"]))?;
        Ok(workspace)
    }

    /// The crates that a program is made of, itself included.
    pub fn crates(&self, count: usize) -> Result<usize, Failure> {
        let package = format!("desk-{count}");
        let tree =
            run(self.cargo("tree", &["-p", &package, "-e", "normal,build", "--prefix", "none", "--format", "{p}"]))?;
        // A crate in several places is marked from the second one on.
        let crates = tree.lines().map(|line| line.split(" (").next().unwrap_or(line)).filter(|line| !line.is_empty());
        Ok(crates.collect::<BTreeSet<_>>().len())
    }

    /// Builds a program and all that it depends on, from nothing.
    pub fn build_all(&self, count: usize, profile: Profile) -> Result<Cost, Failure> {
        let built = self.folder.join("target").join(profile.name());
        if built.exists() {
            fs::remove_dir_all(built)?;
        }
        self.build(count, profile)
    }

    /// Builds a program once more, with all that it depends on there already.
    pub fn build_leaf(&self, count: usize, profile: Profile) -> Result<Cost, Failure> {
        let program = format!("desk-{count}/src/main.rs");
        let text = fs::read_to_string(self.folder.join(&program))?;
        self.write(&program, &text)?;
        self.build(count, profile)
    }

    /// Builds what is missing of a program.
    pub fn build(&self, count: usize, profile: Profile) -> Result<Cost, Failure> {
        let package = format!("desk-{count}");
        let mut arguments = vec!["--quiet", "-j2", "-p", &package];
        if matches!(profile, Profile::Release) {
            arguments.push("--release");
        }
        let (began, before) = (Instant::now(), cpu::spent_by_children()?);
        run(self.cargo("build", &arguments))?;
        let cpu = cpu::spent_by_children()?.saturating_sub(before).as_secs_f64();
        Ok(Cost { wall: began.elapsed().as_secs_f64(), cpu })
    }

    /// The size of a stripped program, in bytes. It has been built, and is run first: what does not work is no subject.
    pub fn program_size(&self, count: usize) -> Result<u64, Failure> {
        let program = self.folder.join("target/release").join(format!("desk-{count}"));
        run(Command::new(&program))?;
        Ok(fs::metadata(&program)?.len())
    }

    /// What the macros make of the trait: all that the compiler sees of `api-N` less what it sees of `bare-N`.
    pub fn expansion(&self, count: usize) -> Result<Length, Failure> {
        let [with, without] = ["api", "bare"].map(|kind| self.expand(&format!("{kind}-{count}")));
        let (with, without) = (with?, without?);
        Ok(Length { bytes: with.bytes.saturating_sub(without.bytes), lines: with.lines.saturating_sub(without.lines) })
    }

    /// Only this crate is compiled as if by a nightly compiler, so that build scripts see nothing of it.
    fn expand(&self, package: &str) -> Result<Length, Failure> {
        let mut cargo = self.cargo("rustc", &["--quiet", "-j2", "-p", package, "--lib", "--", "-Zunpretty=expanded"]);
        cargo.env("RUSTC_WORKSPACE_WRAPPER", self.folder.join("nightly"));
        let text = run(cargo)?;
        Ok(Length { bytes: text.len(), lines: text.lines().count() })
    }

    fn cargo(&self, command: &str, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.arg(command).args(arguments).current_dir(&self.folder);
        if command != "fetch" {
            cargo.env("CARGO_NET_OFFLINE", "true");
        }
        // What a debug build keeps for the next one would make that a build of nothing.
        cargo.env("CARGO_INCREMENTAL", "0").env("CARGO_TARGET_DIR", self.folder.join("target"));
        cargo.env_remove("RUSTFLAGS").env_remove("RUSTC_WRAPPER");
        cargo
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?)
    }
}

/// Runs a command to its end, and gives what it said.
fn run(mut command: Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
