//! `verify`: each verdict, what was asked for, and which exit status wins.

use expect_test::{expect, expect_file};
use theater_replay::Exit;

use crate::scene::{Scene, frame_of, open, sample, signed};

#[test]
fn a_complete_chain() {
    Scene::with_sample().check(
        "verify sample.chain",
        &expect![[r#"
        complete  sample.chain  36 events, 12.4 kB, head c2e53566@35
          checked      every link, record, blob, tree and segment digest
          not shown    unsigned: nothing shows who wrote this
                       a complete rewrite cannot be excluded without --key or --expect-head
          head         c2e535665ab4e64548355b06944ee22a67bd995afe88338f4725c73210e63756@35
        --- exit 0
    "#]],
    );
}

#[test]
fn a_quick_check_says_what_it_left_out() {
    Scene::with_sample().check(
        "verify sample.chain --quick --threads 1",
        &expect![[r#"
        complete  sample.chain  36 events, 12.4 kB, head c2e53566@35
          checked      the bytes of every segment, against its checkpoint
          not shown    single links, the form of records, and blobs: leave out --quick
                       unsigned: nothing shows who wrote this
                       a complete rewrite cannot be excluded without --key or --expect-head
          head         c2e535665ab4e64548355b06944ee22a67bd995afe88338f4725c73210e63756@35
        --- exit 0
    "#]],
    );
}

#[test]
fn a_quick_check_of_an_open_chain_looks_at_links() {
    let scene = Scene::new();
    scene.write("open.chain", &open());
    scene.check(
        "verify open.chain --quick",
        &expect![[r#"
            open  open.chain  35 events, 12.3 kB, head c3dcafd3@34
              checked      every link, because --quick needs a chain that is closed and unredacted
              not shown    the form of records, and blobs: leave out --quick
                           unsigned: nothing shows who wrote this
                           a complete rewrite cannot be excluded without --key or --expect-head
                           still being written, crashed, or cut: cannot be told apart
              head         c3dcafd3e1fd2fa93612ff8e53a43d72af7f153f47cf99303913e7013cbc3f00@34
              try          theater-replay recover open.chain --close, if nothing will write to it any more
            --- exit 3
        "#]],
    );
}

#[test]
fn an_open_chain() {
    let scene = Scene::new();
    let bytes = open();
    scene.write("open.chain", &bytes);
    scene.check(
        "verify open.chain",
        &expect![[r#"
            open  open.chain  35 events, 12.3 kB, head c3dcafd3@34
              checked      every link, record, blob, tree and segment digest
              not shown    unsigned: nothing shows who wrote this
                           a complete rewrite cannot be excluded without --key or --expect-head
                           still being written, crashed, or cut: cannot be told apart
              head         c3dcafd3e1fd2fa93612ff8e53a43d72af7f153f47cf99303913e7013cbc3f00@34
              try          theater-replay recover open.chain --close, if nothing will write to it any more
            --- exit 3
        "#]],
    );
    scene.write("torn.chain", &bytes[..bytes.len() - 3]);
    scene.check(
        "verify torn.chain",
        &expect![[r#"
        open  torn.chain  34 events, 12.3 kB, head 25b425eb@33
          checked      every link, record, blob, tree and segment digest
          not shown    unsigned: nothing shows who wrote this
                       a complete rewrite cannot be excluded without --key or --expect-head
                       still being written, crashed, or cut: cannot be told apart
          fault        the last 168 bytes, from byte 12119, are no complete record
          head         25b425eb15b718ec9bd3d682afa4180c6008abdea1927d4dfcb8e32e5a297010@33
          try          theater-replay recover torn.chain, if nothing writes to it any more
        --- exit 3
    "#]],
    );
}

#[test]
fn a_damaged_chain() {
    let scene = Scene::new();
    let mut bytes = sample();
    let (altered, removed) = (frame_of(&bytes, 6), frame_of(&bytes, 9));
    bytes.drain(removed);
    bytes[altered.end - 1] ^= 1;
    scene.write("bad.chain", &bytes);
    scene.check(
        "verify bad.chain",
        &expect![[r#"
            damaged  bad.chain  34 events, 12.3 kB, head 97bd8068@5
              checked      every link, record, blob, tree and segment digest
              not shown    unsigned: nothing shows who wrote this
                           a complete rewrite cannot be excluded without --key or --expect-head
                           what checkpoints and signatures say beyond the first fault
              fault        event 6: bit 0 of byte 565 was flipped: 0x81 should be 0x80
              fault        event 9 was removed before byte 709
              good up to   97bd80683faf6361cfefdd6cba091ac3d2bef3058a2e0798ba8a1a371684ab56@5
              try          theater-replay show bad.chain --from 3 --to 9
            --- exit 1
        "#]],
    );
}

#[test]
fn a_signed_chain_and_its_key() {
    let scene = Scene::new();
    let (bytes, key) = signed();
    scene.write("signed.chain", &bytes);
    scene.check(
        "verify signed.chain",
        &expect![[r#"
            complete  signed.chain  36 events, 12.6 kB, head a4b1fd6c@35
              checked      every link, record, blob, tree and segment digest; 2 signatures
              not shown    whose key it is: anybody can make one; say which with --key
                           a complete rewrite cannot be excluded without --key or --expect-head
              head         a4b1fd6c57255d4f1f770ff297d57ee5012113d2c551ebdb88345c454e4b3861@35
            --- exit 0
        "#]],
    );
    scene.write("key.toml", format!("{key}\n").as_bytes());
    let by_text = scene.run(&format!("verify signed.chain --key {key}"));
    let by_file = scene.run("verify signed.chain --key key.toml");
    assert_eq!((by_text.exit, by_file.exit), (Exit::Fine, Exit::Fine));
    assert_eq!(by_text.out, by_file.out);
    scene.check("verify signed.chain --key key.toml", &expect![[r#"
        complete  signed.chain  36 events, 12.6 kB, head a4b1fd6c@35
          checked      every link, record, blob, tree and segment digest; 2 signatures; the key they start from
          head         a4b1fd6c57255d4f1f770ff297d57ee5012113d2c551ebdb88345c454e4b3861@35
        --- exit 0
    "#]]);
    scene.check(&format!("verify signed.chain --key {}", "ab".repeat(32)), &expect![[r#"
        unmet  signed.chain  36 events, 12.6 kB, head a4b1fd6c@35
          checked      every link, record, blob, tree and segment digest; 2 signatures; the key they start from
          not met      it is signed, but starting from another key: ed25519:d15ffbfff6b7c4f145e90c6a4723bf9cd052cf68292a1623026eb263c47c6c63
          head         a4b1fd6c57255d4f1f770ff297d57ee5012113d2c551ebdb88345c454e4b3861@35
          try          theater-replay stat signed.chain, and ask whoever gave you the chain or the policy
        --- exit 4
    "#]]);
}

#[test]
fn a_noted_hash() {
    let scene = Scene::with_sample();
    let out = scene.run("verify sample.chain").out;
    let head = out.lines().find_map(|line| line.trim().strip_prefix("head ")).unwrap().trim();
    let met = scene.run(&format!("verify sample.chain --expect-head {head}"));
    assert_eq!(met.exit, Exit::Fine);
    assert!(!met.out.contains("rewrite"), "{}", met.out);
    let zeros = "0".repeat(64);
    scene.check(
        &format!("verify sample.chain --expect-head {zeros}@3 --expect-head {head}0"),
        &expect![[r#"
            unmet  sample.chain  36 events, 12.4 kB, head c2e53566@35
              checked      every link, record, blob, tree and segment digest; 2 noted hashes
              not shown    unsigned: nothing shows who wrote this
              not met      event 3 has the hash 79a39f5b6d3a866ab823ad54420669799e8341ed909f1e08933940c95052fc76, not 0000000000000000000000000000000000000000000000000000000000000000: it was rewritten
              not met      event 350, whose hash was noted, is not in the good part of the chain
              head         c2e535665ab4e64548355b06944ee22a67bd995afe88338f4725c73210e63756@35
              try          theater-replay stat sample.chain, and ask whoever gave you the chain or the policy
            --- exit 4
        "#]],
    );
}

#[test]
fn a_policy_file() {
    let scene = Scene::with_sample();
    scene.write(
        "strict.toml",
        b"min_events = 1000\nclosed = true\ncomponent = \
          \"1111111111111111111111111111111111111111111111111111111111111111\"\n",
    );
    scene.check("verify sample.chain --policy strict.toml", &expect![[r#"
        unmet  sample.chain  36 events, 12.4 kB, head c2e53566@35
          checked      every link, record, blob, tree and segment digest; the policy
          not shown    unsigned: nothing shows who wrote this
                       a complete rewrite cannot be excluded without --key or --expect-head
          not met      it has 36 events, fewer than 1,000
          not met      it does not say of which component
          head         c2e535665ab4e64548355b06944ee22a67bd995afe88338f4725c73210e63756@35
          try          theater-replay stat sample.chain, and ask whoever gave you the chain or the policy
        --- exit 4
    "#]]);
    scene.write("typo.toml", b"closed = true\nsinged_by = \"x\"\n");
    scene.check("verify sample.chain --policy typo.toml", &expect![[r#"
        --- messages
        error: policy typo.toml: TOML parse error at line 2, column 1
          |
        2 | singed_by = "x"
          | ^^^^^^^^^
        unknown field `singed_by`, expected one of `signed_by`, `min_events`, `component`, `closed`, `anchor`
        --- exit 2
    "#]]);
    scene.write("bad.toml", b"[[anchor]]\nevent = 1\nhash = \"12\"\n");
    scene.check(
        "verify sample.chain --policy bad.toml",
        &expect![[r#"
        --- messages
        error: policy bad.toml: TOML parse error at line 3, column 8
          |
        3 | hash = "12"
          |        ^^^^
        expected 64 hexadecimal digits, found "12"
        --- exit 2
    "#]],
    );
}

#[test]
fn two_keys_are_a_contradiction() {
    let scene = Scene::with_sample();
    scene.write("key.toml", format!("signed_by = \"{}\"\n", "cd".repeat(32)).as_bytes());
    let outcome =
        scene.run(&format!("verify sample.chain --policy key.toml --key {}", "ab".repeat(32)));
    assert_eq!(outcome.exit, Exit::Trouble);
    assert!(outcome.err.starts_with("error: --key asks for ed25519:abab"), "{}", outcome.err);
}

#[test]
fn the_worst_exit_wins() {
    let scene = Scene::with_sample();
    scene.write("open.chain", &open());
    let mut bytes = sample();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    scene.write("bad.chain", &bytes);
    let exit = |line: &str| scene.run(&format!("verify {line}")).exit;
    assert_eq!(exit("sample.chain sample.chain"), Exit::Fine);
    assert_eq!(exit("sample.chain open.chain"), Exit::Open);
    assert_eq!(exit("open.chain sample.chain --min-events 999"), Exit::Unmet);
    assert_eq!(exit("bad.chain open.chain --min-events 999"), Exit::Finding);
    assert_eq!(exit("bad.chain missing.chain open.chain"), Exit::Trouble);
}

#[test]
fn several_chains_as_one_document() {
    let scene = Scene::with_sample();
    let mut bytes = sample();
    let frame = frame_of(&bytes, 6);
    bytes[frame.end - 1] ^= 1;
    scene.write("bad.chain", &bytes);
    scene.check_file(
        "verify sample.chain bad.chain missing.chain --json",
        &expect_file!["verify.json.txt"],
    );
}
