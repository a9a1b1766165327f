//! `recover`: what a crash left behind becomes a chain again, and nothing is thrown away.

use theater_record::{IdentityKey, Options};
use theater_replay::Exit;
use theater_verify::{Verdict, verify};

use crate::chains::{End, Folder, calls, calls_with};

fn verdict(folder: &Folder) -> Verdict {
    let chain = folder.read("a.chain");
    verify(&chain[..], &theater_verify::Options::default()).unwrap().verdict()
}

/// A chain whose last frame is cut off.
fn torn() -> Vec<u8> {
    let chain = calls(End::Open);
    chain[..chain.len() - 7].to_vec()
}

#[test]
fn a_torn_tail_is_set_aside_and_the_chain_closed() {
    let chain = torn();
    let folder = Folder::with("a.chain", &chain);
    let (exit, planned, err) = folder.run("recover @a.chain --close --dry-run");
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
    assert!(planned.ends_with("would be closed\n"), "{planned}");
    assert_eq!((folder.read("a.chain"), folder.names().len()), (chain.clone(), 1));
    let (exit, out, err) = folder.run("recover @a.chain --close");
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
    let aside = folder.names().remove(1);
    assert!(out.contains(&format!("of a torn tail set aside in {aside}\nclosed\n")), "{out}");
    let kept: usize = aside.strip_prefix("a.chain.torn-").unwrap().parse().unwrap();
    assert_eq!(folder.read("a.chain")[..kept], chain[..kept]);
    assert_eq!(folder.read(&aside), chain[kept..]);
    assert_eq!(verdict(&folder), Verdict::Complete);
    let before = folder.read("a.chain");
    let (exit, out, _) = folder.run("recover @a.chain --close");
    assert_eq!((exit, out.as_str()), (Exit::Fine, "a.chain: closed; nothing to do\n"));
    assert_eq!(folder.read("a.chain"), before);
}

#[test]
fn an_open_chain_can_be_recovered_twice_and_closed_later() {
    let folder = Folder::with("a.chain", &calls(End::Open));
    folder.run("recover @a.chain");
    assert_eq!(verdict(&folder), Verdict::Open);
    let (exit, out, _) = folder.run("recover @a.chain");
    assert_eq!((exit, out.as_str()), (Exit::Fine, "a.chain: recovered already; nothing to do\n"));
    folder.run("recover @a.chain --close");
    assert_eq!(verdict(&folder), Verdict::Complete);
}

#[test]
fn an_older_torn_tail_is_not_overwritten() {
    let folder = Folder::with("a.chain", &torn());
    folder.run("recover @a.chain");
    let aside = folder.names().remove(1);
    folder.write("a.chain", &torn());
    folder.write(&aside, b"precious");
    folder.run("recover @a.chain");
    assert_eq!(folder.read(&aside), b"precious");
    assert_eq!(folder.names(), ["a.chain", &aside, &format!("{aside}-2")]);
}

#[test]
fn a_signed_chain_needs_the_key_that_it_names() {
    let identity = || IdentityKey::from_secret([5; 32]);
    let options = || Options { sign: true, identity: Some(identity()), ..Options::default() };
    let chain = calls_with(End::Open, options());
    let folder = Folder::with("a.chain", &chain);
    folder.write("right", identity().to_secret_text().as_bytes());
    folder.write("wrong", IdentityKey::from_secret([6; 32]).to_secret_text().as_bytes());
    let lines = [
        ("recover @a.chain --close", format!("give the identity key {}", identity().public())),
        ("recover @a.chain --key @wrong", "names another identity key".to_owned()),
        ("recover @a.chain --key @a.chain", "a.chain".to_owned()),
        ("recover @a.chain --key @nowhere", "cannot read nowhere".to_owned()),
    ];
    for (line, words) in lines {
        let (exit, out, err) = folder.run(line);
        assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
        assert!(err.contains(&words), "{line}: {err}");
        assert_eq!(folder.read("a.chain"), chain);
    }
    let (exit, ..) = folder.run("recover @a.chain --close --key @right");
    assert_eq!(exit, Exit::Fine);
    assert_eq!(verdict(&folder), Verdict::Complete);
    folder.write("a.chain", &chain);
    let (exit, ..) = folder.run("recover @a.chain --close --unvouched");
    assert_eq!(exit, Exit::Fine);
    assert_eq!(verdict(&folder), Verdict::Unmet);
}

#[test]
fn what_no_crash_did_is_not_repaired() {
    let mut chain = calls(End::Closed);
    let at = chain.windows(5).position(|bytes| bytes == b"small").unwrap();
    chain[at] = b'S';
    let folder = Folder::with("a.chain", &chain);
    let (exit, out, err) = folder.run("recover @a.chain --close");
    assert_eq!(exit, Exit::Finding);
    assert!(out.contains("this is not the work of a crash"), "{out}");
    assert_eq!(err, "  try: theater-replay verify a.chain\n");
    assert_eq!((folder.read("a.chain"), folder.names().len()), (chain, 1));
}

#[test]
fn other_files_are_refused() {
    let folder = Folder::with("hello", b"hello, this is no chain at all, but some text");
    folder.write("empty", b"");
    folder.write("a.chain", &torn());
    folder.run("pack @a.chain -o @packed");
    let before = folder.names();
    for (line, words) in [
        ("recover @hello", "not a chain"),
        ("recover @empty", "not a chain"),
        ("recover @missing", "there is no file missing"),
        ("recover @packed", "theater-replay unpack packed"),
        ("recover @a.chain --key @hello --unvouched", "cannot be used with"),
    ] {
        let (exit, out, err) = folder.run(line);
        assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
        assert!(err.contains(words), "{line}: {err}");
    }
    assert_eq!(folder.names(), before);
}
