//! The real world, granted piece by piece.
//!
//! A [`Host`] holds what `wasmtime-wasi` and `wasmtime-wasi-http` need to answer one component, set
//! up so that whatever was not granted is denied. Nothing of WASI is done here; this is about who may
//! do what, and about saying so: every decision about the network, about name lookups and about HTTP
//! is noted, for the recorder to write down between the call and its return.
//!
//! The file system is decided inside `wasmtime-wasi`, which tells nobody. There the denials are read
//! off the calls that failed; see [`FileWatch`].
//!
//! Everything is synchronous: a call blocks the thread that makes it. Async work that remains runs on
//! one runtime that all hosts of the process share. So a host must not be called on a thread that
//! belongs to an async runtime.

mod ceilings;
mod decisions;
mod files;
mod fixed;
mod grants;
mod http;
mod liberties;
mod names;
mod network;
mod service;
mod stdio;
mod waits;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use theater_record::{Permission, TypeTable, Values};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::killer::Killed;

use decisions::Decisions;
use fixed::{FixedClock, SeededRandom};
use http::Hooks;
pub(crate) use http::Origin;
use liberties::Listing;
use names::{NameLookup, NameLookupView};
use network::NetPolicy;
pub(crate) use network::{IS_CLOSED, reaches};

pub use ceilings::Ceiling;
pub use decisions::Reason;
pub use files::FileWatch;
pub use grants::{
    Clocks, DirGrant, GrantError, Grants, HttpGrant, HttpScheme, NetGrant, NetHost, Random,
    parse_env,
};
pub(crate) use liberties::add_liberties;
pub use liberties::{EntryOrder, Liberties, Readiness};
pub use service::{Service, ServiceCall};
pub use stdio::{Captured, Input, Output};

/// What one component gets of the real world.
pub struct Host {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: Hooks,
    network: Arc<NetPolicy>,
    /// The name that each open lookup is about, by the number of its resource.
    lookups: BTreeMap<u32, String>,
    decisions: Decisions,
    has_read_only_dirs: bool,
    skips_waiting: bool,
    chance: Ceiling,
    waiting: Ceiling,
    liberties: Liberties,
    /// What is left of each listing of a directory, by the number of its resource. Only filled by a
    /// host that takes liberties.
    listings: BTreeMap<u32, Listing>,
    /// Ends what the component waits for.
    killed: Killed,
    /// By the names of their interfaces, without versions.
    services: BTreeMap<String, Box<dyn Service>>,
}

/// Why what was granted cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A directory that cannot be opened.
    #[error("cannot grant the directory {}: {source}", .path.display())]
    Dir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path that leads elsewhere than it did when it was granted.
    #[error("{} has become a link, or lies behind one; it was granted as it was before", .path.display())]
    Moved {
        /// The path.
        path: PathBuf,
    },
    /// Two directories that would have the same name.
    #[error("two directories are granted under the name {guest}")]
    SameName {
        /// The name that the component would see twice.
        guest: String,
    },
    /// A file for an input or an output that cannot be opened.
    #[error("cannot open {} as {stream}: {source}", .path.display())]
    Stream {
        /// Which of stdin, stdout and stderr.
        stream: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A store's data that has a host in it.
///
/// It also implements the two traits by which the WASI libraries find their state, by calling
/// [`Host::wasi`] and [`Host::http`].
pub trait HostView: WasiView + WasiHttpView {
    /// The host.
    fn host(&mut self) -> &mut Host;
}

impl Host {
    /// Opens what was granted.
    pub fn new(grants: Grants) -> Result<Host, HostError> {
        let skips_waiting = skips_waiting(&grants);
        let decisions = Decisions::default();
        let network = Arc::new(NetPolicy::new(grants.net, grants.closed, decisions.clone()));
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(&grants.args)
            .envs(&grants.env)
            .allow_blocking_current_thread(true)
            // Sockets can always be made: only so is the address known when one is denied.
            .allow_tcp(true)
            .allow_udp(true)
            .allow_ip_name_lookup(true);
        let policy = Arc::clone(&network);
        builder.socket_addr_check(move |address, usage: SocketAddrUse| {
            Box::pin(std::future::ready(policy.decide(address, usage)))
        });
        grants.stdin.give(&mut builder)?;
        grants.stdout.give_stdout(&mut builder)?;
        grants.stderr.give_stderr(&mut builder)?;
        give_dirs(&mut builder, &grants.dirs)?;
        if let Random::Seeded(seed) = grants.random {
            SeededRandom::give(seed, &mut builder);
        }
        if let Clocks::Fixed { start_ns, step_ns } = grants.clocks {
            let monotonic_start_ns = grants.liberties.monotonic_start_ns;
            FixedClock::give(start_ns, monotonic_start_ns, step_ns, &mut builder);
        }
        Ok(Host {
            wasi: builder.build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            hooks: Hooks::new(grants.http, grants.closed, decisions.clone()),
            network,
            lookups: BTreeMap::new(),
            decisions,
            has_read_only_dirs: grants.dirs.iter().any(|dir| dir.read_only),
            skips_waiting,
            chance: grants.chance,
            waiting: grants.waiting,
            liberties: grants.liberties,
            listings: BTreeMap::new(),
            killed: Killed::default(),
            services: BTreeMap::new(),
        })
    }

    /// Has a service answer all functions of an interface, named without a version.
    pub fn serve(&mut self, interface: &str, service: Box<dyn Service>) {
        self.services.insert(interface.to_owned(), service);
    }

    /// The service for an interface, which may have a version.
    pub(crate) fn service(&mut self, interface: &str) -> Option<&mut Box<dyn Service>> {
        self.services.get_mut(interface.split('@').next().unwrap_or(interface))
    }

    /// Has every service forget the life of the actor that it remembers.
    pub(crate) fn forget(&mut self) {
        self.services.values_mut().for_each(|service| service.forget());
    }

    /// The state of `wasmtime-wasi`, for [`WasiView`].
    pub fn wasi(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }

    /// The state of `wasmtime-wasi-http`, for [`WasiHttpView`].
    pub fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }

    /// Takes the decisions since the last time, in the order in which they were made.
    pub fn take_decisions(&mut self) -> Vec<Permission> {
        self.decisions.take()
    }

    /// The denial that made a call to the file system fail, if one did.
    ///
    /// A call that succeeded costs a look at the first bytes of what it returned.
    #[must_use]
    pub fn file_denial(
        &self,
        watch: &FileWatch,
        args: &Values,
        returned: &Values,
        types: &TypeTable,
    ) -> Option<Permission> {
        watch.denial(args, returned, types, self.has_read_only_dirs)
    }

    /// Whether it does anything else than `wasmtime-wasi` where WASI leaves it free.
    pub(crate) fn takes_liberties(&self) -> bool {
        self.liberties != Liberties::default()
    }

    fn names(&mut self) -> NameLookupView<'_> {
        NameLookupView {
            sockets: wasmtime_wasi::sockets::WasiSocketsCtxView {
                ctx: self.wasi.sockets(),
                table: &mut self.table,
            },
            policy: &self.network,
            lookups: &mut self.lookups,
        }
    }
}

/// Adds all of WASI 0.2 to a linker: cli, clocks, random, io, filesystem, sockets and HTTP.
pub fn add_to_linker<T: HostView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup;

    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_sync(linker)?;
    // The library asks nobody which names may be looked up, and a lookup tells the name to the
    // outside. So this one interface goes through our own check first. It asks nobody either who may
    // know the time or draw numbers. Waiting would take time also where clocks are fixed, and would
    // go on in a component that was killed.
    linker.allow_shadowing(true);
    let added = ip_name_lookup::add_to_linker::<T, NameLookup>(linker, |data| data.host().names())
        .and_then(|()| ceilings::add_held(linker))
        .and_then(|()| waits::add_waits(linker));
    linker.allow_shadowing(false);
    added
}

/// Whether waiting is over at once: clocks are fixed, and nothing else could be waited for.
fn skips_waiting(grants: &Grants) -> bool {
    matches!(grants.clocks, Clocks::Fixed { .. })
        && grants.net.is_empty()
        && grants.http.is_empty()
        && grants.stdin != Input::Inherit
}

fn give_dirs(builder: &mut WasiCtxBuilder, dirs: &[DirGrant]) -> Result<(), HostError> {
    for (at, dir) in dirs.iter().enumerate() {
        if dirs[..at].iter().any(|before| before.guest == dir.guest) {
            return Err(HostError::SameName { guest: dir.guest.clone() });
        }
        let permissions = if dir.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        builder.preopened_dir(&dir.host, &dir.guest, permissions).map_err(|error| {
            let source = error.downcast().unwrap_or_else(io::Error::other);
            HostError::Dir { path: dir.host.clone(), source }
        })?;
    }
    Ok(())
}
