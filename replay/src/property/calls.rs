//! Sequences of calls, and which exports can be called at all.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use theater_record::{Type, TypeId, TypeTable, Value};
use theater_runtime::escape::visible;
use theater_runtime::{FindError, Function, FunctionPath, World, write_value};

use super::values::values;
use crate::render::call_in_part;

/// A call of an export. It shows as text in WAVE.
///
/// Which handles there will be is not known before the calls are made. So the number of a handle in
/// a call that was made up stands for one of those at hand by then: `@0` is the oldest, and behind
/// the newest it starts again. In a call that was made it is the recorder's number.
#[derive(Clone)]
pub struct Call {
    /// The export, by its position in [`World::exports`].
    pub export: usize,
    /// The arguments.
    pub args: Vec<Value>,
    pub(super) exports: Arc<Exports>,
}

/// What a component exports, and which of it is called.
pub struct Exports {
    functions: Vec<Function>,
    types: TypeTable,
    /// The resource types that belong to the host.
    imported: BTreeSet<TypeId>,
    called: Vec<usize>,
    left_out: Vec<LeftOut>,
}

/// An export that is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub export: String,
    /// Why.
    pub reason: Reason,
}

/// Why an export is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Others were asked for.
    NotAskedFor,
    /// It takes a resource that only a host can give.
    HostResource {
        /// The name of the resource type.
        resource: String,
    },
    /// It takes a resource of the component's own that nothing which is called returns.
    NeverReturned {
        /// The name of the resource type.
        resource: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotAskedFor => f.write_str("not asked for"),
            Reason::HostResource { resource } => {
                write!(f, "takes a resource that only a host can give, {resource}")
            }
            Reason::NeverReturned { resource } => {
                write!(f, "takes a resource that nothing here returns, {resource}")
            }
        }
    }
}

impl Exports {
    pub(super) fn of(world: &World) -> Exports {
        let mut exports = Exports {
            functions: world.exports.clone(),
            types: world.type_table(),
            imported: world.resources.iter().map(|resource| resource.ty).collect(),
            called: Vec::new(),
            left_out: Vec::new(),
        };
        exports.choose(|_| true);
        exports
    }

    /// The same with only some of the functions called: those with these names, or of the
    /// interfaces with these names.
    pub(super) fn only(&self, names: &[FunctionPath]) -> Result<Exports, FindError> {
        let mut asked = BTreeSet::new();
        for name in names {
            let known = self.functions.iter().map(|f| (f.interface.as_str(), f.name.as_str()));
            let of_interface = (0..self.functions.len())
                .filter(|at| name.interface.is_none() && is_of(&self.functions[*at], name));
            match name.find(known) {
                Ok(one) => {
                    asked.insert(one);
                }
                Err(error) => {
                    let before = asked.len();
                    asked.extend(of_interface);
                    if asked.len() == before {
                        return Err(error);
                    }
                }
            }
        }
        let mut exports = Exports {
            functions: self.functions.clone(),
            types: self.types.clone(),
            imported: self.imported.clone(),
            called: Vec::new(),
            left_out: Vec::new(),
        };
        exports.choose(|at| asked.contains(&at));
        Ok(exports)
    }

    /// The functions that are called, in the order of the world.
    pub fn called(&self) -> impl Iterator<Item = &Function> {
        self.called.iter().map(|at| &self.functions[*at])
    }

    /// The functions that are not.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The types that the functions refer to.
    #[must_use]
    pub fn types(&self) -> &TypeTable {
        &self.types
    }

    /// Where the functions that are called stand in [`World::exports`].
    pub(super) fn positions(&self) -> &[usize] {
        &self.called
    }

    /// One export, by its position in [`World::exports`].
    pub(super) fn function(&self, export: usize) -> &Function {
        &self.functions[export]
    }

    /// Sequences of one to `max` calls, made up one by one.
    pub(super) fn calls(self: &Arc<Exports>, max: usize) -> BoxedStrategy<Vec<Call>> {
        let one = |export: &usize| {
            let (exports, export) = (self.clone(), *export);
            let params = self.function(export).params.iter();
            let args: Vec<_> = params.map(|(_, ty)| values(ty, &self.types)).collect();
            let call = args.prop_map(move |args| Call { export, args, exports: exports.clone() });
            (self.weight(export), call.boxed())
        };
        let one = Union::new_weighted(self.called.iter().map(one).collect());
        vec(one, 1..=max.max(1)).boxed()
    }

    /// How often a function is called, compared with others. One that gives resources out of
    /// nothing is needed before each of those that take any.
    fn weight(&self, export: usize) -> u32 {
        let takes = |at: usize| self.lacks(at, &BTreeSet::new()).is_some();
        let mut gives = false;
        let results = self.function(export).results.iter();
        results.for_each(|ty| self.owned_in(ty, &mut |_| gives = true));
        match gives && !takes(export) {
            true => 1 + self.called.iter().filter(|at| takes(**at)).count() as u32,
            false => 1,
        }
    }

    /// Decides what is called: whatever can be had handles for among what is asked for.
    fn choose(&mut self, is_asked_for: impl Fn(usize) -> bool) {
        let mut called = BTreeSet::new();
        let mut given = BTreeSet::new();
        loop {
            let can_be_called = |at: &usize| is_asked_for(*at) && self.lacks(*at, &given).is_none();
            let more: BTreeSet<usize> = (0..self.functions.len()).filter(can_be_called).collect();
            let results = more.iter().flat_map(|at| &self.functions[*at].results);
            for ty in results {
                self.owned_in(ty, &mut |id| _ = given.insert(id));
            }
            if more == called {
                break;
            }
            called = more;
        }
        let left_out = (0..self.functions.len()).filter(|at| !called.contains(at));
        let left_out = left_out.map(|at| LeftOut {
            export: self.functions[at].path(),
            reason: match self.lacks(at, &given) {
                Some(reason) if is_asked_for(at) => reason,
                _ => Reason::NotAskedFor,
            },
        });
        (self.left_out, self.called) = (left_out.collect(), called.into_iter().collect());
    }

    /// What a function takes that is not among the resource types that are given.
    fn lacks(&self, at: usize, given: &BTreeSet<TypeId>) -> Option<Reason> {
        let mut lacking = None;
        for (_, ty) in &self.functions[at].params {
            for_each_handle(ty, &self.types, &mut |_, id| {
                let resource =
                    || self.types.get(id).map(|named| named.name.clone()).unwrap_or_default();
                if self.imported.contains(&id) {
                    lacking = Some(Reason::HostResource { resource: resource() });
                } else if !given.contains(&id) && lacking.is_none() {
                    lacking = Some(Reason::NeverReturned { resource: resource() });
                }
            });
        }
        lacking
    }

    /// The resource types that whoever gets a value of this type owns.
    fn owned_in(&self, ty: &Type, found: &mut dyn FnMut(TypeId)) {
        for_each_handle(ty, &self.types, &mut |is_owned, id| {
            if is_owned {
                found(id);
            }
        });
    }
}

/// Whether a function belongs to the interface with this name, which may be without its package and
/// its version.
fn is_of(function: &Function, name: &FunctionPath) -> bool {
    let interface = function.interface.split('@').next().unwrap_or_default();
    let last = interface.rsplit('/').next().unwrap_or_default();
    !last.is_empty() && last == name.function
}

/// Whether a value of one of these types can have a handle inside.
pub(super) fn have_handles(tys: &[Type], types: &TypeTable) -> bool {
    let mut found = false;
    tys.iter().for_each(|ty| for_each_handle(ty, types, &mut |_, _| found = true));
    found
}

/// Every handle type inside a type: whether it is owned, and of which resource.
fn for_each_handle(ty: &Type, types: &TypeTable, found: &mut dyn FnMut(bool, TypeId)) {
    let Some(ty) = types.resolve(ty) else { return };
    match ty {
        Type::Own(id) => found(true, *id),
        Type::Borrow(id) => found(false, *id),
        Type::List(item) | Type::FixedList(_, item) | Type::Option(item) => {
            for_each_handle(item, types, found);
        }
        Type::Tuple(items) => items.iter().for_each(|ty| for_each_handle(ty, types, found)),
        Type::Record(fields) => {
            fields.iter().for_each(|(_, ty)| for_each_handle(ty, types, found));
        }
        Type::Variant(cases) => {
            let payloads = cases.iter().filter_map(|(_, ty)| ty.as_ref());
            payloads.for_each(|ty| for_each_handle(ty, types, found));
        }
        Type::Result(ok, err) => {
            [ok, err].into_iter().flatten().for_each(|ty| for_each_handle(ty, types, found));
        }
        Type::Map(key, value) => {
            [key, value].into_iter().for_each(|ty| for_each_handle(ty, types, found));
        }
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::F32
        | Type::F64
        | Type::Char
        | Type::String
        | Type::Enum(_)
        | Type::Flags(_)
        | Type::Resource
        | Type::Named(_) => {}
    }
}

impl Call {
    /// The function that is called.
    #[must_use]
    pub fn function(&self) -> &Function {
        self.exports.function(self.export)
    }
}

impl Call {
    /// The call as people see it, where there is no room for long values.
    pub(crate) fn shown(&self) -> String {
        call_in_part(&visible(&self.to_string()))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function();
        write!(f, "{}(", function.path())?;
        for (at, (value, (_, ty))) in self.args.iter().zip(&function.params).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}", write_value(value, ty, &self.exports.types))?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
