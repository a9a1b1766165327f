//! What proves who somebody is can be taken out of a chain, which still verifies.

use std::fs;

use super::Plan;
use super::elsewhere::{Elsewhere, response};
use crate::stage::actors::SOON;
use crate::stage::browser::{ask, get};
use crate::stage::programs::run_at_home;

/// What is sent and received, each in its own way.
const SECRETS: [&str; 4] = ["sesame-out", "sesame-back", "sesame-in", "crumbly"];

fn has(chain: &[u8], text: &str) -> bool {
    chain.windows(text.len()).any(|it| it == text.as_bytes())
}

#[test]
fn secrets_can_be_removed_and_the_chain_still_verifies() {
    let server = Elsewhere::start(|_| response(200, &["set-cookie: sesame-back"], "fine"));
    // What the actor is told to send comes in a message, which only the manifest can know to be secret.
    let more = "[chain]\nredact = [\"theater:simple/message-server-client\"]";
    let web = Plan { more, ..Plan::new() }.start();
    let port = web.serve(&["login", "echo"], "route 1 GET /login 1\nroute 1 GET / 2");
    assert_eq!(ask(port, "GET", "/", &["Authorization: sesame-in"], "").status, 200);
    assert_eq!(get(port, "/login").header("set-cookie"), Some("session=crumbly"));
    assert_eq!(ask(port, "GET", "/", &["x-plain: in-the-open"], "").status, 200);
    assert_eq!(
        web.ask(&format!("fetch GET {} authorization:sesame-out", server.url("/"))),
        "200 4 fine"
    );
    web.stage.system.stop(web.id, SOON).unwrap();
    let chain = fs::read(web.chain_path()).unwrap();
    web.ends_and_replays();
    for secret in SECRETS {
        assert!(has(&chain, secret), "{secret} is in the chain, so that it can be replayed");
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, public) = (folder.path().join("whole.chain"), folder.path().join("public.chain"));
    fs::write(&whole, &chain).unwrap();
    let [whole, out] = [&whole, &public].map(|path| path.to_str().unwrap());
    let said = run_at_home(&["theater-replay", "redact", whole, "--all", "-o", out]);
    assert_eq!(said.exit, "Fine", "{said:?}");
    let public = fs::read(&public).unwrap();
    for secret in SECRETS {
        assert!(!has(&public, secret), "{secret}");
    }
    assert!(has(&public, "in-the-open"), "what is not secret stays");
    let said = run_at_home(&["theater-replay", "verify", out]);
    assert_eq!(said.exit, "Fine", "{said:?}");
}
