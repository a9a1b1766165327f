//! Files that are no components, or none that can be run.

use expect_test::expect;
use proptest::prelude::*;
use theater_runtime::{Backend, Component, Engine, Limits, as_component};

use super::{Scene, component};

/// A core module that imports the function `foo` from `env` and exports `_start`.
const FOREIGN: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\x00\x00\
    \x02\x0b\x01\x03env\x03foo\x00\x00\
    \x03\x02\x01\x00\
    \x07\x0a\x01\x06_start\x00\x01\
    \x0a\x04\x01\x02\x00\x0b";

#[test]
fn no_file() {
    let scene = Scene::with(&[]);
    scene.check(
        &["hello.wasm"],
        &expect![[r#"
        --- messages
        error: there is no file hello.wasm
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    scene.check(
        &["."],
        &expect![[r#"
        --- messages
        error: . is a directory, not a component
          try: name a file in it: ls .
        --- exit 2
    "#]],
    );
    scene.check(
        &["evil\u{1b}[2J.wasm"],
        &expect![[r#"
        --- messages
        error: there is no file evil\u{1b}[2J.wasm
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
}

#[test]
fn no_webassembly() {
    let scene = Scene::with(&[]);
    scene.write("empty.wasm", b"");
    scene.write("text.wasm", b"Dear diary, nothing was compiled today.");
    scene.check(
        &["empty.wasm"],
        &expect![[r#"
        --- messages
        error: empty.wasm is not WebAssembly: its first bytes are not a module's or a component's
          try: build the component first, and name the .wasm file
        --- exit 2
    "#]],
    );
    scene.check(
        &["text.wasm"],
        &expect![[r#"
        --- messages
        error: text.wasm is not WebAssembly: its first bytes are not a module's or a component's
          try: build the component first, and name the .wasm file
        --- exit 2
    "#]],
    );
}

#[cfg(unix)]
#[test]
fn an_endless_file() {
    let output = Scene::with(&[]).run(&["/dev/zero"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn cut_off() {
    let scene = Scene::with(&[]);
    scene.write("component.wasm", &component("hello")[..5000]);
    scene.write("module.wasm", &component("hello-preview1")[..5000]);
    scene.check(
        &["component.wasm"],
        &expect![[r#"
        --- messages
        error: component.wasm is not a valid component: unexpected end-of-file (at offset 0x1342)
          try: build it again: it was cut off or altered, or it is newer than this program
        --- exit 2
    "#]],
    );
    scene.check(
        &["module.wasm"],
        &expect![[r#"
        --- messages
        error: module.wasm is not a valid component: unexpected end-of-file (at offset 0x1117)
          try: build it again: it was cut off or altered, or it is newer than this program
        --- exit 2
    "#]],
    );
}

#[test]
fn nothing_to_call() {
    let scene = Scene::with(&["ledger"]);
    scene.write("module.wasm", &component("hello-preview1")[..8]);
    scene.check(
        &["module.wasm"],
        &expect![[r#"
        --- messages
        error: module.wasm exports no function, so there is nothing to call
          try: build it as a program, which exports wasi:cli/run, or export a function
        --- exit 2
    "#]],
    );
    scene.check(&["ledger.wasm"], &expect![[r#"
        --- messages
        error: ledger.wasm is no program: it does not export wasi:cli/run
          try: call what it exports with --invoke: theater:ledger/accounts#open, theater:ledger/accounts#add, theater:ledger/accounts#transfer, theater:ledger/accounts#balance, theater:ledger/accounts#history, theater:ledger/accounts#statement, theater:ledger/accounts#close
        --- exit 2
    "#]]);
}

#[test]
fn imports_that_nobody_provides() {
    let scene = Scene::with(&["unknown-import"]);
    scene.write("foreign.wasm", FOREIGN);
    scene.check(&["foreign.wasm", "--chain", "a.cbor"], &expect![[r#"
        --- messages
        error: foreign.wasm cannot be made a component: the core module imports more than WASI preview 1 has: env#foo
          try: build it as a component, for instance for the target wasm32-wasip2
        --- exit 2
    "#]]);
    let args = ["unknown-import.wasm", "--invoke", "ask(1)", "--chain", "a.cbor"];
    scene.check(&args, &expect![[r#"
        --- messages
        error: unknown-import.wasm cannot be run: the component imports what nobody here provides: theater:refused/nowhere
          try: build it for WASI 0.2; theater provides cli, clocks, random, io, filesystem, sockets and http
        --- exit 2
    "#]]);
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn asynchronous_components() {
    let scene = Scene::with(&["async-export", "async-import", "stream-import"]);
    scene.check(&["async-export.wasm"], &expect![[r#"
        --- messages
        error: async-export.wasm cannot be run: the component is asynchronous, and only synchronous ones can be recorded: async func theater:refused/waiting#wait
        --- exit 2
    "#]]);
    scene.check(&["async-import.wasm"], &expect![[r#"
        --- messages
        error: async-import.wasm cannot be run: the component is asynchronous, and only synchronous ones can be recorded: async func theater:refused/waiting#wait
        --- exit 2
    "#]]);
    scene.check(&["stream-import.wasm"], &expect![[r#"
        --- messages
        error: stream-import.wasm cannot be run: the component is asynchronous, and only synchronous ones can be recorded: stream in theater:refused/flowing#pour, future in theater:refused/flowing#ask
        --- exit 2
    "#]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever a file was cut off, it is refused or, at the end of a section, understood.
    #[test]
    fn no_cut_makes_it_panic(at in any::<prop::sample::Index>()) {
        let engine = Engine::new(Backend::Cranelift, &Limits::default(), None)?;
        for name in ["hello", "hello-preview1", "unknown-import", "async-import"] {
            let bytes = component(name);
            let _ = Component::new(&engine, bytes[..at.index(bytes.len())].to_vec());
        }
    }

    #[test]
    fn no_changed_byte_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let engine = Engine::new(Backend::Cranelift, &Limits::default(), None)?;
        let mut module = component("hello-preview1");
        let place = at.index(module.len());
        module[place] = byte;
        let _ = as_component(module);
        let mut small = component("unknown-import");
        let place = at.index(small.len());
        small[place] = byte;
        let _ = Component::new(&engine, small);
    }
}
