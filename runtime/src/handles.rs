//! Resources by the recorder's stable numbers.
//!
//! A component sees three kinds of handles. Those to the host's resources are stubs whose
//! representation is the recorder's number; behind each stands a handle of the lifter, which owns
//! the real resource, while recording, and nothing in replay. Those to resources the component
//! itself exports are kept here for whoever calls it.
//!
//! Lifting and lowering run deep inside the engine, without access to the actor. So the actor's
//! handles are laid out for the thread while the actor runs.

use std::cell::RefCell;
use std::collections::HashMap;

use theater_record::TrapCode;
use wasmtime::component::__internal::{InterfaceType, LiftContext, LowerContext};
use wasmtime::component::{Lift, Lower, ResourceAny, ResourceDynamic, ResourceType};
use wasmtime::{Result, ValRaw, bail, format_err};

use crate::trap::Failure;

/// What an actor holds of the resources it exchanged with the world.
#[derive(Default)]
pub(crate) struct Handles {
    /// The next number to give to a resource.
    next: u32,
    /// How many resource types the component imports. Stub type `n` is `host_dynamic(n)`.
    stub_types: u32,
    /// Whether the lifter is being called, which passes handles as tuples.
    in_lifter: bool,
    /// The lifter's handle to each resource of the host.
    host: HashMap<u32, u32>,
    /// The resources that the component gave away.
    exported: HashMap<u32, ResourceAny>,
}

/// How a handle is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// For good.
    Own,
    /// For the time of the call.
    Borrow,
}

thread_local! {
    static CURRENT: RefCell<Handles> = RefCell::default();
}

impl Handles {
    pub(crate) fn new(stub_types: u32) -> Handles {
        Handles { next: 1, stub_types, ..Handles::default() }
    }
}

/// Lays out an actor's handles while `run` runs, and hands them back.
pub(crate) fn with<R>(handles: Handles, run: impl FnOnce() -> R) -> (Handles, R) {
    let before = CURRENT.replace(handles);
    let outcome = run();
    (CURRENT.replace(before), outcome)
}

/// Marks that the lifter is being called while `call` runs.
pub(crate) fn in_lifter<R>(call: impl FnOnce() -> R) -> R {
    CURRENT.with_borrow_mut(|handles| handles.in_lifter = true);
    let outcome = call();
    CURRENT.with_borrow_mut(|handles| handles.in_lifter = false);
    outcome
}

/// Whether these are the items of a tuple that stands for a handle; see `lifter.rs`.
pub(crate) fn host_handle(items: &[InterfaceType]) -> Option<Passing> {
    let passing = match items {
        [InterfaceType::U32] => Passing::Own,
        [InterfaceType::S32] => Passing::Borrow,
        _ => return None,
    };
    CURRENT.with_borrow(|handles| handles.in_lifter.then_some(passing))
}

/// Gives a number to a resource that the host handed out.
pub(crate) fn from_lifter(index: u32) -> Result<u32> {
    CURRENT.with_borrow_mut(|handles| {
        let id = handles.give_number()?;
        handles.host.insert(id, index);
        Ok(id)
    })
}

/// The lifter's handle to a resource; forgotten if it is given back to the host for good.
pub(crate) fn to_lifter(id: u32, passing: Passing) -> Result<u32> {
    let index = CURRENT.with_borrow_mut(|handles| match passing {
        Passing::Own => handles.host.remove(&id),
        Passing::Borrow => handles.host.get(&id).copied(),
    });
    index.ok_or_else(|| lost(id))
}

/// Lets the lifter's handle `index` stand for a resource that got its number in an earlier life.
pub(crate) fn bind(id: u32, index: u32) {
    CURRENT.with_borrow_mut(|handles| handles.host.insert(id, index));
}

/// The lifter's handle to a resource, which is the host's again.
pub(crate) fn unbind(id: u32) -> Option<u32> {
    CURRENT.with_borrow_mut(|handles| handles.host.remove(&id))
}

/// Sets the next number, and returns what it was.
pub(crate) fn set_next(next: u32) -> u32 {
    CURRENT.with_borrow_mut(|handles| std::mem::replace(&mut handles.next, next))
}

/// Takes the component's own resource with this number.
pub(crate) fn take_exported(id: u32) -> Result<ResourceAny> {
    CURRENT.with_borrow_mut(|handles| handles.exported.remove(&id)).ok_or_else(|| lost(id))
}

/// The component's own resource with this number.
pub(crate) fn exported(id: u32) -> Result<ResourceAny> {
    CURRENT.with_borrow(|handles| handles.exported.get(&id).copied()).ok_or_else(|| lost(id))
}

/// Reads a handle out of the component.
pub(crate) fn lift(cx: &mut LiftContext<'_>, ty: InterfaceType, index: u32) -> Result<u32> {
    let raw = ValRaw::u32(index);
    if stub_payload(&cx.resource_type(table(ty)?)).is_some() {
        return Ok(ResourceDynamic::linear_lift_from_flat(cx, ty, &raw)?.rep());
    }
    let resource = ResourceAny::linear_lift_from_flat(cx, ty, &raw)?;
    adopt(resource)
}

/// Sees to it that a number which came from outside is not given out again.
pub(crate) fn has_seen(id: u32) {
    CURRENT.with_borrow_mut(|handles| handles.next = handles.next.max(id.saturating_add(1)));
}

/// Hands a resource to the component.
pub(crate) fn lower<T>(cx: &mut LowerContext<'_, T>, ty: InterfaceType, id: u32) -> Result<u32> {
    let payload = stub_payload(&cx.resource_type(table(ty)?));
    has_seen(id);
    let mut slot = crate::codec::Slot::new();
    match (payload, ty) {
        (Some(payload), InterfaceType::Own(_)) => {
            ResourceDynamic::new_own(id, payload).linear_lower_to_flat(cx, ty, slot.get())?;
        }
        // One that is owned would stay in the engine's table for good.
        (Some(payload), _) => {
            ResourceDynamic::new_borrow(id, payload).linear_lower_to_flat(cx, ty, slot.get())?;
        }
        (None, InterfaceType::Own(_)) => {
            take_exported(id)?.linear_lower_to_flat(cx, ty, slot.get())?;
        }
        (None, _) => exported(id)?.linear_lower_to_flat(cx, ty, slot.get())?,
    }
    Ok(slot.written().get_u32())
}

/// Gives a number to a resource of the component's own.
pub(crate) fn adopt(resource: ResourceAny) -> Result<u32> {
    CURRENT.with_borrow_mut(|handles| {
        let id = handles.give_number()?;
        handles.exported.insert(id, resource);
        Ok(id)
    })
}

/// Which of the component's imported resource types this is.
pub(crate) fn stub_payload(ty: &ResourceType) -> Option<u32> {
    let stub_types = CURRENT.with_borrow(|handles| handles.stub_types);
    (0..stub_types).find(|payload| ResourceType::host_dynamic(*payload) == *ty)
}

impl Handles {
    /// Goes on with another actor's numbers.
    pub(crate) fn continue_from(&mut self, other: &Handles) {
        self.next = other.next;
    }

    /// Leaves out the numbers before `next`.
    pub(crate) fn skip_to(&mut self, next: u32) {
        self.next = self.next.max(next);
    }

    fn give_number(&mut self) -> Result<u32> {
        let id = self.next;
        // A chain may have named the last number there is.
        self.next = id
            .checked_add(1)
            .ok_or_else(|| format_err!("there is no number left for another resource"))?;
        Ok(id)
    }
}

fn table(
    ty: InterfaceType,
) -> Result<wasmtime::component::__internal::wasmtime_environ::component::TypeResourceTableIndex> {
    match ty {
        InterfaceType::Own(table) | InterfaceType::Borrow(table) => Ok(table),
        _ => bail!("not a handle"),
    }
}

fn lost(id: u32) -> wasmtime::Error {
    let detail = format!("resource {id} is gone: what was open does not survive a resume");
    Failure { code: TrapCode::BadResource, detail }.into()
}
