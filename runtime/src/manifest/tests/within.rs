//! What a manifest asks for is held to the permissions above it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::with;
use crate::manifest::{Permissions, Root};

/// A folder for the actor, `actor`, beside another one, `other`.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for folder in ["actor/data", "other"] {
        fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    place
}

/// The permissions of somebody above, whose manifest is in `place`.
fn above(place: &Path, permissions: &str) -> Permissions {
    with(&format!("[permissions]\n{permissions}")).permissions.resolved(place)
}

/// What becomes of an actor with this in its manifest.
fn outcome(permissions: &str, rest: &str) -> Result<(), String> {
    let place = place();
    let above = above(place.path(), permissions);
    let allowed = with(rest).within(&above, &place.path().join("actor"));
    let real = place.path().canonicalize().unwrap().display().to_string();
    allowed.map(drop).map_err(|widening| widening.to_string().replace(&real, "PLACE"))
}

fn wasi(rest: &str) -> String {
    format!("[[handlers]]\ntype = \"wasi\"\n{rest}")
}

#[test]
fn directories_have_to_be_below_allowed_paths() {
    let data = r#"filesystem = { allowed_paths = ["actor/data"] }"#;
    assert_eq!(outcome(data, &wasi(r#"dirs = ["data", "data/new::/new"]"#)), Ok(()));
    let too_far = outcome(data, &wasi(r#"dirs = ["../other::/o"]"#));
    let message = "filesystem.allowed_paths asks for PLACE/other, and may have PLACE/actor/data";
    assert_eq!(too_far, Err(message.to_owned()));
    assert!(outcome(data, &wasi(r#"dirs = ["data/../../other::/o"]"#)).is_err());
    assert!(outcome(data, &wasi(r#"dirs = ["data/new/../../../other::/o"]"#)).is_err());
    assert!(outcome(data, &wasi(r#"stdout = "out.txt""#)).is_err());
    assert_eq!(outcome(data, &wasi(r#"stdout = "data/out.txt""#)), Ok(()));
    let handler = "[[handlers]]\ntype = \"filesystem\"\npath = ";
    assert_eq!(outcome(data, &format!("{handler}\"data\"")), Ok(()));
    assert!(outcome(data, &format!("{handler}\".\"")).is_err());
}

#[test]
#[cfg(unix)]
fn what_was_granted_is_not_given_once_a_link_leads_elsewhere() {
    use std::os::unix::fs::symlink;

    let place = place();
    let data = place.path().join("actor/data");
    fs::create_dir(data.join("sub")).unwrap();
    let manifest = with(&wasi("dirs = [\"data/sub::/s\"]\nstdout = \"data/out.txt\""));
    let grants = manifest.grants(&place.path().join("actor"));
    assert!(grants.check_paths().is_ok(), "nothing is there yet");
    fs::write(data.join("out.txt"), "").unwrap();
    assert!(grants.check_paths().is_ok());
    fs::remove_file(data.join("out.txt")).unwrap();
    // Nothing is there, but would be made.
    symlink("../../other/new", data.join("out.txt")).unwrap();
    assert!(grants.check_paths().is_err());
    fs::remove_file(data.join("out.txt")).unwrap();
    fs::remove_dir(data.join("sub")).unwrap();
    symlink("../../other", data.join("sub")).unwrap();
    let refused = grants.check_paths().unwrap_err().to_string();
    assert!(refused.contains("data/sub has become a link"), "{refused}");
}

#[test]
#[cfg(unix)]
fn special_files_are_not_waited_for() {
    let place = place();
    let source = |text: &str| crate::blueprint::Source::Text {
        text: format!("name = \"n\"\n{text}"),
        base_dir: place.path().join("actor"),
    };
    let read = |text| crate::blueprint::read(&source(text), None, &Permissions::default(), None);
    let refused = |text| match read(text) {
        Ok(_) => panic!("it can be read"),
        Err(error) => format!("{:#}", anyhow::Error::new(error)),
    };
    let endless = refused("component = \"/dev/zero\"");
    assert!(endless.contains("it is no regular file"), "{endless}");
}

#[test]
#[cfg(unix)]
fn links_do_not_lead_out_of_allowed_paths() {
    let place = place();
    std::os::unix::fs::symlink("../../other", place.path().join("actor/data/link")).unwrap();
    let above = above(place.path(), r#"filesystem = { allowed_paths = ["actor/data"] }"#);
    let manifest = with(&wasi(r#"dirs = ["data/link"]"#));
    assert!(manifest.within(&above, &place.path().join("actor")).is_err());
    assert!(manifest.within(&Permissions::default(), &place.path().join("actor")).is_ok());
}

#[test]
fn who_may_not_write_gets_directories_to_read() {
    let read = "filesystem = { write = false }";
    assert_eq!(outcome(read, &wasi(r#"dirs = ["data:ro"]"#)), Ok(()));
    let message = "filesystem.write asks for true, and may have false";
    assert_eq!(outcome(read, &wasi(r#"dirs = ["data"]"#)), Err(message.to_owned()));
    assert!(outcome("filesystem = \"deny\"", &wasi(r#"dirs = ["data:ro"]"#)).is_err());
}

#[test]
fn a_manifest_names_files_of_its_own_folder_only() {
    let deny = "filesystem = \"deny\"";
    assert_eq!(outcome(deny, "init_state = \"state.json\""), Ok(()));
    for rest in [
        "init_state = \"../other/secret\"",
        "init_state = \"/etc/hostname\"",
        "[chain]\nsign = \"../identity.key\"",
        "[[children]]\nname = \"b\"\nmanifest = \"../other/b.toml\"",
        "[[handlers]]\ntype = \"http-server\"\ntls = { cert = \"/c.pem\", key = \"k.pem\" }",
    ] {
        assert!(outcome(deny, rest).is_err(), "{rest}");
        assert_eq!(outcome("", rest), Ok(()), "{rest}");
    }
}

#[test]
fn networks_servers_and_variables_have_to_be_allowed() {
    let net = r#"network = { allowed_hosts = ["10.0.0.0/8"] }"#;
    assert_eq!(outcome(net, &wasi(r#"net = ["10.1.2.3:80"]"#)), Ok(()));
    assert!(outcome(net, &wasi(r#"net = ["11.1.2.3:80"]"#)).is_err());
    assert!(outcome("network = \"deny\"", &wasi(r#"net = ["10.1.2.3:80"]"#)).is_err());
    let http = r#"http-client = { allowed_hosts = ["a.example"] }"#;
    assert_eq!(outcome(http, &wasi(r#"http = ["https://a.example"]"#)), Ok(()));
    assert!(outcome(http, &wasi(r#"http = ["*"]"#)).is_err());
    let get = r#"http-client = { allowed_methods = ["GET"] }"#;
    assert!(outcome(get, &wasi(r#"http = ["a.example"]"#)).unwrap_err().contains("wasi:http"));
    let env = r#"environment = { denied_vars = ["SECRET*"] }"#;
    assert_eq!(outcome(env, &wasi(r#"env = ["HOME", "SECRET_A=mine"]"#)), Ok(()));
    assert!(outcome(env, &wasi(r#"env = ["SECRET_A"]"#)).is_err());
    let port = r#"http-server = { allowed_addresses = ["127.0.0.1:8080"] }"#;
    let server = |port: u16, host: &str| {
        format!("[[handlers]]\ntype = \"http-server\"\nport = {port}\nhost = \"{host}\"")
    };
    assert_eq!(outcome(port, &server(8080, "localhost")), Ok(()));
    assert!(outcome(port, &server(8081, "127.0.0.1")).is_err());
    assert!(outcome(port, &server(8080, "0.0.0.0")).is_err());
    assert!(outcome(port, &server(8080, "::")).is_err());
}

#[test]
fn handlers_get_what_permissions_leave_of_them() {
    let place = place();
    let above = above(place.path(), "http-client = { max_redirects = 2 }\nrandom = \"deny\"");
    let base_dir = place.path().join("actor");
    let manifest = with(
        "[[handlers]]\ntype = \"http-client\"\n[[handlers]]\ntype = \"filesystem\"\npath = \"data\"",
    );
    let allowed = manifest.within(&above, &base_dir).unwrap();
    assert_eq!(allowed.handlers.http_client.unwrap().restriction.max_redirects, Some(2));
    let real = base_dir.join("data").canonicalize().unwrap();
    assert_eq!(allowed.handlers.filesystem.unwrap().root, Root::At(real));
    assert_eq!(allowed.permissions, above);
    let random = with("[[handlers]]\ntype = \"random\"");
    assert!(random.within(&above, &base_dir).is_err());
    let own = with("[permissions]\nrandom = {}");
    assert!(own.within(&above, &base_dir).is_err(), "what is denied cannot be had by asking");
}
