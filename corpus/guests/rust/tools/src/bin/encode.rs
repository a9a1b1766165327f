//! Turns guests that are written as WebAssembly text into binaries: `encode OUTPUT-FOLDER FILE...`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("encode OUTPUT-FOLDER FILE...");
        return ExitCode::from(2);
    };
    for file in arguments {
        if let Err(message) = encode(Path::new(&file), Path::new(&folder)) {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn encode(file: &Path, folder: &Path) -> Result<(), String> {
    let binary = wat::parse_file(file).map_err(|error| error.to_string())?;
    let name = file.file_stem().ok_or_else(|| format!("{}: not a file", file.display()))?;
    let output = folder.join(name).with_extension("wasm");
    std::fs::write(&output, binary).map_err(|error| format!("{}: {error}", output.display()))
}
