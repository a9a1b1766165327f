//! The restrictions of each capability. Permissions and handlers have the same: a handler's say what an
//! actor asks for, a permission's what there is at most.

pub(super) mod read;

use std::path::Path;

use crate::host::{HttpGrant, HttpScheme, NetGrant, Origin};

use super::amounts::time_text;
use super::patterns::{Below, Method, Name, Pattern, Route};
use super::permissions::{Key, Restriction, Widening, resolved_paths};

/// To log, to end itself, to know its own chain. Had as a whole or not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RuntimeUse;

impl Restriction for RuntimeUse {
    const CAPABILITY: &'static str = "runtime";

    fn narrowed(&self, _child: &RuntimeUse) -> Result<RuntimeUse, Widening> {
        Ok(RuntimeUse)
    }
}

/// To exchange messages with other actors. Had as a whole or not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MessageUse;

impl Restriction for MessageUse {
    const CAPABILITY: &'static str = "message-server";

    fn narrowed(&self, _child: &MessageUse) -> Result<MessageUse, Widening> {
        Ok(MessageUse)
    }
}

/// How many actors it may start. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SupervisorUse {
    /// How many children it may have at a time.
    pub max_children: Option<u64>,
}

impl SupervisorUse {
    /// What somebody needs who has so many children.
    pub(super) fn of(children: usize) -> SupervisorUse {
        SupervisorUse { max_children: Some(children as u64) }
    }
}

impl Restriction for SupervisorUse {
    const CAPABILITY: &'static str = "supervisor";

    fn narrowed(&self, child: &SupervisorUse) -> Result<SupervisorUse, Widening> {
        Ok(SupervisorUse {
            max_children: key::<SupervisorUse, _>(
                "max_children",
                &self.max_children,
                &child.max_children,
            )
            .at_most(count)?,
        })
    }
}

/// What it may do with the store. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoreUse {
    /// Whether it may add content and move labels.
    pub write: Option<bool>,
    /// How much one piece of content may have.
    pub max_bytes: Option<u64>,
}

impl Restriction for StoreUse {
    const CAPABILITY: &'static str = "store";

    fn narrowed(&self, child: &StoreUse) -> Result<StoreUse, Widening> {
        Ok(StoreUse {
            write: key::<StoreUse, _>("write", &self.write, &child.write).may()?,
            max_bytes: key::<StoreUse, _>("max_bytes", &self.max_bytes, &child.max_bytes)
                .at_most(size)?,
        })
    }
}

/// Which HTTP requests it may send. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HttpClient {
    /// The servers.
    pub allowed_hosts: Option<Vec<HttpGrant>>,
    /// The methods.
    pub allowed_methods: Option<Vec<Method>>,
    /// How many redirects are followed, each to an allowed server.
    pub max_redirects: Option<u64>,
    /// How large the body of a response may be.
    pub max_response_bytes: Option<u64>,
    /// How long a request may take, in nanoseconds.
    pub timeout_ns: Option<u64>,
}

impl Restriction for HttpClient {
    const CAPABILITY: &'static str = "http-client";

    fn narrowed(&self, child: &HttpClient) -> Result<HttpClient, Widening> {
        Ok(HttpClient {
            allowed_hosts: key::<HttpClient, _>(
                "allowed_hosts",
                &self.allowed_hosts,
                &child.allowed_hosts,
            )
            .subset()?,
            allowed_methods: key::<HttpClient, _>(
                "allowed_methods",
                &self.allowed_methods,
                &child.allowed_methods,
            )
            .subset()?,
            max_redirects: key::<HttpClient, _>(
                "max_redirects",
                &self.max_redirects,
                &child.max_redirects,
            )
            .at_most(count)?,
            max_response_bytes: key::<HttpClient, _>(
                "max_response_bytes",
                &self.max_response_bytes,
                &child.max_response_bytes,
            )
            .at_most(size)?,
            timeout_ns: key::<HttpClient, _>("timeout", &self.timeout_ns, &child.timeout_ns)
                .at_most(time_text)?,
        })
    }
}

/// Which HTTP requests it may answer. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HttpServer {
    /// The addresses it may listen on.
    pub allowed_addresses: Option<Vec<NetGrant>>,
    /// The routes.
    pub allowed_routes: Option<Vec<Route>>,
    /// The methods.
    pub allowed_methods: Option<Vec<Method>>,
    /// How large the body of a request may be.
    pub max_request_bytes: Option<u64>,
    /// How many connections there may be at a time.
    pub max_connections: Option<u64>,
    /// How long a client may take to send a request, in nanoseconds.
    pub timeout_ns: Option<u64>,
}

impl Restriction for HttpServer {
    const CAPABILITY: &'static str = "http-server";

    fn narrowed(&self, child: &HttpServer) -> Result<HttpServer, Widening> {
        Ok(HttpServer {
            allowed_addresses: key::<HttpServer, _>(
                "allowed_addresses",
                &self.allowed_addresses,
                &child.allowed_addresses,
            )
            .subset()?,
            allowed_routes: key::<HttpServer, _>(
                "allowed_routes",
                &self.allowed_routes,
                &child.allowed_routes,
            )
            .subset()?,
            allowed_methods: key::<HttpServer, _>(
                "allowed_methods",
                &self.allowed_methods,
                &child.allowed_methods,
            )
            .subset()?,
            max_request_bytes: key::<HttpServer, _>(
                "max_request_bytes",
                &self.max_request_bytes,
                &child.max_request_bytes,
            )
            .at_most(size)?,
            max_connections: key::<HttpServer, _>(
                "max_connections",
                &self.max_connections,
                &child.max_connections,
            )
            .at_most(count)?,
            timeout_ns: key::<HttpServer, _>("timeout", &self.timeout_ns, &child.timeout_ns)
                .at_most(time_text)?,
        })
    }
}

/// How long it may wait. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timing {
    /// The longest sleep, in nanoseconds.
    pub max_sleep_ns: Option<u64>,
}

impl Restriction for Timing {
    const CAPABILITY: &'static str = "timing";

    fn narrowed(&self, child: &Timing) -> Result<Timing, Widening> {
        Ok(Timing {
            max_sleep_ns: key::<Timing, _>("max_sleep", &self.max_sleep_ns, &child.max_sleep_ns)
                .at_most(time_text)?,
        })
    }
}

/// How many random numbers it may get. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Random {
    /// How many bytes at a time.
    pub max_bytes: Option<u64>,
}

impl Restriction for Random {
    const CAPABILITY: &'static str = "random";

    fn narrowed(&self, child: &Random) -> Result<Random, Widening> {
        Ok(Random {
            max_bytes: key::<Random, _>("max_bytes", &self.max_bytes, &child.max_bytes)
                .at_most(size)?,
        })
    }
}

/// Which environment variables it may read. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environment {
    /// The variables.
    pub allowed_vars: Option<Vec<Name>>,
    /// Variables that it may not read even so.
    pub denied_vars: Vec<Name>,
    /// Whether it may list them.
    pub allow_list_all: Option<bool>,
}

impl Restriction for Environment {
    const CAPABILITY: &'static str = "environment";

    fn narrowed(&self, child: &Environment) -> Result<Environment, Widening> {
        // Denials add up, so that no child can take one back.
        let mut denied_vars = self.denied_vars.clone();
        let more = child.denied_vars.iter().filter(|name| !self.denied_vars.contains(name));
        denied_vars.extend(more.cloned());
        Ok(Environment {
            allowed_vars: key::<Environment, _>(
                "allowed_vars",
                &self.allowed_vars,
                &child.allowed_vars,
            )
            .subset()?,
            denied_vars,
            allow_list_all: key::<Environment, _>(
                "allow_list_all",
                &self.allow_list_all,
                &child.allow_list_all,
            )
            .may()?,
        })
    }
}

/// Which files it may use. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filesystem {
    /// Whether it may read.
    pub read: Option<bool>,
    /// Whether it may write.
    pub write: Option<bool>,
    /// The folders and files.
    pub allowed_paths: Option<Vec<Below>>,
}

impl Restriction for Filesystem {
    const CAPABILITY: &'static str = "filesystem";

    fn narrowed(&self, child: &Filesystem) -> Result<Filesystem, Widening> {
        Ok(Filesystem {
            read: key::<Filesystem, _>("read", &self.read, &child.read).may()?,
            write: key::<Filesystem, _>("write", &self.write, &child.write).may()?,
            allowed_paths: key::<Filesystem, _>(
                "allowed_paths",
                &self.allowed_paths,
                &child.allowed_paths,
            )
            .subset()?,
        })
    }

    fn resolved(&self, base_dir: &Path) -> Filesystem {
        let allowed_paths = resolved_paths(&self.allowed_paths, base_dir);
        Filesystem { allowed_paths, ..self.clone() }
    }
}

/// Which processes it may run. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Process {
    /// The programs.
    pub allowed_programs: Option<Vec<Name>>,
    /// The folders they may run in.
    pub allowed_paths: Option<Vec<Below>>,
    /// How many at a time.
    pub max_processes: Option<u64>,
    /// How much of one's output may wait to be told.
    pub max_output_bytes: Option<u64>,
    /// How long one may run, in nanoseconds.
    pub timeout_ns: Option<u64>,
}

impl Restriction for Process {
    const CAPABILITY: &'static str = "process";

    fn narrowed(&self, child: &Process) -> Result<Process, Widening> {
        Ok(Process {
            allowed_programs: key::<Process, _>(
                "allowed_programs",
                &self.allowed_programs,
                &child.allowed_programs,
            )
            .subset()?,
            allowed_paths: key::<Process, _>(
                "allowed_paths",
                &self.allowed_paths,
                &child.allowed_paths,
            )
            .subset()?,
            max_processes: key::<Process, _>(
                "max_processes",
                &self.max_processes,
                &child.max_processes,
            )
            .at_most(count)?,
            max_output_bytes: key::<Process, _>(
                "max_output_bytes",
                &self.max_output_bytes,
                &child.max_output_bytes,
            )
            .at_most(size)?,
            timeout_ns: key::<Process, _>("timeout", &self.timeout_ns, &child.timeout_ns)
                .at_most(time_text)?,
        })
    }

    fn resolved(&self, base_dir: &Path) -> Process {
        let allowed_paths = resolved_paths(&self.allowed_paths, base_dir);
        Process { allowed_paths, ..self.clone() }
    }
}

/// Which addresses its own sockets may have to do with. What is `None` is not restricted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// The addresses.
    pub allowed_hosts: Option<Vec<NetGrant>>,
}

impl Restriction for Network {
    const CAPABILITY: &'static str = "network";

    fn narrowed(&self, child: &Network) -> Result<Network, Widening> {
        Ok(Network {
            allowed_hosts: key::<Network, _>(
                "allowed_hosts",
                &self.allowed_hosts,
                &child.allowed_hosts,
            )
            .subset()?,
        })
    }
}

impl HttpClient {
    /// Whether a request with this method may be sent there. The host is in lower case.
    #[must_use]
    pub fn allows(&self, method: &str, scheme: HttpScheme, host: &str, port: u16) -> bool {
        self.allows_server(&Origin { scheme, host: host.to_owned(), port })
            && self.allows_method(method)
    }

    pub(crate) fn allows_server(&self, server: &Origin) -> bool {
        let covers = |grants: &Vec<HttpGrant>| grants.iter().any(|it| server.is_covered_by(it));
        self.allowed_hosts.as_ref().is_none_or(covers)
    }

    pub(crate) fn allows_method(&self, method: &str) -> bool {
        is_allowed(&self.allowed_methods, &Method(method.to_owned()))
    }
}

impl HttpServer {
    /// Whether a request with this method on this route may be answered.
    #[must_use]
    pub fn allows(&self, method: &str, route: &str) -> bool {
        self.allows_route(route) && self.allows_method(method)
    }

    /// Whether it may listen at an address; without a port, at any.
    pub(crate) fn allows_address(&self, address: &NetGrant) -> bool {
        is_allowed(&self.allowed_addresses, address)
    }

    pub(crate) fn allows_route(&self, route: &str) -> bool {
        is_allowed(&self.allowed_routes, &Route(route.to_owned()))
    }

    /// What can be asked for with GET can be asked about with HEAD.
    pub(crate) fn allows_method(&self, method: &str) -> bool {
        let is_listed =
            |method: &str| is_allowed(&self.allowed_methods, &Method(method.to_owned()));
        is_listed(method) || method == "HEAD" && is_listed("GET")
    }
}

impl Environment {
    /// Whether a variable may be read.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        is_allowed(&self.allowed_vars, &Name::Exactly(name.to_owned()))
            && !self.denied_vars.iter().any(|denied| denied.matches(name))
    }
}

impl Filesystem {
    /// Whether a path may be used at all, as it is after all links were followed.
    #[must_use]
    pub fn allows(&self, path: &Path) -> bool {
        is_allowed(&self.allowed_paths, &Below(path.to_owned()))
    }
}

impl Process {
    /// Whether a program may be run, as the actor names it.
    #[must_use]
    pub fn allows_program(&self, program: &str) -> bool {
        is_allowed(&self.allowed_programs, &Name::Exactly(program.to_owned()))
    }

    /// Whether programs may run in this folder, as it is after all links were followed.
    #[must_use]
    pub fn allows_folder(&self, folder: &Path) -> bool {
        is_allowed(&self.allowed_paths, &Below(folder.to_owned()))
    }
}

fn is_allowed<P: Pattern>(allowed: &Option<Vec<P>>, asked: &P) -> bool {
    allowed.as_ref().is_none_or(|list| list.iter().any(|allowed| allowed.covers(asked)))
}

fn key<'a, R: Restriction, T>(key: &'static str, parent: &'a T, child: &'a T) -> Key<'a, T> {
    Key { capability: R::CAPABILITY, key, parent, child }
}

fn count(number: u64) -> String {
    number.to_string()
}

fn size(bytes: u64) -> String {
    format!("{bytes} bytes")
}
