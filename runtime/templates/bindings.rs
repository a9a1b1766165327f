//! What `wit/` says, as Rust. The code is generated while the project is compiled.

wit_bindgen::generate!({ path: "wit", world: "actor", generate_all });
