//! What an actor is started with: all that its manifest says, read and held to its permissions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Limits;
use crate::host::Grants;
use crate::manifest::{self, ChainPolicy, ChildEntry, Permissions};
use crate::supervision::Policy;

/// What to start.
#[derive(Clone)]
pub struct Spec {
    /// The actor's name, for people.
    pub name: String,
    /// The component's bytes.
    pub component: Arc<[u8]>,
    /// The manifest as it was given, for the chain.
    pub manifest: Option<String>,
    /// The folder that paths of the manifest start at.
    pub base_dir: PathBuf,
    /// What it is given, within its permissions.
    pub handlers: manifest::Handlers,
    /// What it and those below it may have at most.
    pub permissions: Permissions,
    /// What it may use of WASI.
    pub grants: Grants,
    /// What it may use of the machine.
    pub limits: Limits,
    /// How many messages may wait for it.
    pub mailbox: usize,
    /// How large a message to it may be, in bytes.
    pub message_bytes_max: u64,
    /// How long it waits for the answer to a request, and for room in another's mailbox.
    pub patience: Duration,
    /// The state to start with.
    pub state: Option<Vec<u8>>,
    /// How it deals with children that end.
    pub supervision: Policy,
    /// The children it is started with, in order.
    pub children: Vec<ChildEntry>,
    /// What becomes of its chain.
    pub chain: ChainPolicy,
}

impl Spec {
    /// An actor that may log, exchange messages, start others, and compute.
    #[must_use]
    pub fn new(name: &str, component: Vec<u8>) -> Spec {
        let handlers = manifest::Handlers {
            runtime: Some(manifest::RuntimeUse),
            message_server: Some(manifest::MessageUse),
            supervisor: Some(manifest::SupervisorUse::default()),
            ..manifest::Handlers::default()
        };
        Spec {
            name: name.to_owned(),
            component: component.into(),
            manifest: None,
            base_dir: PathBuf::new(),
            handlers,
            permissions: Permissions::default(),
            grants: Grants::default(),
            limits: Limits { killable: true, ..Limits::default() },
            mailbox: 1000,
            message_bytes_max: 1 << 20,
            patience: Duration::from_secs(30),
            state: None,
            supervision: Policy::default(),
            children: Vec::new(),
            chain: ChainPolicy::default(),
        }
    }
}
