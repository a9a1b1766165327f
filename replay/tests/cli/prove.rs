//! `prove`: a small file for one event, or a clear word why not.

use theater_replay::Exit;
use theater_verify::Proof;

use crate::chains::{End, Folder, calls};

#[test]
fn a_proof_is_written_and_says_what_it_proves() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    let (exit, out, err) = folder.run("prove @a.chain 4");
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
    let proof = Proof::from_bytes(&folder.read("a.chain.4.proof")).unwrap();
    let head = proof.check().unwrap().head();
    let (size, proves) = out.split_once('\n').unwrap();
    assert_eq!(size, "a.chain.4.proof: 628 B");
    assert_eq!(proves, format!("proves event 4 under head {}@{}\n", head.hash, head.seq));
    assert_eq!(folder.names(), ["a.chain", "a.chain.4.proof"]);
    let (exit, _, err) = folder.run("prove @a.chain 4");
    assert_eq!(exit, Exit::Trouble);
    assert!(err.contains("a.chain.4.proof exists already"), "{err}");
}

#[test]
fn what_cannot_be_proved_is_said_and_nothing_is_written() {
    let folder = Folder::with("a.chain", &calls(End::Open));
    let lines = [
        ("prove @a.chain 900", "there is no event 900: the chain has "),
        ("prove @a.chain 17", "event 17 cannot be proved yet: no checkpoint follows it"),
        ("prove @a.chain x", "invalid value 'x'"),
        ("prove @a.chain 99999999999999999999", "number too large"),
        ("prove @missing 1", "there is no file missing"),
    ];
    for (line, words) in lines {
        let (exit, out, err) = folder.run(line);
        assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
        assert!(err.contains(words), "{line}: {err}");
    }
    assert_eq!(folder.names(), ["a.chain"]);
}

#[test]
fn nothing_is_proved_from_a_damaged_chain() {
    let mut chain = calls(End::Closed);
    let at = chain.len() - 20;
    chain[at] ^= 1;
    let folder = Folder::with("a.chain", &chain);
    let (exit, out, _) = folder.run("prove @a.chain 1");
    assert_eq!(exit, Exit::Finding);
    assert!(out.ends_with("nothing is proved from a damaged chain\n"), "{out}");
    assert_eq!(folder.names(), ["a.chain"]);
}

#[test]
fn a_written_proof_is_checked_without_the_chain() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    let (_, out, _) = folder.run("prove @a.chain 4 -o @4.proof");
    let head = out.trim().rsplit(' ').next().unwrap().to_owned();
    std::fs::remove_file(folder.file("a.chain")).unwrap();
    let (exit, out, err) = folder.run("verify --proof @4.proof");
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
    assert!(out.contains("nothing ties this head to anyone"), "{out}");
    let (exit, out, _) = folder.run(&format!("verify --proof @4.proof --expect-head {head}"));
    assert_eq!(exit, Exit::Fine);
    assert!(out.contains(&format!("head    {head}")), "{out}");
    let other = head.replacen(|digit: char| digit != '0', "0", 1);
    let (exit, ..) = folder.run(&format!("verify --proof @4.proof --expect-head {other}"));
    assert_eq!(exit, Exit::Unmet);
    for line in ["verify --proof @4.proof @4.proof", "verify --proof @missing", "verify"] {
        let (exit, out, _) = folder.run(line);
        assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
    }
}
