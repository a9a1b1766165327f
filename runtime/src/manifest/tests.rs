//! Manifests: every key, every era, every mistake, and permissions as a lattice.

mod eras;
mod lattice;
mod mistakes;
mod reference;
mod within;

use super::{Loaded, Manifest, Problems};

/// Reads a manifest that is called `actor.toml`.
fn parse(text: &str) -> Result<Loaded, Problems> {
    Manifest::parse("actor.toml", text.to_owned(), None)
}

/// A manifest of just a name, a component and this.
fn with(rest: &str) -> Manifest {
    let text = format!("name = \"a\"\ncomponent = \"a.wasm\"\n{rest}");
    parse(&text).unwrap_or_else(|problems| panic!("{problems}")).manifest
}

/// What is wrong with a manifest.
fn problems(text: &str) -> String {
    parse(text).expect_err("it has problems").to_string()
}

/// What is worth knowing about a manifest, without its places.
fn notes(loaded: &Loaded) -> Vec<&str> {
    loaded.notes.iter().map(|note| note.message.as_str()).collect()
}
