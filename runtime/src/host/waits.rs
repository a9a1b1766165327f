//! The functions of WASI that may have to wait: for time, for the network, for input.
//!
//! They do what those of `wasmtime-wasi` do, but end when the component is killed, which those know nothing
//! of. All else returns at once, or as soon as the operating system has done something with a file.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sync::io::streams::{Host as _, StreamError};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamResult};
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host as _, HostPollable};
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream, HostOutputStream};

use super::{Host, HostView};
use crate::killer::Killed;
use crate::threads::aside;

type In = Resource<DynInputStream>;
type Out = Resource<DynOutputStream>;

/// The interfaces under the names that `wasmtime-wasi` gives them.
pub(super) const POLL: &str = "wasi:io/poll@0.2.12";
const STREAMS: &str = "wasi:io/streams@0.2.12";

/// Puts functions whose waiting ends with a kill in the place of those that wait for ever.
pub(super) fn add_waits<T: HostView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut polls = linker.instance(POLL)?;
    polls.func_wrap("poll", |mut cx: Cx<'_, T>, (pollables,): (Vec<Resource<DynPollable>>,)| {
        cx.data_mut().host().poll(pollables).map(|ready| (ready,))
    })?;
    polls.func_wrap(
        "[method]pollable.block",
        |mut cx: Cx<'_, T>, (pollable,): (Resource<DynPollable>,)| {
            cx.data_mut().host().wait(async |table| table.block(pollable).await)?
        },
    )?;
    add_reading(linker)?;
    add_writing(linker)
}

fn add_reading<T: HostView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut streams = linker.instance(STREAMS)?;
    streams.func_wrap(
        "[method]input-stream.blocking-read",
        |mut cx: Cx<'_, T>, (stream, len): (In, u64)| {
            streamed(&mut cx, async |table| {
                HostInputStream::blocking_read(table, stream, len).await
            })
        },
    )?;
    streams.func_wrap(
        "[method]input-stream.blocking-skip",
        |mut cx: Cx<'_, T>, (stream, len): (In, u64)| {
            streamed(&mut cx, async |table| {
                HostInputStream::blocking_skip(table, stream, len).await
            })
        },
    )
}

fn add_writing<T: HostView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut streams = linker.instance(STREAMS)?;
    streams.func_wrap(
        "[method]output-stream.blocking-write-and-flush",
        |mut cx: Cx<'_, T>, (stream, bytes): (Out, Vec<u8>)| {
            streamed(&mut cx, async |table| table.blocking_write_and_flush(stream, bytes).await)
        },
    )?;
    streams.func_wrap(
        "[method]output-stream.blocking-write-zeroes-and-flush",
        |mut cx: Cx<'_, T>, (stream, len): (Out, u64)| {
            streamed(&mut cx, async |table| {
                table.blocking_write_zeroes_and_flush(stream, len).await
            })
        },
    )?;
    streams.func_wrap(
        "[method]output-stream.blocking-flush",
        |mut cx: Cx<'_, T>, (stream,): (Out,)| {
            streamed(&mut cx, async |table| table.blocking_flush(stream).await)
        },
    )?;
    streams.func_wrap(
        "[method]output-stream.blocking-splice",
        |mut cx: Cx<'_, T>, (to, from, len): (Out, In, u64)| {
            streamed(&mut cx, async |table| table.blocking_splice(to, from, len).await)
        },
    )
}

type Cx<'a, T> = StoreContextMut<'a, T>;

/// Does something with streams, and tells the component how that failed.
fn streamed<T: HostView, R>(
    cx: &mut Cx<'_, T>,
    run: impl AsyncFnOnce(&mut ResourceTable) -> StreamResult<R>,
) -> wasmtime::Result<(Result<R, StreamError>,)> {
    let host = cx.data_mut().host();
    match host.wait(run)? {
        Ok(done) => Ok((Ok(done),)),
        Err(error) => Ok((Err(host.table.convert_stream_error(error)?),)),
    }
}

impl Host {
    /// Has this end whatever the component waits for.
    pub(crate) fn ends_with(&mut self, killed: &Killed) {
        self.killed = killed.clone();
    }

    /// Waits until something is ready, and says what is.
    pub(super) fn poll(
        &mut self,
        pollables: Vec<Resource<DynPollable>>,
    ) -> wasmtime::Result<Vec<u32>> {
        self.wait(async |table| table.poll(pollables).await)?
    }

    fn wait<R>(&mut self, run: impl AsyncFnOnce(&mut ResourceTable) -> R) -> wasmtime::Result<R> {
        Ok(aside(|| in_tokio(self.killed.or(run(&mut self.table))))?)
    }
}
