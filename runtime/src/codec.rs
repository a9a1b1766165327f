//! The fused codec: WIT values between a component's memory and a chain's encoding, in one step.
//!
//! wasmtime's public way goes through `Val`, at some thirty nanoseconds for each byte of a
//! `list<u8>`. Here a value is encoded while it is lifted and lowered while it is decoded, and a
//! list of bytes is copied once. This takes traits of wasmtime that are public but undocumented, so
//! its version is pinned and nothing outside this module touches them. `by_val.rs` does the same
//! through the public interface; tests hold the two equal.

#![allow(unsafe_code, reason = "wasmtime's lifting and lowering traits are unsafe to implement")]

mod arity;
mod lift;
mod lower;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::mem::MaybeUninit;

use theater_record::{Decoder, Encoder};
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Result, ValRaw};

pub(crate) use arity::{Callee, SPILLED, define, typed};
pub(crate) use lift::mask;

/// The most bytes that one call can pass out of a component.
///
/// Lists can share their elements, so a component with little memory can make up values of any
/// size. The bound is the same for everybody, because replay has to stop at the same place.
pub(crate) const PASSED_BYTES_MAX: usize = 1 << 28;

/// The arguments or results of a call as a chain's encoded array. `N` is how many core values they
/// take when they are passed flat.
///
/// Whoever picks an `N` takes it from the type of the function at hand; see `arity.rs`, the only
/// place that does.
pub(crate) struct Payload<'a, const N: usize>(pub(crate) Cow<'a, [u8]>);

// SAFETY: `Lower` is an array of `ValRaw` and nothing else. `typecheck` accepts everything because
// what it would check, the shape of the values, is read from the component's own type on every lift
// and lower instead. `N` is the caller's word for how many core values that type takes, and a wrong
// one is a panic, never a stray access: for an import, wasmtime asserts that the storage at hand is
// no shorter than `Lower`; for an export, `Lower` is the storage. If `N` is smaller than the type
// says, `next` in `lift.rs` or `lower.rs` finds no slot, and in lowering that is before the component
// is entered. An export that returns one value always has one slot for it, whatever `N` is.
// `ABI` is never believed: wherever memory is read or written, `lift.rs` and `lower.rs` take sizes
// and alignment from the component's type and check bounds themselves.
unsafe impl<const N: usize> ComponentType for Payload<'_, N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: stands for a whole list of parameters or results; see above for why its `typecheck` may
// accept any.
unsafe impl<const N: usize> ComponentNamedList for Payload<'_, N> {}

// SAFETY: only safe functions are called; a value that does not fit its type is an error.
unsafe impl<const N: usize> Lift for Payload<'_, N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &[ValRaw; N],
    ) -> Result<Self> {
        let mut bytes = Vec::with_capacity(64);
        lift::all_flat(cx, ty, &mut src.iter(), &mut Encoder(&mut bytes))?;
        Ok(Payload(bytes.into()))
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &[u8],
    ) -> Result<Self> {
        // The slice is empty, because `ABI` says so, but it starts where the values are.
        let at = (src.as_ptr() as usize).wrapping_sub(cx.memory().as_ptr() as usize);
        let mut bytes = Vec::with_capacity(64);
        lift::all_loaded(cx, ty, at, &mut Encoder(&mut bytes))?;
        Ok(Payload(bytes.into()))
    }
}

// SAFETY: `linear_lower_to_flat` writes all of `dst` before it returns `Ok`.
unsafe impl<const N: usize> Lower for Payload<'_, N> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<[ValRaw; N]>,
    ) -> Result<()> {
        let mut values = [ValRaw::u64(0); N];
        let mut input = Decoder::new(&self.0);
        lower::all_flat(cx, ty, &mut input, &mut values.iter_mut())?;
        input.finish()?;
        dst.write(values);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let mut input = Decoder::new(&self.0);
        lower::all_stored(cx, ty, &mut input, offset)?;
        Ok(input.finish()?)
    }
}

/// A core value to be written by somebody else.
pub(crate) struct Slot(MaybeUninit<ValRaw>);

impl Slot {
    pub(crate) fn new() -> Slot {
        // A written zero costs nothing and spares a promise.
        Slot(MaybeUninit::new(ValRaw::u32(0)))
    }

    pub(crate) fn get(&mut self) -> &mut MaybeUninit<ValRaw> {
        &mut self.0
    }

    pub(crate) fn written(self) -> ValRaw {
        // SAFETY: it was initialised by `new`, and can only have been written over since.
        unsafe { self.0.assume_init() }
    }
}
