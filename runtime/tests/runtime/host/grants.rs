//! Grants as people write them.

use std::fmt::Debug;
use std::path::PathBuf;
use std::str::FromStr;

use theater_runtime::host::{
    Clocks, DirGrant, GrantError, Grants, Host, HttpGrant, HttpScheme, NetGrant, NetHost, Output,
    Random, parse_env,
};

fn parsed<T: FromStr<Err = GrantError>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn refused<T: FromStr<Err = GrantError> + Debug>(text: &str) -> String {
    text.parse::<T>().expect_err(text).to_string()
}

#[test]
fn directories() {
    let dir = |host: &str, guest: &str, read_only| DirGrant {
        host: PathBuf::from(host),
        guest: guest.to_owned(),
        read_only,
    };
    assert_eq!(parsed::<DirGrant>("/data::/d"), dir("/data", "/d", false));
    assert_eq!(parsed::<DirGrant>("/data::/d:ro"), dir("/data", "/d", true));
    assert_eq!(parsed::<DirGrant>("C:\\data::/d"), dir("C:\\data", "/d", false));
    assert_eq!(parsed::<DirGrant>("."), dir(".", ".", false));
    assert_eq!(parsed::<DirGrant>("data:ro"), dir("data", "data", true));
    for text in ["", "::", "::/d", "/data::", "::ro", ":ro"] {
        assert_eq!(refused::<DirGrant>(text), {
            format!("expected a directory as HOST::GUEST or HOST::GUEST:ro, found {text:?}")
        });
    }
}

#[test]
fn networks_print_as_they_are_written() {
    for text in [
        "*",
        "*:80",
        "example.com",
        "example.com:443",
        "10.0.0.0/8",
        "10.0.0.0/8:443",
        "127.0.0.1",
        "127.0.0.1:1",
        "::1",
        "[::1]:80",
        "fd00::/8",
        "[fd00::]/8:65535",
    ] {
        assert_eq!(parsed::<NetGrant>(text).to_string(), text);
    }
    let name = NetGrant { host: NetHost::Name("example.com".to_owned()), port: None };
    assert_eq!(parsed::<NetGrant>("Example.COM"), name);
    for text in [
        "",
        ":80",
        "a:",
        "a:0",
        "a:65536",
        "a:+1",
        "a:b",
        "a b",
        "a/8",
        "10.0.0.0/33",
        "::/129",
        "[::1",
        "[a]:1",
        "1.2.3.4:5:6",
        "http://a",
    ] {
        assert_eq!(refused::<NetGrant>(text), {
            format!(
                "expected an address as HOST, HOST:PORT, 10.0.0.0/8, [::1]:80 or *, found {text:?}"
            )
        });
    }
}

#[test]
fn http_servers_print_as_they_are_written() {
    for text in [
        "*",
        "*:80",
        "example.com",
        "example.com:8080",
        "https://example.com",
        "http://[::1]:8080",
        "https://*",
        "127.0.0.1:80",
    ] {
        assert_eq!(parsed::<HttpGrant>(text).to_string(), text);
    }
    let origin = HttpGrant {
        scheme: Some(HttpScheme::Https),
        host: Some("example.com".to_owned()),
        port: Some(443),
    };
    assert_eq!(parsed::<HttpGrant>("https://EXAMPLE.com/"), origin);
    for text in ["", "ftp://a", "a/b", "https://a/b", "https://", "u@a", "::1", "*.a", "a:http"] {
        assert_eq!(refused::<HttpGrant>(text), {
            format!(
                "expected a server as HOST, HOST:PORT, https://HOST or *, without a path, found {text:?}"
            )
        });
    }
}

#[test]
fn variables_clocks_and_randomness() {
    let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
    assert_eq!(parse_env("A=b=c"), pair("A", "b=c"));
    assert_eq!(parse_env("A="), pair("A", ""));
    assert_eq!(parse_env("CARGO_PKG_NAME"), pair("CARGO_PKG_NAME", "theater-runtime"));
    assert!(parse_env("=b").is_err());
    assert_eq!(
        parse_env("THEATER_TEST_UNSET").unwrap_err().to_string(),
        "expected NAME=VALUE, or the NAME of a variable that is set to text, \
         found \"THEATER_TEST_UNSET\""
    );
    assert_eq!(parsed::<Random>("seed:42"), Random::Seeded(42));
    assert_eq!(parsed::<Random>("system"), Random::System);
    assert_eq!(refused::<Random>("42"), "expected system or seed:NUMBER, found \"42\"");
    let fixed = |start_ns, step_ns| Clocks::Fixed { start_ns, step_ns };
    assert_eq!(parsed::<Clocks>("system"), Clocks::System);
    assert_eq!(parsed::<Clocks>("fixed:5"), fixed(5, 0));
    assert_eq!(parsed::<Clocks>("fixed:5+1000"), fixed(5, 1000));
    assert!(refused::<Clocks>("fixed:5+").contains("fixed:START+STEP"));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let refused = |grants| match Host::new(grants) {
        Ok(_) => panic!("it was granted"),
        Err(error) => error.to_string(),
    };
    let dir = |guest: &str, path: &std::path::Path| DirGrant {
        host: path.to_owned(),
        guest: guest.to_owned(),
        read_only: false,
    };
    let error = refused(Grants { dirs: vec![dir("/d", &missing)], ..Grants::default() });
    let expected = format!("cannot grant the directory {}: ", missing.display());
    assert!(error.starts_with(&expected), "{error}");
    let error = refused(Grants {
        stdin: missing.display().to_string().parse().unwrap(),
        ..Grants::default()
    });
    assert!(error.starts_with(&format!("cannot open {} as stdin: ", missing.display())), "{error}");
    let error = refused(Grants { stderr: Output::File(missing.join("x")), ..Grants::default() });
    assert!(error.contains(" as stderr: "), "{error}");
    let twice = vec![dir("/d", folder.path()), dir("/d", folder.path())];
    assert_eq!(refused(Grants { dirs: twice, ..Grants::default() }), {
        "two directories are granted under the name /d"
    });
}
