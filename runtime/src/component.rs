//! A component as it is run and named: its bytes, their digest, its world.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use theater_record::{Hash, ReadError, Stored};
use theater_verify::VerifiedChain;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, StringEncoding};

use crate::engine::Engine;
use crate::handlers::{Handlers, WrongHandler};
use crate::lifter;
use crate::live::Links;
use crate::world::{Decoded, World, WorldError};

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else than WebAssembly.
    #[error("not WebAssembly: the first bytes are not a module's or a component's")]
    NotWasm,
    /// WebAssembly that is damaged or uses features that are not supported.
    #[error("not a valid component")]
    Invalid(#[source] anyhow::Error),
    /// A core module that imports something for which there is no adapter.
    #[error("the core module imports more than WASI preview 1 has: {}", names.join(", "))]
    ForeignImports {
        /// What it imports besides.
        names: Vec<String>,
    },
    /// A core module that cannot be made a component.
    #[error("the core module cannot be adapted")]
    NotAdaptable(#[source] anyhow::Error),
    /// Its world cannot be recorded.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The engine refuses it.
    #[error("the component does not compile")]
    Compile(#[source] wasmtime::Error),
}

/// A component that can be run: read, understood and compiled.
pub struct Component {
    digest: Hash,
    bytes: Vec<u8>,
    world: Arc<World>,
    decoded: Decoded,
    pub(crate) engine: Engine,
    pub(crate) compiled: wasmtime::component::Component,
    /// Made when it is first recorded. Replay has no use for it.
    lifter: OnceLock<wasmtime::component::Component>,
    /// Linked when it is first recorded.
    pub(crate) links: Links,
    /// Looked for when it is first started as an actor.
    handlers: OnceLock<Result<Arc<Handlers>, WrongHandler>>,
}

impl Component {
    /// Reads a component from a file, as [`Component::new`] does.
    pub fn load(engine: &Engine, path: &Path) -> Result<Component, ComponentError> {
        let unreadable = |source| ComponentError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        // What is no WebAssembly may be endless.
        (&mut file).take(MAGIC_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        if !is_wasm(&bytes) {
            return Err(ComponentError::NotWasm);
        }
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        Component::new(engine, bytes)
    }

    /// Compiles a component. A core module for WASI preview 1 is made a component first; its
    /// digest is that of the component it became.
    pub fn new(engine: &Engine, bytes: Vec<u8>) -> Result<Component, ComponentError> {
        let bytes = as_component(bytes)?;
        let decoded = Decoded::new(&bytes)?;
        let world = Arc::new(World::new(&decoded)?);
        let compiled = engine.compile(&bytes).map_err(ComponentError::Compile)?;
        let digest = digest(&bytes);
        let (engine, links) = (engine.clone(), Links::default());
        let (lifter, handlers) = (OnceLock::new(), OnceLock::new());
        Ok(Component { digest, bytes, world, decoded, engine, compiled, lifter, links, handlers })
    }

    /// The plain BLAKE3 digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it imports and exports.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The same, to be kept.
    pub(crate) fn shared_world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// The functions by which it can be used as an actor.
    pub(crate) fn handlers(&self) -> Result<Arc<Handlers>, WrongHandler> {
        self.handlers.get_or_init(|| Handlers::of(&self.world).map(Arc::new)).clone()
    }

    /// The compiled lifter for what it imports.
    pub(crate) fn lifter(&self) -> Result<&wasmtime::component::Component, ComponentError> {
        if let Some(lifter) = self.lifter.get() {
            return Ok(lifter);
        }
        let bytes = lifter::generate(&self.decoded, StringEncoding::UTF8)
            .map_err(ComponentError::Invalid)?;
        let lifter = self.engine.compile(&bytes).map_err(ComponentError::Compile)?;
        Ok(self.lifter.get_or_init(|| lifter))
    }
}

/// The digest by which a chain names a component.
#[must_use]
pub fn digest(component: &[u8]) -> Hash {
    Hash(*blake3::hash(component).as_bytes())
}

/// The component that a chain carries inside. `None` if it carries none, or if that was removed.
pub fn embedded(chain: &VerifiedChain) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(blob) = &chain.header().embedded else { return Ok(None) };
    let mut reader = chain.reader()?;
    let (mut bytes, mut due) = (Vec::new(), blob.pieces.iter());
    let mut next = due.next();
    while let Some(wanted) = next {
        match reader.read()? {
            Some(Stored::Blob { blob, .. }) if blob.digest == *wanted => {
                bytes.extend_from_slice(blob.content);
                next = due.next();
            }
            // The header's own payloads follow it directly.
            Some(Stored::Record(record)) if record.seq == 0 => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(bytes))
}

/// How many bytes tell what kind of WebAssembly follows, if any.
const MAGIC_BYTES: u64 = 8;

fn is_wasm(bytes: &[u8]) -> bool {
    Parser::is_component(bytes) || Parser::is_core_wasm(bytes)
}

/// The component itself, or the one that a core module for WASI preview 1 becomes.
pub fn as_component(bytes: Vec<u8>) -> Result<Vec<u8>, ComponentError> {
    if Parser::is_component(&bytes) {
        return Ok(bytes);
    }
    if !Parser::is_core_wasm(&bytes) {
        return Err(ComponentError::NotWasm);
    }
    // The library that adapts it takes for granted that it is valid.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(&bytes).map_err(|error| ComponentError::Invalid(error.into()))?;
    let Module { exports_start, foreign } = Module::read(&bytes)?;
    let adapter = match exports_start {
        true => WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        false => WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
    };
    ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| match foreign[..] {
            [] => ComponentError::NotAdaptable(error),
            _ => ComponentError::ForeignImports { names: foreign },
        })
}

/// What has to be known of a core module to adapt it.
#[derive(Default)]
struct Module {
    /// Whether it is a program, as opposed to a library.
    exports_start: bool,
    /// Imports from elsewhere than WASI preview 1. Bindings for interfaces have such, too.
    foreign: Vec<String>,
}

impl Module {
    fn read(bytes: &[u8]) -> Result<Module, ComponentError> {
        let mut module = Module::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|error| ComponentError::Invalid(error.into()))? {
                Payload::ImportSection(imports) => {
                    let imports = imports.into_imports().filter_map(Result::ok);
                    let foreign = imports
                        .filter(|import| import.module != WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME)
                        .map(|import| format!("{}#{}", import.module, import.name));
                    module.foreign.extend(foreign);
                }
                Payload::ExportSection(exports) => {
                    let mut exports = exports.into_iter().filter_map(Result::ok);
                    module.exports_start |= exports.any(|export| export.name == "_start");
                }
                _ => {}
            }
        }
        Ok(module)
    }
}
