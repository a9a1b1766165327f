//! What the host gave and this component keeps.

use std::cell::RefCell;

use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::Resources;
use crate::exports::theater::resources::holding::Guest;

/// Fields are dropped in this order: streams before the file they belong to.
#[derive(Default)]
struct Held {
    input: Option<InputStream>,
    output: Option<OutputStream>,
    file: Option<Descriptor>,
    waiting: Vec<(u32, Pollable)>,
    waits: u32,
}

thread_local! {
    static HELD: RefCell<Held> = RefCell::default();
}

impl Guest for Resources {
    fn open(path: String) -> Result<(), String> {
        HELD.with_borrow_mut(|held| held.open(&path).map_err(|code| format!("{path}: {code}")))
    }

    fn write(bytes: Vec<u8>) -> Result<(), String> {
        HELD.with_borrow(|held| {
            let output = held.output.as_ref().ok_or("nothing is open")?;
            output.blocking_write_and_flush(&bytes).map_err(in_words)
        })
    }

    fn read(length: u64) -> Result<Vec<u8>, String> {
        HELD.with_borrow(|held| {
            let input = held.input.as_ref().ok_or("nothing is open")?;
            input.blocking_read(length).map_err(in_words)
        })
    }

    fn start_waiting(nanoseconds: u64) -> u32 {
        HELD.with_borrow_mut(|held| {
            held.waits += 1;
            held.waiting.push((held.waits, monotonic_clock::subscribe_duration(nanoseconds)));
            held.waits
        })
    }

    fn wait() -> Vec<u32> {
        HELD.with_borrow_mut(Held::wait)
    }

    fn size() -> Result<u64, String> {
        HELD.with_borrow(|held| {
            let file = held.file.as_ref().ok_or("nothing is open")?;
            file.stat().map(|stat| stat.size).map_err(|code| code.to_string())
        })
    }

    fn close() {
        HELD.take();
    }
}

impl Held {
    fn open(&mut self, path: &str) -> Result<(), ErrorCode> {
        let mut folders = preopens::get_directories().into_iter();
        let (folder, _) = folders.next().ok_or(ErrorCode::NoEntry)?;
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let file = folder.open_at(PathFlags::empty(), path, OpenFlags::CREATE, flags)?;
        self.input = Some(file.read_via_stream(0)?);
        self.output = Some(file.append_via_stream()?);
        self.file = Some(file);
        Ok(())
    }

    fn wait(&mut self) -> Vec<u32> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let pollables: Vec<&Pollable> = self.waiting.iter().map(|(_, pollable)| pollable).collect();
        let mut ready = poll(&pollables);
        // From the end, so that the places before stay what they are.
        ready.sort_unstable();
        ready.reverse();
        ready.into_iter().map(|place| self.waiting.remove(place as usize).0).collect()
    }
}

fn in_words(error: StreamError) -> String {
    match error {
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
        StreamError::Closed => "the end".to_owned(),
    }
}
