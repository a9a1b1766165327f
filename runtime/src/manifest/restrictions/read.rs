//! Reads restrictions, whether they stand under a permission or in a handler.

use crate::manifest::patterns::Name;
use crate::manifest::permissions::Restriction;
use crate::manifest::section::Section;

use super::{
    Environment, Filesystem, HttpClient, HttpServer, MessageUse, Network, Process, Random,
    RuntimeUse, StoreUse, SupervisorUse, Timing,
};

/// More than this of anything is a mistake.
const COUNT_MAX: u64 = 1_000_000;
/// A record of a chain holds no more.
pub(in crate::manifest) const BYTES_MAX: u64 = 16 << 20;

/// Can be read from a section.
pub(in crate::manifest) trait Read: Restriction {
    /// Takes the keys of this restriction from the section, with those of old.
    fn read(section: &mut Section<'_>) -> Self;
}

impl Read for RuntimeUse {
    fn read(_section: &mut Section<'_>) -> RuntimeUse {
        RuntimeUse
    }
}

impl Read for MessageUse {
    fn read(section: &mut Section<'_>) -> MessageUse {
        section.ignore("port", "messages come through the server, which has one port for all");
        MessageUse
    }
}

impl Read for SupervisorUse {
    fn read(section: &mut Section<'_>) -> SupervisorUse {
        SupervisorUse { max_children: section.number("max_children", 0..=COUNT_MAX) }
    }
}

impl Read for StoreUse {
    fn read(section: &mut Section<'_>) -> StoreUse {
        section.ignore("base_path", "there is one store, below THEATER_HOME");
        section.ignore("store_id", "there is one store, below THEATER_HOME");
        StoreUse {
            write: section.flag("write"),
            max_bytes: section.size("max_bytes", 0..=BYTES_MAX),
        }
    }
}

impl Read for HttpClient {
    fn read(section: &mut Section<'_>) -> HttpClient {
        HttpClient {
            allowed_hosts: section.list("allowed_hosts"),
            allowed_methods: section.list("allowed_methods"),
            max_redirects: section.number("max_redirects", 0..=20),
            max_response_bytes: section.size("max_response_bytes", 0..=BYTES_MAX),
            timeout_ns: section.time("timeout"),
        }
    }
}

impl Read for HttpServer {
    fn read(section: &mut Section<'_>) -> HttpServer {
        section.rename("max_request_size", "max_request_bytes");
        HttpServer {
            allowed_addresses: section.list("allowed_addresses"),
            allowed_routes: section.list("allowed_routes"),
            allowed_methods: section.list("allowed_methods"),
            max_request_bytes: section.size("max_request_bytes", 0..=BYTES_MAX),
            max_connections: section.number("max_connections", 1..=COUNT_MAX),
            timeout_ns: section.time("timeout"),
        }
    }
}

impl Read for Timing {
    fn read(section: &mut Section<'_>) -> Timing {
        section.rename("max_sleep_duration", "max_sleep");
        section.ignore("min_sleep_duration", "short sleeps harm nobody");
        Timing { max_sleep_ns: section.time("max_sleep") }
    }
}

impl Read for Random {
    fn read(section: &mut Section<'_>) -> Random {
        section.ignore("max_int", "a number is as good as any other");
        section.ignore("allow_crypto_secure", "all randomness is, unless it has a seed");
        Random { max_bytes: section.size("max_bytes", 0..=BYTES_MAX) }
    }
}

impl Read for Environment {
    fn read(section: &mut Section<'_>) -> Environment {
        let at = section.place("allowed_prefixes");
        let prefixes: Option<Vec<Name>> = section.old_list("allowed_prefixes").map(|prefixes| {
            let message = "is now written as names with a * at their end in allowed_vars";
            section.findings.note(at, format!("{} {message}", section.path("allowed_prefixes")));
            prefixes.into_iter().map(Name::StartingWith).collect()
        });
        let named: Option<Vec<Name>> = section.list("allowed_vars");
        let allowed_vars = match (named, prefixes) {
            (Some(mut named), Some(prefixes)) => {
                named.extend(prefixes);
                Some(named)
            }
            (named, prefixes) => named.or(prefixes),
        };
        Environment {
            allowed_vars,
            denied_vars: section.list("denied_vars").unwrap_or_default(),
            allow_list_all: section.flag("allow_list_all"),
        }
    }
}

impl Read for Filesystem {
    fn read(section: &mut Section<'_>) -> Filesystem {
        section.ignore("execute", "programs are run by the handler process alone");
        section.ignore("allowed_commands", "programs are run by the handler process alone");
        Filesystem {
            read: section.flag("read"),
            write: section.flag("write"),
            allowed_paths: section.list("allowed_paths"),
        }
    }
}

impl Read for Process {
    fn read(section: &mut Section<'_>) -> Process {
        section.rename("max_output_buffer", "max_output_bytes");
        section.rename("execution_timeout", "timeout");
        Process {
            allowed_programs: section.list("allowed_programs"),
            allowed_paths: section.list("allowed_paths"),
            max_processes: section.number("max_processes", 0..=COUNT_MAX),
            max_output_bytes: section.size("max_output_bytes", 0..=BYTES_MAX),
            timeout_ns: section.time("timeout"),
        }
    }
}

impl Read for Network {
    fn read(section: &mut Section<'_>) -> Network {
        Network { allowed_hosts: section.list("allowed_hosts") }
    }
}
