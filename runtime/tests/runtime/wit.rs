//! The package of interfaces that the runtime and its actors share: that it is well formed, wholly
//! documented, and made of nothing but plain values and functions.

use std::fs;
use std::path::PathBuf;

use wit_parser::{Docs, Function, FunctionKind, Interface, Resolve, Type, TypeDef, TypeDefKind};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn package() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(folder()).expect("the package is well formed");
    resolve
}

/// A package made up to break a rule.
fn example(text: &str) -> Resolve {
    let mut resolve = Resolve::default();
    let text = format!("/// It is.\npackage a:b;\n{text}");
    resolve.push_str("example.wit", &text).expect("the example is well formed");
    resolve
}

#[test]
fn everything_is_documented() {
    let bare = "interface i { type t = u8; record r { f: u8 } enum e { c } variant v { c } g: func(); } world w {}";
    let expected = ["i", "i.t", "i.r", "i.r.f", "i.e", "i.e.c", "i.v", "i.v.c", "i.g", "w"];
    assert_eq!(undocumented(&example(bare)), expected);
    assert_eq!(undocumented(&package()), [""; 0]);
}

#[test]
fn only_plain_values_and_functions_occur() {
    let broken = "interface i { resource r { m: func(); } f: func(s: stream<u8>) -> future; g: async func(); }";
    let found = not_plain(&example(broken));
    for expected in ["i.[method]r.m", "i.g", "resource", "stream", "future", "borrow"] {
        assert!(found.iter().any(|name| name == expected), "{expected} is not among {found:?}");
    }
    assert_eq!(not_plain(&package()), [""; 0]);
}

#[test]
fn what_actors_export_are_handlers() {
    let wrong = "interface x-handlers { f: func(state: option<list<u8>>, params: u8); }
                 interface actor { g: func(params: tuple<string>) -> result<tuple<option<list<u8>>>, string>; }";
    assert_eq!(not_handlers(&example(wrong)), ["x-handlers.f", "actor.g"]);
    assert_eq!(not_handlers(&package()), [""; 0]);
}

#[test]
fn no_handler_of_another_interface_is_exported() {
    let resolve = package();
    for (_, world) in &resolve.worlds {
        for key in world.exports.keys() {
            let name = resolve.name_world_key(key);
            let short = name.trim_start_matches("theater:simple/").trim_end_matches("@0.1.0");
            assert!(is_exported(short), "the world {} exports {name}", world.name);
        }
    }
}

#[test]
fn each_interface_stands_in_the_file_of_its_name_and_in_the_table() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("there is one");
    let resolve = package();
    for name in resolve.interfaces.iter().map(|(_, interface)| name(interface)) {
        let text = fs::read_to_string(folder().join(format!("{name}.wit"))).expect("it has a file");
        assert!(text.contains(&format!("\ninterface {name} {{\n")), "{name}");
        assert_eq!(text.matches("\ninterface ").count(), 1, "{name} is not alone in its file");
        assert!(readme.contains(&format!("\n| `{name}` |")), "{name} is not in the table");
    }
    for (_, world) in &resolve.worlds {
        assert!(readme.contains(&format!("\n| `{}` |", world.name)), "{}", world.name);
    }
}

/// Interfaces that actors export, and nothing of what they import.
fn is_exported(interface: &str) -> bool {
    interface == "actor" || interface.ends_with("-handlers") || interface == "message-server-client"
}

fn name(interface: &Interface) -> &str {
    interface.name.as_deref().expect("interfaces of a package have names")
}

/// The items without a comment.
fn undocumented(resolve: &Resolve) -> Vec<String> {
    let mut missing = Vec::new();
    let mut check = |docs: &Docs, name: String| {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            missing.push(name);
        }
    };
    for (_, interface) in &resolve.interfaces {
        let place = name(interface);
        check(&interface.docs, place.to_owned());
        for (name, id) in &interface.types {
            let ty = &resolve.types[*id];
            let is_alias_of_use = matches!(ty.kind, TypeDefKind::Type(Type::Id(from))
                if resolve.types[from].owner != ty.owner);
            if is_alias_of_use {
                continue;
            }
            check(&ty.docs, format!("{place}.{name}"));
            for (part, docs) in parts(ty) {
                check(docs, format!("{place}.{name}.{part}"));
            }
        }
        for (name, function) in &interface.functions {
            check(&function.docs, format!("{place}.{name}"));
        }
    }
    for (_, world) in &resolve.worlds {
        check(&world.docs, world.name.clone());
    }
    missing
}

/// The named parts of a type, with their comments.
fn parts(ty: &TypeDef) -> Vec<(&str, &Docs)> {
    match &ty.kind {
        TypeDefKind::Record(it) => it.fields.iter().map(|f| (&*f.name, &f.docs)).collect(),
        TypeDefKind::Variant(it) => it.cases.iter().map(|c| (&*c.name, &c.docs)).collect(),
        TypeDefKind::Enum(it) => it.cases.iter().map(|c| (&*c.name, &c.docs)).collect(),
        TypeDefKind::Flags(it) => it.flags.iter().map(|f| (&*f.name, &f.docs)).collect(),
        _ => Vec::new(),
    }
}

/// Functions that are no plain functions, and types that are not values.
fn not_plain(resolve: &Resolve) -> Vec<String> {
    let functions = resolve.interfaces.iter().flat_map(|(_, interface)| {
        let odd = |f: &&Function| f.kind != FunctionKind::Freestanding;
        let place = name(interface);
        interface.functions.values().filter(odd).map(move |f| format!("{place}.{}", f.name))
    });
    let types = resolve.types.iter().filter_map(|(_, ty)| match ty.kind {
        TypeDefKind::Resource
        | TypeDefKind::Handle(_)
        | TypeDefKind::Future(_)
        | TypeDefKind::Stream(_) => Some(ty.kind.as_str().to_owned()),
        _ => None,
    });
    functions.chain(types).collect()
}

/// Functions of exported interfaces that do not have the shape of a handler.
fn not_handlers(resolve: &Resolve) -> Vec<String> {
    let mut wrong = Vec::new();
    let exported = resolve.interfaces.iter().filter(|(_, interface)| is_exported(name(interface)));
    for (_, interface) in exported {
        for function in interface.functions.values().filter(|f| !is_handler(resolve, f)) {
            wrong.push(format!("{}.{}", name(interface), function.name));
        }
    }
    wrong
}

/// Whether a function takes a state and a tuple, and returns a state and perhaps one tuple more, or an
/// error in words.
fn is_handler(resolve: &Resolve, function: &Function) -> bool {
    let kind = |ty: Type| match ty {
        Type::Id(id) => Some(&resolve.types[id].kind),
        _ => None,
    };
    let is_state = |ty: Type| {
        let Some(&TypeDefKind::Option(bytes)) = kind(ty) else { return false };
        matches!(kind(bytes), Some(TypeDefKind::List(Type::U8)))
    };
    let is_tuple = |ty: Type| matches!(kind(ty), Some(TypeDefKind::Tuple(_)));
    let [state, params] = &*function.params else { return false };
    let Some(Some(TypeDefKind::Result(result))) = function.result.map(kind) else { return false };
    let Some(Some(TypeDefKind::Tuple(returned))) = result.ok.map(kind) else { return false };
    let returns = match *returned.types {
        [state] => is_state(state),
        [state, more] => is_state(state) && is_tuple(more),
        _ => false,
    };
    state.name == "state"
        && params.name == "params"
        && is_state(state.ty)
        && is_tuple(params.ty)
        && result.err == Some(Type::String)
        && returns
}
