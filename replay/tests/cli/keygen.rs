//! `keygen`: a secret that only its owner can read, never replaced.

use theater_record::{IdentityKey, PublicKey};
use theater_replay::Exit;

use crate::chains::Folder;

#[test]
fn a_key_is_written_once_and_kept() {
    let folder = Folder::with("x", b"");
    let (exit, out, err) = folder.run("keygen -o @my.key");
    assert_eq!(exit, Exit::Fine);
    assert_eq!(err, "the secret key is in my.key, the public key in my.key.pub\n");
    let secret = String::from_utf8(folder.read("my.key")).unwrap();
    let key = IdentityKey::from_secret_text(&secret).unwrap();
    assert_eq!(out.trim().parse::<PublicKey>().unwrap(), key.public());
    assert_eq!(folder.read("my.key.pub"), out.as_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.file("my.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let (exit, out, err) = folder.run("keygen -o @my.key");
    assert_eq!((exit, out.as_str()), (Exit::Trouble, ""));
    assert!(err.contains("my.key.pub exists already"), "{err}");
    assert_eq!(folder.read("my.key"), secret.as_bytes());
    std::fs::remove_file(folder.file("my.key.pub")).unwrap();
    let (exit, ..) = folder.run("keygen -o @my.key");
    assert_eq!(exit, Exit::Trouble);
    assert_eq!(folder.names(), ["my.key", "x"], "no public key without its secret");
}

#[test]
fn two_keys_differ() {
    let folder = Folder::with("x", b"");
    let (_, one, _) = folder.run("keygen -o @one");
    let (_, two, _) = folder.run("keygen -o @two");
    assert_ne!(one, two);
    let (exit, _, err) = folder.run("keygen -o @nowhere/key");
    assert_eq!(exit, Exit::Trouble);
    assert!(err.contains("cannot write nowhere/key"), "{err}");
}
