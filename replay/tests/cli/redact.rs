//! `redact`: payloads go, links stay.

use theater_record::{Reader, Stored};
use theater_replay::Exit;
use theater_verify::{Options, Verdict, verify};

use crate::chains::{End, Folder, calls, payload};

/// Every link hash of a chain.
fn hashes(chain: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(chain).unwrap();
    let mut hashes = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        if let Stored::Record(record) = stored {
            hashes.push(record.hash().to_string());
        }
    }
    hashes
}

fn holds(chain: &[u8], letter: char) -> bool {
    let payload = payload(letter);
    chain.windows(payload.len()).any(|bytes| bytes == payload)
}

/// Which of the payloads a, d and n and the component are left after a redaction.
fn left(conditions: &str) -> (String, String) {
    let chain = calls(End::Closed);
    let folder = Folder::with("a.chain", &chain);
    let (exit, out, err) = folder.run(&format!("redact @a.chain -o @b.chain {conditions}"));
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{conditions}");
    assert_eq!(folder.read("a.chain"), chain);
    let redacted = folder.read("b.chain");
    assert_eq!(hashes(&redacted), hashes(&chain));
    let report = verify(&redacted[..], &Options::default()).unwrap();
    assert_eq!(report.verdict(), Verdict::Complete, "{:?}", report.faults);
    assert!(report.blobs.redacted > 0);
    let mut left: String = "adn".chars().filter(|letter| holds(&redacted, *letter)).collect();
    if redacted.windows(15).any(|bytes| bytes == b"\0asm not really") {
        left.push_str(" component");
    }
    (left, out)
}

#[test]
fn payloads_go_by_function_filter_size_and_digest() {
    let (kept, out) = left("--function send");
    assert_eq!(kept, "ad component");
    assert_eq!(
        out,
        "kept 1 payload piece that other events refer to too; --shared removes these as well\n\
         removed 1 payload piece with 5.50 kB, referred to by events 11, 16\nwrote b.chain\n"
    );
    assert_eq!(left("--function send --shared").0, "d component");
    assert_eq!(left("--function test:disk/file@1.0.0#write").0, "an component");
    assert_eq!(left("--filter interface~test:net --shared").0, "d component");
    assert_eq!(left("--filter kind=header").0, "adn");
    assert_eq!(left("--larger-than 5600").0, "adn");
    assert_eq!(left("--all").0, "");
    assert_eq!(left("--larger-than 4096 --function write --shared").0, "n component");
}

#[test]
fn one_payload_goes_by_its_digest() {
    let chain = calls(End::Closed);
    let mut reader = Reader::new(&chain[..]).unwrap();
    let digest = loop {
        if let Stored::Blob { blob, .. } = reader.read().unwrap().unwrap()
            && blob.content == payload('d')
        {
            break blob.digest.to_string();
        }
    };
    assert_eq!(left(&format!("--digest {}", &digest[..12])).0, "an component");
    assert_eq!(left(&format!("--digest {}", digest.to_uppercase())).0, "an component");
}

#[test]
fn a_chain_is_replaced_only_when_asked_and_only_when_whole() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    let before = folder.read("a.chain");
    let (exit, out, _) = folder.run("redact @a.chain --all --dry-run");
    assert_eq!(exit, Exit::Fine);
    assert!(out.starts_with("would remove 4 payload pieces"), "{out}");
    assert_eq!(folder.read("a.chain"), before);
    let (exit, ..) = folder.run("redact @a.chain --all --in-place");
    assert_eq!(exit, Exit::Fine);
    assert!(folder.read("a.chain").len() < before.len() / 2);
    assert_eq!(hashes(&folder.read("a.chain")), hashes(&before));
    let (exit, out, _) = folder.run("redact @a.chain --all --in-place");
    assert_eq!((exit, out.as_str()), (Exit::Finding, "nothing to remove; nothing was written\n"));
    assert_eq!(folder.names(), ["a.chain"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_chain_stays_a_link() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with("a.chain", &calls(End::Closed));
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.file("a.chain"), private).unwrap();
    std::os::unix::fs::symlink("a.chain", folder.file("link")).unwrap();
    let before = folder.read("a.chain").len();
    let (exit, ..) = folder.run("redact @link --all --in-place");
    assert_eq!(exit, Exit::Fine);
    assert!(folder.file("link").is_symlink());
    assert!(folder.read("a.chain").len() < before);
    let mode = std::fs::metadata(folder.file("a.chain")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a private chain stays private");
}

#[test]
fn damaged_torn_and_growing_chains_are_refused_with_advice() {
    let folder = Folder::with("open", &calls(End::Open));
    let whole = calls(End::Closed);
    folder.write("torn", &whole[..whole.len() - 5]);
    let mut damaged = whole.clone();
    let at = damaged.windows(5).position(|bytes| bytes == b"small").unwrap();
    damaged[at] = b'S';
    folder.write("damaged", &damaged);
    folder.write("hello", b"hello");
    let lines = [
        ("redact @open --all --in-place", "theater-replay recover open --close"),
        ("redact @torn --all -o @out", "theater-replay recover torn --close"),
        ("redact @damaged --all -o @out", "theater-replay verify damaged"),
        ("redact @hello --all -o @out", "not a chain"),
        ("redact @missing --all -o @out", "there is no file missing"),
        ("redact @open --all", "--in-place"),
        ("redact @open -o @out", "--filter"),
        ("redact @open --all --function send -o @out", "cannot be used with"),
        ("redact @open --digest xyz -o @out", "takes hexadecimal digits"),
        ("redact @open --filter kind=nonsense -o @out", "unknown kind"),
        ("redact @open --all -o @hello", "hello exists already"),
    ];
    for (line, words) in lines {
        let (exit, out, err) = folder.run(line);
        assert_eq!((exit, out.as_str()), (Exit::Trouble, ""), "{line}");
        assert!(err.contains(words), "{line}: {err}");
        assert_eq!(folder.names(), ["damaged", "hello", "open", "torn"], "{line}");
    }
    let (exit, ..) = folder.run("redact @open --all -o @out");
    assert_eq!(exit, Exit::Fine, "a copy of an open chain can be redacted");
}

#[test]
fn a_packed_chain_is_redacted_into_a_plain_one() {
    let folder = Folder::with("a.chain", &calls(End::Closed));
    folder.run("pack @a.chain -o @packed");
    let (exit, _, err) = folder.run("redact @packed --all --in-place");
    assert_eq!(exit, Exit::Trouble);
    assert!(err.contains("theater-replay unpack packed"), "{err}");
    folder.run("redact @packed --all -o @one");
    folder.run("redact @a.chain --all -o @two");
    assert_eq!(folder.read("one"), folder.read("two"));
}
