//! The package `theater:simple` as it stands in `wit/`, which this program is built with.

/// The files of `wit/`, each under its name.
macro_rules! files {
    ($($name:literal)*) => {
        &[$((concat!($name, ".wit"), include_str!(concat!("../../wit/", $name, ".wit")))),*]
    };
}

/// Every file of the package, with its text.
pub(crate) const FILES: &[(&str, &str)] = files!(
    "actor" "environment" "filesystem" "http-client" "http-handlers" "http-server" "http-types"
    "lifecycle" "lifecycle-handlers" "message-server-client" "message-server-host" "process"
    "process-handlers" "random" "runtime" "store" "supervisor" "supervisor-handlers" "timing"
    "types" "worlds"
);
