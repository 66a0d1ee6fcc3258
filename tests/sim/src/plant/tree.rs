//! A copy of the tracked tree, into which patches are put and taken out again; the tree itself is never touched.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{self, Command, Output},
};

/// The copy, removed when this is dropped.
pub(super) struct Tree {
    root: PathBuf,
    copy: PathBuf,
    /// What is built there, kept from one run to the next.
    pub(super) target: PathBuf,
}

impl Tree {
    /// Copies what git tracks, as it stands in the folder.
    pub(super) fn copy() -> Result<Self, String> {
        let root = PathBuf::from(text(&output(Command::new("git").args(["rev-parse", "--show-toplevel"]))?).trim());
        let copy = env::temp_dir().join(format!("planted-{}", process::id()));
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("planted");
        let tree = Self { root, copy, target };
        let files = output(Command::new("git").args(["ls-files", "-z"]).current_dir(&tree.root))?;
        for file in text(&files).split('\0').filter(|file| !file.is_empty()) {
            tree.copy_file(file).map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(tree)
    }

    /// Where the patches are.
    pub(super) fn patches(&self) -> PathBuf {
        self.root.join("tests/sim/planted")
    }

    /// Puts a mistake in.
    pub(super) fn apply(&self, name: &str) -> Result<(), String> {
        self.patch(name, &[])
    }

    /// Takes a mistake out.
    pub(super) fn take_back(&self, name: &str) -> Result<(), String> {
        self.patch(name, &["--reverse"])
    }

    /// Builds the simulation as it stands: soon, for it will not run for long.
    pub(super) fn build_simulation(&self) -> Result<(), String> {
        let mut build = self.cargo(&["build", "--quiet", "--release", "-p", "sim"]);
        build.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
        output(build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")).map(drop)
    }

    /// What was built last is the simulation without a mistake.
    pub(super) fn keep_as_sound(&self) -> Result<(), String> {
        fs::copy(self.simulation(), self.sound_simulation()).map(drop).map_err(|error| error.to_string())
    }

    pub(super) fn simulation(&self) -> PathBuf {
        self.target.join("release/sim")
    }

    pub(super) fn sound_simulation(&self) -> PathBuf {
        self.target.join("release/sound-sim")
    }

    /// Cargo in the copy.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(&self.copy).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    fn copy_file(&self, file: &str) -> io::Result<()> {
        let (from, to) = (self.root.join(file), self.copy.join(file));
        fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
        match fs::copy(from, to) {
            // Tracked, but taken away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            copied => copied.map(drop),
        }
    }

    fn patch(&self, name: &str, how: &[&str]) -> Result<(), String> {
        let patch = self.patches().join(format!("{name}.patch"));
        // Within another repository git would leave out what is not of the folder's.
        let ceiling = self.copy.parent().unwrap_or(Path::new("/"));
        let mut git = Command::new("git");
        git.arg("apply").args(how).arg(patch).current_dir(&self.copy).env("GIT_CEILING_DIRECTORIES", ceiling);
        output(&mut git).map(drop).map_err(|what| format!("{name}: {what}"))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // It is in the folder for what is temporary: what stays is nobody's loss.
        let _ = fs::remove_dir_all(&self.copy);
    }
}

/// Runs a command that must succeed.
pub(super) fn output(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(output) } else { Err(format!("{name}: {}\n{said}", output.status)) }
}

/// What a command printed.
pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
