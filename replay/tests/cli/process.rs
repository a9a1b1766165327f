//! The program as a process of its own: what only shows there.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::scene::{Scene, long, open};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_theater-replay"))
}

#[test]
fn a_reader_who_has_seen_enough_is_no_trouble() {
    let scene = Scene::new();
    scene.write("long.chain", &long());
    let mut child = program()
        .arg("show")
        .arg(scene.path("long.chain"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::with_capacity(100, child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let mut messages = String::new();
    child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
    assert!(first.contains("header"), "{first}");
    assert_eq!((child.wait().unwrap().code(), messages.as_str()), (Some(0), ""));
}

#[test]
fn the_exit_status_reaches_the_shell() {
    let scene = Scene::new();
    scene.write("open.chain", &open());
    let status = |args: &[&str]| program().args(args).output().unwrap().status.code();
    let chain = scene.path("open.chain").display().to_string();
    assert_eq!(status(&["show", &chain]), Some(0));
    assert_eq!(status(&["verify", &chain]), Some(3));
    assert_eq!(status(&["verify", &chain, "--min-events", "1000"]), Some(4));
    assert_eq!(status(&["verify"]), Some(2));
}

#[test]
fn output_to_a_file_has_no_colours() {
    let scene = Scene::with_sample();
    let output = program().arg("show").arg(scene.path("sample.chain")).output().unwrap();
    assert!(!output.stdout.contains(&0x1b));
}
