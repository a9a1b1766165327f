//! The two programs, each run in a process of its own with a home of its own, so that no test
//! touches what belongs to whoever runs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::crash;

const TEST: &str = "stage::programs::in_a_process_of_its_own";
/// The command line that such a process is to work on, a word per line.
const COMMAND: &str = "THEATER_TEST_COMMAND";
/// Between what the test harness says and what the program does.
const START: &str = "\n=== start\n";
const END: &str = "\n=== end ";

/// How a program ended and what it printed.
#[derive(Debug)]
pub(crate) struct Said {
    /// The name of its exit, such as `Fine`.
    pub(crate) exit: String,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `theater` or `theater-replay` with a store and a cache in `home`.
pub(crate) fn run(home: &Path, command: &[&str]) -> Said {
    said(process(home, command).output().unwrap())
}

/// The process that does so, for whoever wants it in another folder, or to go on.
pub(crate) fn process(home: &Path, command: &[&str]) -> Command {
    let mut process = Command::new(crash::binary());
    process.args(crash::only(TEST)).env(COMMAND, command.join("\n")).env("THEATER_HOME", home);
    process
}

/// What such a process has said.
#[track_caller]
pub(crate) fn said(ended: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(ended.stdout), text(ended.stderr));
    let program = out.split_once(START).and_then(|(_, rest)| rest.rsplit_once(END));
    let (out, rest) = program.unwrap_or_else(|| panic!("it said {out} and {err}"));
    let exit = rest.lines().next().unwrap().to_owned();
    Said { exit, out: out.to_owned(), err }
}

/// The same with the home that all tests share, where compiled guests are found.
pub(crate) fn run_at_home(command: &[&str]) -> Said {
    run(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("theater"), command)
}

/// What `theater-replay run` says of a component on a chain.
pub(crate) fn replayed(chain: &Path, component: &Path, options: &[&str]) -> Value {
    let [chain, component] = [chain, component].map(|path| path.to_str().unwrap());
    let command = ["theater-replay", "run", chain, "--component", component, "--json"];
    let said = run_at_home(&[&command[..], options].concat());
    let json = said.json();
    let exit = if json["replay"] == "same" { "Fine" } else { "Finding" };
    assert_eq!(said.exit, exit, "{said:?}");
    json
}

/// What `theater-replay diff` says of two chains.
pub(crate) fn compared(chains: [&Path; 2], options: &[&str]) -> Value {
    let [one, other] = chains.map(|path| path.to_str().unwrap());
    let said = run_at_home(&[&["theater-replay", "diff", one, other, "--json"], options].concat());
    let json = said.json();
    let exit = if json["same"] == true { "Fine" } else { "Finding" };
    assert_eq!(said.exit, exit, "{said:?}");
    json
}

/// What `theater-replay` prints of a finding, with names for what is different every time, which is
/// the folder, and for what rebuilt guests change without meaning to, which is their digests.
pub(crate) fn printed(command: &[&str], folder: &Path, builds: &[(String, PathBuf)]) -> String {
    let said = run_at_home(&[&["theater-replay"], command].concat());
    assert_eq!((said.exit.as_str(), said.err.as_str()), ("Finding", ""), "{said:?}");
    let mut out = said.out.replace(&format!("{}/", folder.display()), "");
    for (name, build) in builds {
        let digest = blake3::hash(&std::fs::read(build).unwrap()).to_hex();
        let start = format!("{}...", &digest[..32]);
        let name = format!("<{name}>");
        out = out.replace(digest.as_str(), &name).replace(&start, &name);
    }
    out
}

/// Not a test by itself: what [`run`] starts.
#[test]
fn in_a_process_of_its_own() {
    let Ok(command) = std::env::var(COMMAND) else { return };
    let words: Vec<&str> = command.lines().collect();
    // Past what the harness catches, as the guests' own output goes.
    let mut out = std::io::stdout();
    out.write_all(START.as_bytes()).unwrap();
    out.flush().unwrap();
    let exit = if words[0] == "theater" {
        let mut err = std::io::stderr();
        format!("{:?}", theater_runtime::main_from(words, &mut out, &mut err))
    } else {
        let mut ui = theater_replay::Ui::captured();
        let exit = theater_replay::main_from(words, &mut ui);
        let (said, complained) = ui.into_captured();
        out.write_all(said.as_bytes()).unwrap();
        std::io::stderr().write_all(complained.as_bytes()).unwrap();
        format!("{exit:?}")
    };
    writeln!(out, "{END}{exit}").unwrap();
    out.flush().unwrap();
}
