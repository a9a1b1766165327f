//! `pack` and `unpack`: the same bytes come back, and nothing is lost on the way.

use theater_replay::Exit;

use crate::chains::{End, Folder, calls};

#[test]
fn a_chain_comes_back_byte_for_byte() {
    for end in [End::Closed, End::Open] {
        let mut chain = calls(end);
        if end == End::Open {
            chain.truncate(chain.len() - 7);
        }
        let folder = Folder::with("a.chain", &chain);
        let (exit, out, err) = folder.run("pack @a.chain");
        assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
        assert!(out.starts_with("a.chain.zst: "), "{out}");
        let (exit, _, err) = folder.run("unpack @a.chain.zst -o @b.chain");
        assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
        assert_eq!(folder.read("b.chain"), chain);
        assert_eq!(folder.names(), ["a.chain", "a.chain.zst", "b.chain"]);
    }
}

#[test]
fn packed_chains_are_read_like_others() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    folder.run("pack @a.chain -o @packed --level 19");
    for command in ["show", "stat", "verify"] {
        let (exit, plain, _) = folder.run(&format!("{command} @a.chain"));
        let (packed_exit, packed, _) = folder.run(&format!("{command} @packed"));
        assert_eq!((exit, plain), (packed_exit, packed.replace("packed", "a.chain")));
    }
    folder.run("prove @a.chain 4 -o @1.proof");
    folder.run("prove @packed 4 -o @2.proof");
    assert_eq!(folder.read("1.proof"), folder.read("2.proof"));
}

#[test]
fn a_damaged_chain_is_packed_as_it_is_and_says_so() {
    let mut chain = calls(End::Closed);
    let middle = chain.len() / 2;
    chain[middle..middle + 300].fill(0);
    let folder = Folder::with("a.chain", &chain);
    folder.run("pack @a.chain");
    folder.run("unpack @a.chain.zst -o @b.chain");
    assert_eq!(folder.read("b.chain"), chain);
    let mut headless = calls(End::Closed);
    headless[0] ^= 1;
    headless[20] ^= 1;
    folder.write("c.chain", &headless);
    let (exit, _, err) = folder.run("pack @c.chain");
    assert_eq!(exit, Exit::Fine);
    assert!(err.starts_with("warning: c.chain is damaged at byte "), "{err}");
    folder.run("unpack @c.chain.zst -o @d.chain");
    assert_eq!(folder.read("d.chain"), headless);
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    folder.write("a.chain.zst", b"precious");
    let (exit, _, err) = folder.run("pack @a.chain");
    assert_eq!(exit, Exit::Trouble);
    assert_eq!(
        err,
        "error: a.chain.zst exists already\n  try: name another file with -o, or add --force\n"
    );
    assert_eq!(folder.read("a.chain.zst"), b"precious");
    let (exit, ..) = folder.run("pack @a.chain --force");
    assert_eq!(exit, Exit::Fine);
    let (exit, ..) = folder.run("unpack @a.chain.zst");
    assert_eq!(exit, Exit::Trouble, "a.chain is there");
}

#[test]
fn what_cannot_be_packed_leaves_nothing_behind() {
    let folder = Folder::with("hello", b"hello, this is not a chain, but it is long enough");
    folder.write("empty", b"");
    let lines = [
        ("pack @hello", "not a chain"),
        ("pack @empty", "not a chain"),
        ("pack @missing", "there is no file missing"),
        ("pack @hello -o @nowhere/out", "cannot write to nowhere"),
        ("unpack @hello", "hello is not packed"),
        ("unpack @missing.zst", "there is no file missing.zst"),
        ("pack @hello --level 23", "23 is not in 1..=22"),
    ];
    for (line, words) in lines {
        let (exit, out, err) = folder.run(line);
        assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
        assert!(err.contains(words), "{line}: {err}");
        assert_eq!(folder.names(), ["empty", "hello"], "{line}");
    }
}

#[test]
fn a_packed_file_that_was_cut_or_garbled_is_refused() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    folder.run("pack @a.chain -o @good");
    let good = folder.read("good");
    let cut = &good[..good.len() - 1];
    let mut garbled = good.clone();
    garbled[40] ^= 0x10;
    for (bytes, words) in [(cut, "no seek table"), (&garbled, "does not unpack")] {
        folder.write("bad.zst", bytes);
        for line in ["unpack @bad.zst", "prove @bad.zst 1"] {
            let (exit, out, err) = folder.run(line);
            assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
            assert!(err.contains(words), "{line}: {err}");
        }
    }
    assert_eq!(folder.names(), ["a.chain", "bad.zst", "good"]);
    let (exit, _, err) = folder.run("pack @good");
    assert_eq!(exit, Exit::Trouble);
    assert!(err.contains("good is packed already"), "{err}");
}
