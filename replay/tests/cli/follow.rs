//! `show --follow` on a chain that grows meanwhile.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use theater_replay::Exit;

use crate::scene::{Scene, sample};

#[test]
fn follows_until_the_chain_is_closed() {
    let scene = Scene::with_sample();
    let bytes = sample();
    let expected = scene.run("show sample.chain").out;
    // The chain arrives in pieces that respect neither the magic nor any frame.
    scene.write("growing.chain", &bytes[..5]);
    let path = scene.path("growing.chain");
    let writer = std::thread::spawn(move || {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        for piece in bytes[5..].chunks(bytes.len() / 7) {
            std::thread::sleep(Duration::from_millis(20));
            file.write_all(piece).unwrap();
        }
    });
    let followed = scene.run("show growing.chain --follow");
    writer.join().unwrap();
    assert_eq!((followed.exit, followed.out), (Exit::Fine, expected));
}

#[test]
fn stops_after_the_last_event_asked_for() {
    let scene = Scene::new();
    let bytes = sample();
    scene.write("growing.chain", &bytes[..bytes.len() / 2]);
    let followed = scene.run("show growing.chain --follow --to 3");
    assert_eq!((followed.exit, followed.out.lines().count()), (Exit::Fine, 4));
}

#[test]
fn says_when_the_chain_is_cut_back() {
    let scene = Scene::new();
    let bytes = sample();
    scene.write("growing.chain", &bytes[..bytes.len() - 1]);
    let path = scene.path("growing.chain");
    let cutter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    });
    let followed = scene.run("show growing.chain --follow");
    cutter.join().unwrap();
    assert_eq!(followed.exit, Exit::Trouble);
    assert!(followed.err.contains("was cut back to 100 bytes"), "{}", followed.err);
}
