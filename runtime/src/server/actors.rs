//! Starting, finding and ending actors.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::actor_id::ActorId;
use crate::blueprint::{BlueprintError, Source};
use crate::complaint::sentence;
use crate::end::Status;
use crate::manifest::ManifestError;
use crate::system::{Listed, SendError, SpawnError, System};

use super::content::Content;
use super::input::{Document, Id, Params, timeout};
use super::listing::{ActorJson, Actors, Head, Inspected, TreeLine, tree as tree_of};
use super::managed::{Farewell, Managed};
use super::messages::bytes;
use super::problem::{Code, Problem};
use super::views::OneChain;

/// How long an actor gets to finish what it does, if nobody says.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether an actor that was killed is gone.
const KILL_LOOK_EVERY: Duration = Duration::from_millis(2);

/// What to start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// The path of a manifest on the server's machine.
    path: Option<PathBuf>,
    /// The manifest itself.
    text: Option<String>,
    /// The folder where the paths start in a manifest that is no file.
    base_dir: Option<PathBuf>,
    /// A manifest in the store: `store:` and a digest or a label.
    stored: Option<String>,
    /// The state to start with, in place of the manifest's.
    state: Option<Given>,
    parent: Option<String>,
}

/// Bytes that somebody gives.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Given {
    Text(String),
    Hex(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StopParams {
    timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateParams {
    /// As of this event.
    at: Option<u64>,
    /// Of this chain, counted from 1.
    chain: Option<usize>,
    #[serde(default)]
    raw: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TreeParams {
    root: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShutdownParams {
    #[serde(default)]
    actors: Farewell,
}

pub(super) async fn health(State(managed): State<Managed>) -> Json<Value> {
    let actors = managed.system().list().len();
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "status": "ok", "version": version, "actors": actors, "uptime_s": managed.uptime_s(),
    }))
}

pub(super) async fn list(State(managed): State<Managed>) -> Json<Actors<ActorJson>> {
    let listed = managed.system().list();
    Json(Actors { actors: listed.iter().map(ActorJson::from).collect() })
}

pub(super) async fn tree(
    State(managed): State<Managed>,
    Params(params): Params<TreeParams>,
) -> Result<Json<Actors<TreeLine>>, Problem> {
    let root = params.root.as_deref().map(actor).transpose()?;
    let listed = managed.system().list();
    match root {
        Some(root) if !listed.iter().any(|one| one.id == root) => Err(no_actor(root)),
        _ => Ok(Json(Actors { actors: tree_of(&listed, root) })),
    }
}

pub(super) async fn start(
    State(managed): State<Managed>,
    Document(start): Document<Start>,
) -> Result<Response, Problem> {
    let parent = start.parent.as_deref().map(actor).transpose()?;
    let state = start.state.as_ref().map(bytes_of).transpose()?;
    let source = start.source()?;
    let listed = managed.wait(move |managed| {
        let system = managed.system();
        let id = system.start(&source, state, parent).map_err(not_started)?;
        system.listed(id).map_err(Problem::from)
    });
    let actor = listed.await??;
    let mut response = (StatusCode::CREATED, Json(ActorJson::from(&actor))).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/actors/{}", actor.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The state that an actor gave back last, or had as of an event.
pub(super) async fn state(
    State(managed): State<Managed>,
    Id(id): Id,
    Params(params): Params<StateParams>,
) -> Result<Response, Problem> {
    // A state that was given back just now is there once its handler is through.
    let state = managed.wait(move |managed| match params.at {
        None => managed.system().state(id).map_err(Problem::from),
        Some(at) => Ok(OneChain::of(managed, id, params.chain)?.view.state_at(at)?),
    });
    let state = state.await??;
    match params.raw {
        false => Ok(Json(state.as_deref().map(Content::of)).into_response()),
        true => Ok(match state {
            Some(state) => bytes(state),
            None => StatusCode::NO_CONTENT.into_response(),
        }),
    }
}

pub(super) async fn inspect(
    State(managed): State<Managed>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let inspected = managed.look(move |managed| -> Result<Inspected, Problem> {
        let system = managed.system();
        let actor = ActorJson::from(&system.listed(id)?);
        let head = OneChain::of(managed, id, None).and_then(|chain| Ok(chain.view.head()?)).ok();
        let head = head.map(|head| Head { seq: head.seq, link: head.hash.to_string() });
        let of_it = |one: &Listed| (one.parent == Some(id)).then(|| one.id.to_string());
        let children = system.list().iter().filter_map(of_it).collect();
        let paths = system.chain_paths(id)?;
        let chains = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(Inspected { actor, children, chains, head })
    });
    Ok(Json(inspected.await??).into_response())
}

pub(super) async fn stop(
    State(managed): State<Managed>,
    Id(id): Id,
    Params(params): Params<StopParams>,
) -> Result<Response, Problem> {
    let grace = timeout(params.timeout.as_deref(), GRACE)?;
    change(&managed, id, move |system| system.stop(id, grace).map(drop).map_err(Problem::from))
        .await
}

pub(super) async fn kill(State(managed): State<Managed>, Id(id): Id) -> Result<Response, Problem> {
    change(&managed, id, move |system| {
        let before = system.listed(id)?;
        system.kill(id)?;
        // Whoever starts it again at once should find it gone.
        let start = Instant::now();
        while start.elapsed() < GRACE && is_same_life(&before, &system.listed(id)?) {
            std::thread::sleep(KILL_LOOK_EVERY);
        }
        Ok(())
    })
    .await
}

pub(super) async fn restart(
    State(managed): State<Managed>,
    Id(id): Id,
) -> Result<Response, Problem> {
    change(&managed, id, move |system| system.restart(id).map_err(not_started)).await
}

/// Pauses or ends all actors, and the server.
pub(super) async fn shutdown(
    State(managed): State<Managed>,
    Params(params): Params<ShutdownParams>,
) -> Response {
    managed.ask_to_stop(params.actors);
    (StatusCode::ACCEPTED, Json(json!({ "stopping": true }))).into_response()
}

/// Has something done to an actor, and tells how it stands then.
async fn change(
    managed: &Managed,
    id: ActorId,
    what: impl FnOnce(&System) -> Result<(), Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let changed = managed.end(move |managed| {
        what(managed.system())?;
        managed.system().listed(id).map_err(Problem::from)
    });
    Ok(Json(ActorJson::from(&changed.await??)).into_response())
}

impl Start {
    fn source(self) -> Result<Source, Problem> {
        match (self.path, self.text, self.stored, self.base_dir) {
            (Some(path), None, None, None) => Ok(Source::File(absolute(path, "path")?)),
            (None, Some(text), None, Some(base_dir)) => {
                Ok(Source::Text { text, base_dir: absolute(base_dir, "base_dir")? })
            }
            (None, None, Some(stored), Some(base_dir)) => {
                let name = stored.strip_prefix("store:").unwrap_or(&stored).to_owned();
                Ok(Source::Stored { name, base_dir: absolute(base_dir, "base_dir")? })
            }
            _ => Err(Problem::bad(
                "the body: expected path, or text with base_dir, or stored with base_dir",
            )),
        }
    }
}

/// Whether an actor is still in the life it was in before.
fn is_same_life(before: &Listed, now: &Listed) -> bool {
    matches!(now.status, Status::Starting | Status::Running) && now.lives == before.lives
}

/// Where the server was started says nothing to who uses it.
fn absolute(path: PathBuf, key: &str) -> Result<PathBuf, Problem> {
    match path.is_absolute() {
        true => Ok(path),
        false => Err(Problem::bad(format!("{key}: expected an absolute path"))),
    }
}

fn actor(text: &str) -> Result<ActorId, Problem> {
    text.parse()
        .map_err(|error: crate::NotAnActorId| Problem::new(Code::NoActor, error.to_string()))
}

fn bytes_of(given: &Given) -> Result<Vec<u8>, Problem> {
    match given {
        Given::Text(text) => Ok(text.as_bytes().to_vec()),
        Given::Hex(hex) => crate::manifest::bytes_of_hex(hex)
            .map_err(|error| Problem::bad(format!("state.hex: {error}"))),
    }
}

pub(super) fn no_actor(id: ActorId) -> Problem {
    Problem::from(SendError::NoActor(id))
}

/// Why an actor was not started.
fn not_started(error: SpawnError) -> Problem {
    match error {
        SpawnError::Parent(error) => error.into(),
        SpawnError::Blueprint(BlueprintError::Manifest(ManifestError::Invalid(problems))) => {
            Problem::bad_manifest(problems.to_string(), &problems.problems)
        }
        SpawnError::Blueprint(
            error @ BlueprintError::Manifest(ManifestError::Unreadable { .. }),
        ) => Problem::bad(sentence(&error.into())),
        SpawnError::Blueprint(error) => Problem::new(Code::BadManifest, sentence(&error.into())),
        error => Problem::new(Code::NotStarted, sentence(&error.into())),
    }
}
