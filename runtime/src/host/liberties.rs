//! Where WASI leaves a host free, and what it does there: the order of directory entries, of what it
//! says first that it is ready, and from where the monotonic clock counts.
//!
//! A component must not rely on any of that, and this is for finding out whether it does. A host that takes
//! no such liberties has none of these functions: the ones of `wasmtime-wasi` answer as they are.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Descriptor, DirectoryEntry, DirectoryEntryStream, ErrorCode, Host as _, HostDescriptor,
    HostDirectoryEntryStream,
};

use super::waits::POLL;
use super::{Host, HostView};

/// What a host does where WASI leaves it free. For experiments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Liberties {
    /// The order in which a directory lists its entries.
    pub entries: EntryOrder,
    /// How the component hears of what is ready.
    pub readiness: Readiness,
    /// What a fixed monotonic clock shows first; its start means nothing.
    pub monotonic_start_ns: u64,
}

/// The order in which a directory lists its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EntryOrder {
    /// That of the file system, which follows no rule.
    #[default]
    AsFound,
    /// By name.
    Sorted,
    /// By name, from the last to the first.
    Reversed,
    /// Without any rule, but the same for the same names and number.
    Shuffled(u64),
}

/// How a component that waits for several things hears of those that are ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Readiness {
    /// As soon as any is ready, of all that are.
    #[default]
    Prompt,
    /// Not before this time has gone by, so that more may be ready; and then of one only, the last
    /// of those that it asked for.
    LateAndLast(Duration),
}

/// The entries that an open listing of a directory has left.
pub(super) type Listing = VecDeque<Result<DirectoryEntry, ErrorCode>>;

/// The interface under the name that `wasmtime-wasi` gives it.
const FILES: &str = "wasi:filesystem/types@0.2.12";

/// Puts functions that take liberties in the place of those that do not.
pub(crate) fn add_liberties<T: HostView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut files = linker.instance(FILES)?;
    files.func_wrap(
        "[method]descriptor.read-directory",
        |mut cx: StoreContextMut<'_, T>, (folder,): (Resource<Descriptor>,)| {
            list(cx.data_mut().host(), folder).map(|listing| (listing,))
        },
    )?;
    files.func_wrap(
        "[method]directory-entry-stream.read-directory-entry",
        |mut cx: StoreContextMut<'_, T>, (stream,): (Resource<DirectoryEntryStream>,)| {
            let listing = cx.data_mut().host().listings.get_mut(&stream.rep());
            Ok((listing.and_then(VecDeque::pop_front).transpose(),))
        },
    )?;
    linker.instance(POLL)?.func_wrap(
        "poll",
        |mut cx: StoreContextMut<'_, T>, (pollables,): (Vec<Resource<DynPollable>>,)| {
            poll(cx.data_mut().host(), pollables).map(|ready| (ready,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Opens a listing and reads it to its end at once.
fn list(
    host: &mut Host,
    folder: Resource<Descriptor>,
) -> wasmtime::Result<Result<Resource<DirectoryEntryStream>, ErrorCode>> {
    let order = host.liberties.entries;
    let mut files = WasiFilesystemCtxView { ctx: host.wasi.filesystem(), table: &mut host.table };
    let stream = match HostDescriptor::read_directory(&mut files, folder) {
        Ok(stream) => stream,
        Err(error) => return files.convert_error_code(error).map(Err),
    };
    let mut listing = Vec::new();
    loop {
        match files.read_directory_entry(Resource::new_borrow(stream.rep())) {
            Ok(None) => break,
            Ok(Some(entry)) => listing.push(Ok(entry)),
            Err(error) => listing.push(Err(files.convert_error_code(error)?)),
        }
    }
    order.apply(&mut listing);
    // The number may be that of a listing that was dropped, whose place this takes.
    host.listings.insert(stream.rep(), listing.into());
    Ok(Ok(stream))
}

impl EntryOrder {
    fn apply(self, listing: &mut [Result<DirectoryEntry, ErrorCode>]) {
        // What cannot be read has no name, and comes first.
        let name = |entry: &Result<DirectoryEntry, ErrorCode>| {
            entry.as_ref().ok().map(|entry| entry.name.clone())
        };
        match self {
            EntryOrder::AsFound => {}
            EntryOrder::Sorted => listing.sort_by_key(name),
            EntryOrder::Reversed => {
                listing.sort_by_key(name);
                listing.reverse();
            }
            EntryOrder::Shuffled(number) => listing.sort_by_cached_key(|entry| {
                let mut hasher = blake3::Hasher::new();
                hasher.update(&number.to_le_bytes());
                hasher.update(name(entry).unwrap_or_default().as_bytes());
                *hasher.finalize().as_bytes()
            }),
        }
    }
}

fn poll(host: &mut Host, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
    if let Readiness::LateAndLast(wait) = host.liberties.readiness {
        thread::sleep(wait);
        let ready = host.poll(pollables)?;
        return Ok(ready.last().copied().into_iter().collect());
    }
    host.poll(pollables)
}
