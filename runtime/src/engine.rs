//! The one engine configuration: what makes two executions of a component equal.

use std::path::Path;

use wasmtime::component::Component as Compiled;
use wasmtime::{Cache, CacheConfig, Collector, Config};

/// What compiles and runs the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Backend {
    /// Machine code.
    #[default]
    Cranelift,
    /// Bytecode that runs the same on every machine, and slower. A second opinion.
    Pulley,
}

impl Backend {
    /// The name people type and read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::Cranelift => "cranelift",
            Backend::Pulley => "pulley",
        }
    }
}

/// What a component may use. Part of what it can observe, so part of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All its linear memories together, in bytes.
    pub memory_bytes_max: u64,
    /// All its tables together, in elements.
    pub table_elements_max: u64,
    /// Its call stack, in bytes.
    pub stack_bytes_max: u64,
    /// How much fuel it may burn in all. `None` is no limit.
    pub fuel_max: Option<u64>,
    /// Whether fuel is counted, and noted with every call and return.
    pub fuel: bool,
    /// Whether it can be stopped while it computes; see [`crate::Killer`]. That compiles a check
    /// into every loop and function.
    pub killable: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes_max: 1 << 30,
            table_elements_max: 10_000_000,
            stack_bytes_max: 1 << 20,
            fuel_max: None,
            fuel: false,
            killable: false,
        }
    }
}

/// The version of the engine, as a chain's header names it.
pub const ENGINE: &str = "wasmtime 48.0.8";

/// Replay of a stack overflow under another compiler needs frames of another size.
const STACK_SPARE: u64 = 8;

/// Why there is no engine, or no limits.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine refuses its configuration.
    #[error("cannot set up the WebAssembly engine")]
    Config(#[source] wasmtime::Error),
    /// A chain's header has a setting that makes no sense.
    #[error("the chain's setting {name} is \"{value}\", which is not a number in range")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// What it is.
        value: String,
    },
}

/// Compiles components and runs them, always in the same deterministic way.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: wasmtime::Engine,
    pub(crate) backend: Backend,
    pub(crate) fuel: bool,
    stack_bytes: u64,
}

impl Engine {
    /// An engine for these limits. Compiled code is kept below `cache`, if that can be written.
    pub fn new(
        backend: Backend,
        limits: &Limits,
        cache: Option<&Path>,
    ) -> Result<Engine, EngineError> {
        Engine::with_stack(backend, limits, limits.stack_bytes_max, cache)
    }

    /// An engine to replay what was recorded with these settings. Another compiler than the one
    /// that recorded may need larger stack frames, so it gets a larger stack.
    pub fn for_replay(
        backend: Backend,
        settings: &[(String, String)],
        count_fuel: bool,
        cache: Option<&Path>,
    ) -> Result<Engine, EngineError> {
        let recorded = Limits::from_settings(settings)?;
        let limits = Limits { fuel: recorded.fuel || count_fuel, ..recorded };
        // With the very same checks in it, code has the very same stack frames.
        let is_same = is_same_compiler(settings, backend) && limits.fuel == recorded.fuel;
        let spare = if is_same { 1 } else { STACK_SPARE };
        let stack = limits.stack_bytes_max.saturating_mul(spare).min(STACK_BYTES_MAX);
        Engine::with_stack(backend, &limits, stack, cache)
    }

    fn with_stack(
        backend: Backend,
        limits: &Limits,
        stack_bytes: u64,
        cache: Option<&Path>,
    ) -> Result<Engine, EngineError> {
        let mut config = deterministic();
        config.consume_fuel(limits.fuel);
        // A deadline by the clock would hit at another place each time, so nothing counts these
        // epochs: they pass only when somebody kills an actor, which is recorded.
        config.epoch_interruption(limits.killable);
        config.max_wasm_stack(usize::try_from(stack_bytes).unwrap_or(usize::MAX));
        config.async_stack_size(usize::try_from(stack_bytes + (1 << 20)).unwrap_or(usize::MAX));
        if backend == Backend::Pulley {
            config.target("pulley64").map_err(EngineError::Config)?;
        }
        // Compiled code that cannot be kept is compiled again; nobody has to stop for that.
        config.cache(cache.and_then(|path| open_cache(path).ok()));
        let inner = wasmtime::Engine::new(&config).map_err(EngineError::Config)?;
        Ok(Engine { inner, backend, fuel: limits.fuel, stack_bytes })
    }

    /// What compiles and runs the code.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The engine underneath, for whoever runs a component without its membrane.
    #[must_use]
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// Runs something on a thread whose stack has room for a component's.
    ///
    /// # Panics
    ///
    /// If the system cannot start one more thread, or if `run` panics.
    pub fn on_stack<R: Send>(&self, run: impl FnOnce() -> R + Send) -> R {
        let bytes = usize::try_from(self.stack_bytes).unwrap_or(usize::MAX) + HOST_STACK_BYTES;
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("actor".to_owned()).stack_size(bytes);
            let thread = thread.spawn_scoped(scope, run).expect("one more thread can be started");
            match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Compiles, or finds what was compiled before.
    pub(crate) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Compiled> {
        Compiled::from_binary(&self.inner, bytes)
    }
}

/// What the host's own functions may need below a component's frames.
const HOST_STACK_BYTES: usize = 4 << 20;

/// The main thread's stack bounds what can be granted; calls run on a thread with more.
pub(crate) const STACK_BYTES_MAX: u64 = 1 << 28;

/// Everything a component could observe is pinned here, each for the reason beside it.
pub(crate) fn deterministic() -> Config {
    let mut config = Config::new();
    // Which NaN an operation gives differs between processors.
    config.cranelift_nan_canonicalization(true);
    // Relaxed SIMD may give what the processor likes best.
    config.relaxed_simd_deterministic(true);
    // Threads race.
    config.wasm_threads(false).shared_memory(false);
    // Concurrent tasks complete in an order that nobody records, and cost time on every call.
    config.concurrency_support(false);
    // When garbage is collected is not observable, but how much memory it takes is.
    config.wasm_gc(true).wasm_exceptions(true).collector(Collector::DeferredReferenceCounting);
    // Offsets are captured when something goes wrong; turning them into source lines is left to
    // those who want to know.
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config
}

fn open_cache(path: &Path) -> wasmtime::Result<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(path);
    Cache::new(config)
}

const MEMORY: &str = "memory-bytes-max";
const TABLE: &str = "table-elements-max";
const STACK: &str = "stack-bytes-max";
const FUEL_MAX: &str = "fuel-max";
const FUEL: &str = "fuel";
const KILLABLE: &str = "killable";
const BACKEND: &str = "backend";
const ENGINE_NAME: &str = "engine";
const TARGET: &str = "target";

impl Limits {
    /// The settings for a chain's header: these limits, and what else replay has to know.
    #[must_use]
    pub fn settings(&self, backend: Backend) -> Vec<(String, String)> {
        let mut settings = vec![
            (ENGINE_NAME, ENGINE.to_owned()),
            (BACKEND, backend.name().to_owned()),
            (TARGET, target().to_owned()),
            (MEMORY, self.memory_bytes_max.to_string()),
            (TABLE, self.table_elements_max.to_string()),
            (STACK, self.stack_bytes_max.to_string()),
            (FUEL, if self.fuel { "counted" } else { "not-counted" }.to_owned()),
            ("nan", "canonical".to_owned()),
            ("relaxed-simd", "deterministic".to_owned()),
        ];
        if let Some(fuel_max) = self.fuel_max {
            settings.push((FUEL_MAX, fuel_max.to_string()));
        }
        if self.killable {
            settings.push((KILLABLE, "yes".to_owned()));
        }
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The limits that a chain's header names; the default for those it does not.
    pub fn from_settings(settings: &[(String, String)]) -> Result<Limits, EngineError> {
        let number = |name: &'static str, max: u64| match find(settings, name) {
            None => Ok(None),
            Some(value) => match value.parse::<u64>() {
                Ok(number) if number <= max => Ok(Some(number)),
                _ => Err(EngineError::Setting { name, value: value.to_owned() }),
            },
        };
        let default = Limits::default();
        Ok(Limits {
            memory_bytes_max: number(MEMORY, u64::MAX)?.unwrap_or(default.memory_bytes_max),
            table_elements_max: number(TABLE, u64::MAX)?.unwrap_or(default.table_elements_max),
            stack_bytes_max: number(STACK, STACK_BYTES_MAX)?.unwrap_or(default.stack_bytes_max),
            fuel_max: number(FUEL_MAX, u64::MAX)?,
            fuel: find(settings, FUEL) == Some("counted"),
            killable: find(settings, KILLABLE) == Some("yes"),
        })
    }
}

/// Whether a recording with these settings was made by the same compiler for the same machine, so
/// that even the depth of a stack overflow is the same.
pub(crate) fn is_same_compiler(settings: &[(String, String)], backend: Backend) -> bool {
    find(settings, ENGINE_NAME) == Some(ENGINE)
        && find(settings, BACKEND) == Some(backend.name())
        && find(settings, TARGET) == Some(target())
}

fn find<'a>(settings: &'a [(String, String)], name: &str) -> Option<&'a str> {
    settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The processor the code is compiled for.
fn target() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use super::ENGINE;

    #[test]
    fn chains_name_the_engine_that_is_built_in() {
        let version = ENGINE.strip_prefix("wasmtime ").unwrap();
        let pinned = format!("\nwasmtime = {{ version = \"={version}\"");
        assert!(include_str!("../../Cargo.toml").contains(&pinned), "{version}");
    }
}
