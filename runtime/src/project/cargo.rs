//! Runs cargo, and reads what it says it has made.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::build::Profile;

/// The target that components are compiled for.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// Why cargo has made nothing.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// There is no cargo.
    #[error("cargo, which compiles actors, cannot be found")]
    Missing,
    /// The compiler cannot compile components.
    #[error("the Rust compiler has nothing for the target {TARGET}")]
    NoTarget,
    /// Cargo cannot be run, or what it says cannot be read.
    #[error("cannot run cargo: {0}")]
    Run(#[source] io::Error),
    /// Cargo has failed, and has said why.
    #[error("cargo could not build it")]
    Failed,
}

/// A file of WebAssembly that cargo has made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    /// The folder of its package.
    pub package: PathBuf,
    /// The file.
    pub file: PathBuf,
}

/// Builds the packages in a folder, and returns what came of them. What cargo says to people goes where
/// this program's messages go.
pub(super) fn run(folder: &Path, profile: Profile) -> Result<Vec<Artifact>, CargoError> {
    require_target(folder)?;
    let mut command = Command::new("cargo");
    command.arg("build").args(["--target", TARGET, "--message-format", "json-render-diagnostics"]);
    match profile {
        Profile::Release => {
            command.arg("--release");
        }
        Profile::Debug => {}
    }
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cargo = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CargoError::Missing,
        _ => CargoError::Run(error),
    })?;
    let stdout = cargo.stdout.take().expect("it is piped");
    let mut artifacts = Vec::new();
    for line in BufReader::new(stdout).lines() {
        artifacts.extend(artifacts_in(&line.map_err(CargoError::Run)?, folder));
    }
    match cargo.wait().map_err(CargoError::Run)?.success() {
        true => Ok(artifacts),
        false => Err(CargoError::Failed),
    }
}

/// Asks the compiler for its library for the target, because cargo's own answer, should it be missing,
/// is one error for each crate.
fn require_target(folder: &Path) -> Result<(), CargoError> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    // Without a compiler, it is cargo that has something to say.
    let Ok(answer) = asked else { return Ok(()) };
    let library = String::from_utf8_lossy(&answer.stdout);
    match answer.status.success() && Path::new(library.trim()).is_dir() {
        true => Ok(()),
        false => Err(CargoError::NoTarget),
    }
}

/// The files of WebAssembly that one of cargo's messages is about, if they come from the project itself:
/// what it depends on may bring some too.
fn artifacts_in(message: &str, folder: &Path) -> Vec<Artifact> {
    let Ok(message) = serde_json::from_str::<Value>(message) else { return Vec::new() };
    let kinds = message["target"]["kind"].as_array().into_iter().flatten();
    let is_final = kinds.into_iter().any(|kind| kind == "cdylib" || kind == "bin");
    let package = message["manifest_path"].as_str().and_then(|path| Path::new(path).parent());
    let Some(package) = package.filter(|package| package.starts_with(folder)) else {
        return Vec::new();
    };
    if message["reason"] != "compiler-artifact" || !is_final {
        return Vec::new();
    }
    let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    files
        .filter(|file| file.ends_with(".wasm"))
        .map(|file| Artifact { package: package.to_owned(), file: file.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(manifest: &str, kind: &str, file: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"kind":["{kind}"]}},"filenames":["{file}"]}}"#
        )
    }

    #[test]
    fn only_what_the_project_itself_comes_to_counts() {
        let found = |message: &str| artifacts_in(message, Path::new("/home/actor"));
        let artifact = |package: &str, file: &str| {
            vec![Artifact { package: package.into(), file: file.into() }]
        };
        let own = message("/home/actor/Cargo.toml", "cdylib", "/t/actor.wasm");
        assert_eq!(found(&own), artifact("/home/actor", "/t/actor.wasm"));
        let child = message("/home/actor/child/Cargo.toml", "bin", "/t/child.wasm");
        assert_eq!(found(&child), artifact("/home/actor/child", "/t/child.wasm"));
        for other in [
            message("/registry/dep/Cargo.toml", "cdylib", "/t/dep.wasm"),
            message("/home/actor2/Cargo.toml", "cdylib", "/t/actor.wasm"),
            message("/home/actor/Cargo.toml", "lib", "/t/libactor.rlib"),
            message("/home/actor/Cargo.toml", "cdylib", "/t/actor.d"),
            own.replace("compiler-artifact", "compiler-message"),
            "{}".to_owned(),
            "not JSON".to_owned(),
        ] {
            assert_eq!(found(&other), [], "{other}");
        }
    }
}
