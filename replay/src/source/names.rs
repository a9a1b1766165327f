//! Names of functions: made readable, and told whose they are.

/// A symbol as people wrote it, where its language is known.
pub(super) fn readable(symbol: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        return format!("{rust:#}");
    }
    // What clang makes of a program's `main`.
    if ["__main_argc_argv", "__main_void", "__original_main"].contains(&symbol) {
        return "main".to_owned();
    }
    if symbol.starts_with("_Z")
        && let Ok(cpp) = cpp_demangle::Symbol::new(symbol)
        && let Ok(text) = cpp.demangle()
    {
        return text;
    }
    symbol.to_owned()
}

/// Starts of names that generators of bindings and run times give to what is theirs.
const GENERATED: &[&str] = &[
    "__rust",
    "__rustc",
    "__wasi_",
    "__wasilibc_",
    "__wasm_",
    "_initialize",
    "_start",
    "cabi_",
    "wit_bindgen::",
    "wit_import",
    "std::",
    "core::",
    "alloc::",
];

/// Whether a function is one that was generated between the guest's own code and its imports, given
/// the names of the interfaces that are imported.
pub(super) fn is_generated(function: &str, imports: &[String]) -> bool {
    // A method of a library's type, but not one that the guest has implemented for it.
    let method = function.trim_start_matches('<');
    let name = if function.contains(" as ") { function } else { method };
    let name = name.split('<').next().unwrap_or_default();
    if GENERATED.iter().any(|start| name.starts_with(start)) {
        return true;
    }
    let last = name.trim_end_matches("::").rsplit("::").next().unwrap_or_default();
    let is_glue = last.starts_with("_export_") || last.starts_with("__export_");
    // What is exported under its canonical name: `wasi:cli/run@0.2.0#run`. Closures have a `#` too.
    let is_canonical = function.contains('#') && !function.contains('{');
    is_glue
        || is_canonical
        || name.contains("::_rt::")
        || imports.iter().any(|import| wraps(name, import))
}

/// Whether a function belongs to the bindings of an interface: `wasi::clocks::wall_clock::now` in
/// Rust, `wasi_clocks_wall_clock_now` in C, for `wasi:clocks/wall-clock@0.2.0`.
fn wraps(name: &str, import: &str) -> bool {
    let unversioned = import.split('@').next().unwrap_or_default();
    let Some((namespace, rest)) = unversioned.split_once(':') else { return false };
    let Some((package, interface)) = rest.split_once('/') else { return false };
    let parts = [namespace, package, interface].map(|part| part.replace('-', "_"));
    let rust = format!("{}::", parts.join("::"));
    name.starts_with(&rust)
        || name.contains(&format!("::{rust}"))
        || name.starts_with(&format!("{}_", parts.join("_")))
}

/// How the name of a function of an interface ends in generated bindings, for C with its kind:
/// `method_descriptor_open_at` for `[method]descriptor.open-at`.
pub(super) fn binding(function: &str) -> String {
    function.trim_start_matches('[').replace(['-', '.', ']'], "_")
}

/// Parts of paths that only libraries have, wherever they are kept.
const LIBRARIES: &[&str] = &[
    "/rustc/",
    "/rust/library/",
    "/lib/rustlib/src/",
    "/.cargo/registry/",
    "/cargo/registry/",
    "/.cargo/git/",
    "/wasi-libc",
    "/libc-bottom-half/",
    "/libc-top-half/",
    "/wasi-sdk",
    "/go/pkg/mod/",
    "/go/src/runtime/",
    "/tinygo/",
    "/node_modules/",
];

/// Whether a file belongs to a library and not to the guest.
pub(super) fn is_library(file: &str) -> bool {
    LIBRARIES.iter().any(|part| file.contains(part))
        || file.split('/').rev().skip(1).any(is_package_folder)
}

/// Whether a folder is that of a package of a registry: `serde-1.0.228`.
fn is_package_folder(folder: &str) -> bool {
    folder.match_indices('-').any(|(dash, _)| {
        let version = folder[dash + 1..].split(['-', '+']).next().unwrap_or_default();
        let numbers: Vec<&str> = version.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        numbers.len() == 3 && numbers.iter().all(is_number)
    })
}

#[cfg(test)]
mod tests {
    use super::{is_generated, is_library, readable};

    #[test]
    fn symbols_of_three_languages_are_readable() {
        for (symbol, name) in [
            ("_ZN4shop6orders6charge17h0123456789abcdefE", "shop::orders::charge"),
            ("_RNvNtCs1234_4shop6orders6charge", "shop::orders::charge"),
            ("_ZN6orders6chargeEi", "orders::charge(int)"),
            ("charge", "charge"),
            ("__main_argc_argv", "main"),
            ("_Z?", "_Z?"),
        ] {
            assert_eq!(readable(symbol), name);
        }
    }

    #[test]
    fn bindings_are_told_from_the_guest() {
        let imports = ["wasi:clocks/wall-clock@0.2.9".to_owned(), "shop:api/kv".to_owned()];
        for generated in [
            "wasip2::imports::wasi::clocks::wall_clock::now",
            "shop::api::kv::get",
            "guest::shop::api::kv::Bucket::get",
            "wasi_clocks_wall_clock_now",
            "cabi_realloc",
            "guest::exports::shop::api::steps::_export_step_cabi<guest::Guest>",
            "wasi:cli/run@0.2.0#run",
            "std::io::Write::write_all",
            "guest::_rt::run_ctors_once",
            "<std::sync::once::Once>::call_once<guest::start::{closure#0}>",
        ] {
            assert!(is_generated(generated, &imports), "{generated}");
        }
        for own in [
            "<guest::Guest as guest::exports::shop::api::steps::Guest>::step",
            "<alloc::string::String as guest::Shout>::shout",
            "guest::now",
            "shop::kv::get",
            "shop::orders::charge::{closure#0}",
            "wall_clock_now",
            "main",
        ] {
            assert!(!is_generated(own, &imports), "{own}");
        }
    }

    #[test]
    fn files_of_libraries_are_told_from_the_guest() {
        for library in [
            "/rustc/59807616e/library/core/src/ptr.rs",
            "/home/ann/.cargo/registry/src/index/serde-1.0.228/src/lib.rs",
            "/crates/wasip2-1.0.1+wasi-0.2.9/src/command.rs",
            "/build/wasi-libc-0.0~git20230113/libc-top-half/musl/src/stdio/printf.c",
        ] {
            assert!(is_library(library), "{library}");
        }
        for own in ["/home/ann/shop/crates/api/src/lib.rs", "src/a-1.2.3.rs", "b-2.rs/src/main.rs"]
        {
            assert!(!is_library(own), "{own}");
        }
    }
}
