//! From a number of core values known at run time to one known at compile time.

use std::sync::Arc;

use wasmtime::component::{Func, LinkerInstance, TypedFunc};
use wasmtime::{AsContext, Result, StoreContextMut};

use super::Payload;
use crate::by_val;

/// How many core values are counted for parameters that do not fit into sixteen, and so stand in
/// memory.
pub(crate) const SPILLED: usize = 17;

/// What runs when a component calls an import: encoded arguments in, encoded results out.
pub(crate) type Stub<T> =
    Arc<dyn Fn(StoreContextMut<'_, T>, Vec<u8>) -> Result<Vec<u8>> + Send + Sync>;

/// A component's function: encoded arguments in, encoded results out.
pub(crate) type Callee<T> =
    Arc<dyn Fn(&mut StoreContextMut<'_, T>, &[u8]) -> Result<Vec<u8>> + Send + Sync>;

/// Calls `$f::<N, M>(..)` for the given numbers of core values.
macro_rules! with_arity {
    ($params:expr, $results:expr, $f:ident($($arg:expr),*)) => {
        match $results {
            0 => with_arity!(@params $params, 0, $f($($arg),*)),
            1 => with_arity!(@params $params, 1, $f($($arg),*)),
            _ => with_arity!(@params $params, 2, $f($($arg),*)),
        }
    };
    (@params $params:expr, $m:literal, $f:ident($($arg:expr),*)) => {
        match $params {
            0 => $f::<_, 0, $m>($($arg),*),
            1 => $f::<_, 1, $m>($($arg),*),
            2 => $f::<_, 2, $m>($($arg),*),
            3 => $f::<_, 3, $m>($($arg),*),
            4 => $f::<_, 4, $m>($($arg),*),
            5 => $f::<_, 5, $m>($($arg),*),
            6 => $f::<_, 6, $m>($($arg),*),
            7 => $f::<_, 7, $m>($($arg),*),
            8 => $f::<_, 8, $m>($($arg),*),
            9 => $f::<_, 9, $m>($($arg),*),
            10 => $f::<_, 10, $m>($($arg),*),
            11 => $f::<_, 11, $m>($($arg),*),
            12 => $f::<_, 12, $m>($($arg),*),
            13 => $f::<_, 13, $m>($($arg),*),
            14 => $f::<_, 14, $m>($($arg),*),
            15 => $f::<_, 15, $m>($($arg),*),
            16 => $f::<_, 16, $m>($($arg),*),
            _ => $f::<_, SPILLED, $m>($($arg),*),
        }
    };
}

/// Defines an import. `params` and `results` are how many core values its type takes.
pub(crate) fn define<T: 'static>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    params: usize,
    results: usize,
    stub: Stub<T>,
) -> Result<()> {
    with_arity!(params, results, define_as(linker, name, stub))
}

/// Makes a component's function callable. `params` and `results` are how many core values its type
/// takes.
pub(crate) fn typed<T: 'static>(
    func: Func,
    store: impl AsContext<Data = T>,
    params: usize,
    results: usize,
) -> Result<Callee<T>> {
    if params >= SPILLED {
        // Parameters in memory are allocated by a size that wasmtime takes from the Rust type, and
        // a payload has none.
        return Ok(by_val::callee(func, store));
    }
    with_arity!(params, results, typed_as(func, store))
}

fn define_as<T: 'static, const N: usize, const M: usize>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    stub: Stub<T>,
) -> Result<()> {
    linker.func_wrap(name, move |cx: StoreContextMut<'_, T>, args: Payload<'static, N>| {
        stub(cx, args.0.into_owned()).map(|results| Payload::<'static, M>(results.into()))
    })
}

fn typed_as<S: AsContext<Data: 'static>, const N: usize, const M: usize>(
    func: Func,
    store: S,
) -> Result<Callee<S::Data>> {
    let func = func.typed::<Payload<'static, N>, Payload<'static, M>>(&store)?;
    Ok(Arc::new(move |cx, args| {
        let func: TypedFunc<Payload<'_, N>, Payload<'static, M>> = func;
        Ok(func.call(cx, Payload(args.into()))?.0.into_owned())
    }))
}
