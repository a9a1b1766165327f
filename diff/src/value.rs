//! What differs between the values of two events.

use theater_record::{BlobRef, FunctionType, Type, TypeTable, Value};

use crate::ignore::Ignore;
use crate::path::{Root, ValuePath};
use crate::value::walk::{At, Context, Walk};

mod bytes;
mod walk;

/// The content of a payload that was put out of line, if it can be had.
pub type Contents<'a> = &'a dyn Fn(&BlobRef) -> Option<Vec<u8>>;

/// The values of one of the two events, with what it takes to understand them.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The arguments or the results.
    pub values: &'a [Value],
    /// The function that was called, as the side's own chain describes it.
    pub function: &'a FunctionType,
    /// The types that this chain has named.
    pub types: &'a TypeTable,
    /// Where this chain's out-of-line payloads are.
    pub contents: Contents<'a>,
}

/// A value together with its type. The type refers to the type table of its own side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// The value.
    pub value: Value,
    /// Its type.
    pub ty: Type,
}

/// One place in which two values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: ValuePath,
    /// In what way.
    pub change: Change,
}

/// What is different in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another number, truth, character, resource or case.
    Value {
        /// On the expected side.
        expected: Typed,
        /// On the actual side.
        actual: Typed,
    },
    /// Another string or list of bytes.
    Bytes {
        /// On the expected side, in line wherever the content could be had.
        expected: Typed,
        /// On the actual side, likewise.
        actual: Typed,
        /// How many bytes are equal from the start on, which is the offset of the first
        /// difference. `None` if a content could not be had and the lengths alone differ. In
        /// strings, a place between characters.
        equal_start: Option<u64>,
        /// How many of the other bytes are equal up to the end.
        equal_end: Option<u64>,
        /// How many bytes the expected side has.
        expected_len: u64,
        /// How many bytes the actual side has.
        actual_len: u64,
    },
    /// An element or a field that the actual side lacks.
    Missing {
        /// On the expected side.
        expected: Typed,
    },
    /// An element or a field that the expected side lacks.
    Extra {
        /// On the actual side.
        actual: Typed,
    },
    /// Values of different types, which are not compared any further.
    Type {
        /// On the expected side.
        expected: Typed,
        /// On the actual side.
        actual: Typed,
    },
    /// At least one is out of line, its content could not be had, and the digests do not tell.
    Unknown {
        /// On the expected side.
        expected: Typed,
        /// On the actual side.
        actual: Typed,
    },
}

/// The differences between two lists of values, in the order of the values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// As many as were asked for.
    pub found: Vec<Difference>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Differences {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && !self.truncated
    }
}

/// Compares the arguments of two calls, up to `most` differences.
///
/// Parameters are told apart by their position. Types are compared where there are values of them:
/// two empty lists are equal, whatever they could hold.
#[must_use]
pub fn diff_args(expected: &Side<'_>, actual: &Side<'_>, most: usize) -> Differences {
    diff_args_except(expected, actual, &Ignore::default(), most)
}

/// The same, where some values take no part.
pub(crate) fn diff_args_except(
    expected: &Side<'_>,
    actual: &Side<'_>,
    ignore: &Ignore,
    most: usize,
) -> Differences {
    let types = |side: &Side<'_>| side.function.params.iter().map(|(_, ty)| ty.clone()).collect();
    let name =
        |side: &Side<'_>, at: usize| side.function.params.get(at).map(|(name, _)| name.clone());
    let root = |at| {
        let name = name(expected, at).or_else(|| name(actual, at)).unwrap_or_default();
        Root::Arg { at, name }
    };
    diff_all([expected, actual], &[types(expected), types(actual)], root, ignore, most)
}

/// Compares the results of two calls, up to `most` differences.
#[must_use]
pub fn diff_results(expected: &Side<'_>, actual: &Side<'_>, most: usize) -> Differences {
    diff_results_except(expected, actual, &Ignore::default(), most)
}

/// The same, where some values take no part.
pub(crate) fn diff_results_except(
    expected: &Side<'_>,
    actual: &Side<'_>,
    ignore: &Ignore,
    most: usize,
) -> Differences {
    let types = |side: &Side<'_>| side.function.results.clone();
    let many = expected.values.len().max(actual.values.len()) > 1;
    let root = |at| if many { Root::ResultAt(at) } else { Root::Result };
    diff_all([expected, actual], &[types(expected), types(actual)], root, ignore, most)
}

fn diff_all(
    sides: [&Side<'_>; 2],
    types: &[Vec<Type>; 2],
    root: impl Fn(usize) -> Root,
    ignore: &Ignore,
    most: usize,
) -> Differences {
    let contexts = sides.map(|side| Context { types: side.types, contents: side.contents });
    let mut differences = Differences::default();
    for at in 0..types[0].len().max(types[1].len()) {
        let of =
            |side: usize| Some(At { value: sides[side].values.get(at)?, ty: types[side].get(at)? });
        let path = ValuePath { root: root(at), steps: Vec::new() };
        let mut walk = Walk::new(contexts, path, ignore, most, differences);
        match (of(0), of(1)) {
            (Some(expected), Some(actual)) => walk.compare(expected, actual),
            (Some(expected), None) => walk.push(Change::Missing { expected: expected.typed() }),
            (None, Some(actual)) => walk.push(Change::Extra { actual: actual.typed() }),
            (None, None) => {}
        }
        differences = walk.finish();
    }
    differences
}

/// Compares what two events say besides arguments and results; both are of this type.
pub(crate) fn diff_field(
    name: &'static str,
    ty: &Type,
    [expected, actual]: [&Value; 2],
    ignore: &Ignore,
    most: usize,
    differences: Differences,
) -> Differences {
    let types = TypeTable::default();
    let context = Context { types: &types, contents: &|_| None };
    let path = ValuePath { root: Root::Field(name), steps: Vec::new() };
    let mut walk = Walk::new([context; 2], path, ignore, most, differences);
    walk.compare(At { value: expected, ty }, At { value: actual, ty });
    walk.finish()
}
