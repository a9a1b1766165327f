//! What recordings of one component have in common: it and its lifter are linked once.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Result, StoreContextMut};

use super::{Live, outside};
use crate::codec::{self, Callee};
use crate::component::Component;
use crate::host;
use crate::membrane::{Actor, stubs};

/// What was linked so far.
#[derive(Default)]
pub(crate) struct Links {
    component: OnceLock<InstancePre<Actor<Live>>>,
    lifters: Mutex<Vec<LinkedLifter>>,
}

/// A lifter as it is linked for one kind of host.
struct LinkedLifter {
    takes_liberties: bool,
    served: Vec<bool>,
    linked: InstancePre<Actor<Live>>,
}

/// The functions of an instance of the lifter.
pub(super) struct Lifted {
    /// Each imported function.
    pub(super) calls: Vec<Callee<Actor<Live>>>,
    /// How to drop a resource of each imported type.
    pub(super) drops: Vec<Callee<Actor<Live>>>,
}

impl Links {
    /// The component, linked against stubs.
    pub(crate) fn component(&self, component: &Component) -> Result<InstancePre<Actor<Live>>> {
        if let Some(linked) = self.component.get() {
            return Ok(linked.clone());
        }
        let linked = stubs(component)?.instantiate_pre(&component.compiled)?;
        Ok(self.component.get_or_init(|| linked).clone())
    }

    /// Its lifter, linked against the host. Imports that services answer are not lifted.
    pub(super) fn lifter(
        &self,
        component: &Component,
        lifter: &wasmtime::component::Component,
        takes_liberties: bool,
        served: &[bool],
    ) -> Result<InstancePre<Actor<Live>>> {
        let mut lifters = self.lifters.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &&LinkedLifter| {
            known.takes_liberties == takes_liberties && known.served == served
        };
        if let Some(known) = lifters.iter().find(is_it) {
            return Ok(known.linked.clone());
        }
        let mut linker = Linker::new(&component.engine.inner);
        host::add_to_linker(&mut linker)?;
        if takes_liberties {
            host::add_liberties(&mut linker)?;
        }
        leave_out(&mut linker, component, served)?;
        let linked = linker.instantiate_pre(lifter)?;
        let (served, known) = (served.to_vec(), linked.clone());
        lifters.push(LinkedLifter { takes_liberties, served, linked });
        Ok(known)
    }
}

/// The lifter's functions. It is instantiated in the component's own store when it is first needed.
pub(super) fn lifted(cx: &mut StoreContextMut<'_, Actor<Live>>) -> Result<Arc<Lifted>> {
    if let Some(lifted) = &cx.data().backend.lifted {
        return Ok(Arc::clone(lifted));
    }
    let Some(linked) = cx.data().backend.lifter.clone() else {
        wasmtime::bail!("the component is not connected to a host");
    };
    let world = Arc::clone(&cx.data().world);
    let lifted = outside(cx, |cx| {
        let instance = linked.instantiate(&mut *cx)?;
        let mut get = |name: String, params: usize, results: usize| {
            let Some(func) = instance.get_func(&mut *cx, &name) else {
                wasmtime::bail!("the lifter has no {name}");
            };
            codec::typed(func, &*cx, params, results)
        };
        let calls = world.imports.iter().enumerate().map(|(number, function)| {
            get(format!("f{number}"), function.flat_params, function.flat_results)
        });
        let calls = calls.collect::<Result<Vec<_>>>()?;
        let drops = (0..world.resources.len()).map(|number| get(format!("d{number}"), 1, 0));
        Ok(Lifted { calls, drops: drops.collect::<Result<Vec<_>>>()? })
    })?;
    let lifted = Arc::new(lifted);
    cx.data_mut().backend.lifted = Some(Arc::clone(&lifted));
    Ok(lifted)
}

/// The lifter has to be linked for what services answer, but is not called for it.
fn leave_out(
    linker: &mut Linker<Actor<Live>>,
    component: &Component,
    served: &[bool],
) -> Result<()> {
    for (function, is_served) in component.world().imports.iter().zip(served) {
        if *is_served {
            let mut interface = linker.instance(&function.interface)?;
            interface
                .func_new(&function.name, |_, _, _, _| wasmtime::bail!("a service answers this"))?;
        }
    }
    Ok(())
}
