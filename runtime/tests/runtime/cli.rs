//! The program `theater` as people use it, in a process of its own: what is printed, how it exits, and
//! what is left on disk. `UPDATE_EXPECT=1 cargo test -p theater-runtime` rewrites the expected texts.

mod calls;

mod input;

mod outcome;

mod project;

mod served;

mod store;

mod trouble;

mod validate;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use expect_test::Expect;
use tempfile::TempDir;
use theater_verify::{Checked, FileSource, Options, Report};

/// A folder of its own for one test, in which the program runs.
struct Scene(TempDir);

impl Scene {
    /// A scene with these components of the corpus.
    fn with(components: &[&str]) -> Scene {
        let scene = Scene(tempfile::tempdir().expect("there is room for a folder"));
        for name in components {
            scene.write(&format!("{name}.wasm"), &component(name));
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("the folder can be written");
    }

    fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Compiled code is shared by all tests; it is found by what it was compiled from.
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
        command.current_dir(self.0.path()).env("THEATER_HOME", home).env_remove("RUST_BACKTRACE");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = self.command(env!("CARGO_BIN_EXE_theater")).arg("run").args(args).output();
        output.expect("the program can be run")
    }

    /// Runs the program and compares everything: output, messages, exit.
    fn check(&self, args: &[&str], expected: &Expect) {
        expected.assert_eq(&transcript(&self.run(args)));
    }

    /// What a check of a chain finds.
    fn verify(&self, name: &str) -> Report {
        let file = fs::File::open(self.path(name)).expect("the chain was written");
        let source = Arc::new(FileSource::new(file).expect("it is a file"));
        Checked::new(source, &Options::default()).expect("it is a chain").report
    }
}

/// The bytes of a component of the corpus.
fn component(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/components");
    fs::read(folder.join(format!("{name}.wasm"))).expect("the corpus has it")
}

fn transcript(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut transcript = text(&output.stdout);
    if !output.stderr.is_empty() {
        transcript.push_str("--- messages\n");
        transcript.push_str(&text(&output.stderr));
    }
    let exit = output.status.code().map_or("by a signal".to_owned(), |code| code.to_string());
    transcript.push_str(&format!("--- exit {exit}\n"));
    transcript
}
