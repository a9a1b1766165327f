//! What `../wit/` says of the child, as Rust. The code is generated while the project is compiled.

wit_bindgen::generate!({ path: "../wit", world: "child", generate_all });
