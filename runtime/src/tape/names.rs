//! How the functions that a chain names are found among those of a component.

use theater_record::{Event, FunctionId, FunctionType, TypeTable};

use crate::world::{DROP, Function};

/// How the drop of a resource is named among functions.
fn drop_function(resource: &str) -> FunctionType {
    let (interface, name) = resource.rsplit_once('#').unwrap_or(("", resource));
    FunctionType {
        id: FunctionId(0),
        interface: interface.to_owned(),
        name: format!("{DROP}{name}"),
        params: Vec::new(),
        results: Vec::new(),
    }
}

/// The function that an event is about, among those named so far.
pub(crate) fn function_of(
    event: &Event,
    functions: &[FunctionType],
    types: &TypeTable,
) -> Option<FunctionType> {
    if let Event::ResourceDrop(drop) = event {
        return types.get(drop.ty).map(|def| drop_function(&def.name));
    }
    functions.get(function_id(event)?.0 as usize).cloned()
}

/// The chain's number of the function that is called or returns.
pub(super) fn function_id(event: &Event) -> Option<FunctionId> {
    match event {
        Event::ExportCall(call) | Event::ImportCall(call) => Some(call.function),
        Event::ImportReturn(end) | Event::ExportReturn(end) => Some(end.function),
        _ => None,
    }
}

/// The function that a chain names, among those of a component: the very one, else one that only
/// differs in what compatible versions change.
pub(crate) fn find_function(functions: &[Function], wanted: &FunctionType) -> Option<usize> {
    let exact = |function: &Function| function.interface == wanted.interface;
    let close = |function: &Function| {
        without_version(&function.interface) == without_version(&wanted.interface)
    };
    let find = |is_it: &dyn Fn(&Function) -> bool| {
        functions.iter().position(|function| function.name == wanted.name && is_it(function))
    };
    find(&exact).or_else(|| find(&close))
}

/// An interface's name with nothing of its version that compatible releases change.
pub(crate) fn without_version(interface: &str) -> String {
    let Some((name, version)) = interface.split_once('@') else { return interface.to_owned() };
    let mut numbers = version.split('.');
    let major = numbers.next().unwrap_or_default();
    match numbers.next() {
        Some(minor) if major == "0" => format!("{name}@0.{minor}"),
        _ => format!("{name}@{major}"),
    }
}
