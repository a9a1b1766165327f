//! Holds a manifest to the permissions above it.

use std::path::Path;

use crate::host::{Clocks, HttpGrant, NetGrant, Random};

use super::handlers::{
    FilesystemHandler, Handlers, HttpClientHandler, HttpServerHandler, RandomHandler, Root,
};
use super::patterns::{Below, real_path};
use super::permissions::{Permissions, Restriction, Rule, Widening};
use super::restrictions::{
    self, Environment, Filesystem, HttpClient, HttpServer, Network, SupervisorUse, Timing,
};
use super::settings::Sign;
use super::wasi::{Stdio, Wasi};
use super::{ComponentSource, InitState, Manifest};

/// What an actor has once its manifest was held to the permissions above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    /// What everybody below it may have at most.
    pub permissions: Permissions,
    /// Its handlers, each restricted to what the permissions leave.
    pub handlers: Handlers,
}

impl Manifest {
    /// What an actor has whose manifest is in this folder, below somebody with these permissions.
    ///
    /// Paths are compared as the file system has them at this moment, with all links followed. A manifest may name
    /// files of its own folder whatever the permissions are; those are the actor's own.
    pub fn within(&self, above: &Permissions, base_dir: &Path) -> Result<Allowed, Widening> {
        let permissions = above.narrowed(&self.permissions.resolved(base_dir))?;
        for file in self.files() {
            own_or_allowed(&permissions.filesystem, file, base_dir)?;
        }
        if !self.children.is_empty() {
            permissions.supervisor.allow(&SupervisorUse::of(self.children.len()))?;
        }
        let asked = &self.handlers;
        let handlers = Handlers {
            runtime: allow(&permissions.runtime, &asked.runtime)?,
            message_server: allow(&permissions.message_server, &asked.message_server)?,
            supervisor: allow(&permissions.supervisor, &asked.supervisor)?,
            store: allow(&permissions.store, &asked.store)?,
            http_client: http_client(&permissions, asked.http_client.as_ref())?,
            http_server: http_server(&permissions, asked.http_server.as_ref())?,
            timing: allow(&permissions.timing, &asked.timing)?,
            random: random(&permissions, asked.random.as_ref())?,
            environment: allow(&permissions.environment, &asked.environment)?,
            filesystem: filesystem(&permissions, asked.filesystem.as_ref(), base_dir)?,
            process: match &asked.process {
                Some(process) => Some(permissions.process.allow(&process.resolved(base_dir))?),
                None => None,
            },
            wasi: asked.wasi.clone(),
        };
        if let Some(wasi) = &asked.wasi {
            check_wasi(wasi, &permissions, base_dir)?;
        }
        Ok(Allowed { permissions, handlers })
    }

    /// The files that the runtime reads because the manifest names them.
    fn files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> = self.children.iter().map(|child| &*child.manifest).collect();
        if let ComponentSource::File(path) = &self.component {
            files.push(path);
        }
        if let Some(InitState::File(path)) = &self.init_state {
            files.push(path);
        }
        if let Sign::Identity(path) = &self.chain.sign {
            files.push(path);
        }
        files.extend(self.handlers.http_client.iter().filter_map(|client| client.ca.as_deref()));
        let servers = self.handlers.http_server.iter();
        for tls in servers.filter_map(|server| server.tls.as_ref()) {
            files.extend([&*tls.cert, &*tls.key]);
        }
        files
    }
}

fn allow<R: Restriction>(rule: &Rule<R>, asked: &Option<R>) -> Result<Option<R>, Widening> {
    asked.as_ref().map(|asked| rule.allow(asked)).transpose()
}

fn http_client(
    permissions: &Permissions,
    asked: Option<&HttpClientHandler>,
) -> Result<Option<HttpClientHandler>, Widening> {
    let Some(asked) = asked else { return Ok(None) };
    let restriction = permissions.http_client.allow(&asked.restriction)?;
    Ok(Some(HttpClientHandler { restriction, ..asked.clone() }))
}

fn http_server(
    permissions: &Permissions,
    asked: Option<&HttpServerHandler>,
) -> Result<Option<HttpServerHandler>, Widening> {
    let Some(asked) = asked else { return Ok(None) };
    let restriction = permissions.http_server.allow(&asked.restriction)?;
    if let Some(port) = asked.port {
        // The address of the server itself has to be one of those.
        let host = if asked.host == "localhost" { "127.0.0.1" } else { &asked.host };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let address: Vec<NetGrant> = format!("{host}:{port}").parse().into_iter().collect();
        let server = HttpServer { allowed_addresses: Some(address), ..HttpServer::default() };
        permissions.http_server.allow(&server)?;
    }
    Ok(Some(HttpServerHandler { restriction, ..asked.clone() }))
}

fn random(
    permissions: &Permissions,
    asked: Option<&RandomHandler>,
) -> Result<Option<RandomHandler>, Widening> {
    let Some(asked) = asked else { return Ok(None) };
    let restriction = permissions.random.allow(&asked.restriction)?;
    Ok(Some(RandomHandler { restriction, ..asked.clone() }))
}

fn filesystem(
    permissions: &Permissions,
    asked: Option<&FilesystemHandler>,
    base_dir: &Path,
) -> Result<Option<FilesystemHandler>, Widening> {
    let Some(asked) = asked else { return Ok(None) };
    let restriction = permissions.filesystem.allow(&asked.restriction.resolved(base_dir))?;
    let root = match &asked.root {
        Root::At(path) => {
            let path = real_path(&base_dir.join(path));
            let use_of_root = use_of(&path, None);
            permissions.filesystem.allow(&use_of_root)?;
            Root::At(path)
        }
        Root::New => Root::New,
    };
    Ok(Some(FilesystemHandler { root, restriction }))
}

/// The use of a path, to write there or not; `None` for as much as is allowed.
fn use_of(path: &Path, write: Option<bool>) -> Filesystem {
    let allowed_paths = Some(vec![Below(path.to_owned())]);
    Filesystem { read: write.map(|_| true), write, allowed_paths }
}

fn own_or_allowed(rule: &Rule<Filesystem>, path: &Path, base_dir: &Path) -> Result<(), Widening> {
    let (path, own) = (real_path(&base_dir.join(path)), real_path(base_dir));
    if Below(own).covers_path(&path) {
        return Ok(());
    }
    rule.allow(&use_of(&path, Some(false))).map(drop)
}

fn check_wasi(wasi: &Wasi, permissions: &Permissions, base_dir: &Path) -> Result<(), Widening> {
    for dir in &wasi.dirs {
        let path = real_path(&base_dir.join(&dir.host));
        permissions.filesystem.allow(&use_of(&path, Some(!dir.read_only)))?;
    }
    for (stream, write) in [(&wasi.stdin, false), (&wasi.stdout, true), (&wasi.stderr, true)] {
        if let Stdio::File(path) = stream {
            let path = real_path(&base_dir.join(path));
            permissions.filesystem.allow(&use_of(&path, Some(write)))?;
        }
    }
    if !wasi.net.is_empty() {
        permissions.network.allow(&Network { allowed_hosts: Some(wasi.net.clone()) })?;
    }
    if wasi.random != Random::System {
        permissions.random.allow(&restrictions::Random::default())?;
    }
    if wasi.clocks != Clocks::System {
        permissions.timing.allow(&Timing::default())?;
    }
    if !wasi.http.is_empty() {
        check_http(&wasi.http, &permissions.http_client)?;
    }
    for variable in wasi.env.iter().filter(|variable| variable.value.is_none()) {
        let may_read = match &permissions.environment {
            Rule::Inherit => true,
            Rule::Restrict(environment) => environment.allows(&variable.name),
            Rule::Deny => false,
        };
        if !may_read {
            return Err(Widening {
                capability: Environment::CAPABILITY,
                key: None,
                asked: variable.name.clone(),
                may_have: "other variables or none".to_owned(),
            });
        }
    }
    Ok(())
}

/// Nobody looks at the methods, redirects, sizes and times of requests through `wasi:http`, so whoever
/// is restricted in these cannot have it.
fn check_http(asked: &[HttpGrant], rule: &Rule<HttpClient>) -> Result<(), Widening> {
    let client =
        rule.allow(&HttpClient { allowed_hosts: Some(asked.to_vec()), ..HttpClient::default() })?;
    let only_hosts =
        HttpClient { allowed_hosts: client.allowed_hosts.clone(), ..HttpClient::default() };
    if client == only_hosts {
        return Ok(());
    }
    Err(Widening {
        capability: HttpClient::CAPABILITY,
        key: None,
        asked: "wasi:http, where only hosts can be restricted".to_owned(),
        may_have: "the handler http-client".to_owned(),
    })
}
