//! Where a recorder writes to.

use std::fs::File;
use std::io::{self, Write};

/// An append-only log. Implemented for an open file and for memory.
pub trait Log: Send {
    /// Appends all of these bytes or fails.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything appended so far would survive a crash of the machine.
    fn sync(&mut self) -> io::Result<()>;
}

impl Log for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Bytes in memory, shared with whoever wants to look at them afterwards.
impl Log for std::sync::Arc<std::sync::Mutex<Vec<u8>>> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut log = self.lock().map_err(|_| io::Error::other("a holder of the log panicked"))?;
        log.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nowhere. For running without keeping a chain.
impl Log for io::Sink {
    fn append(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log for Box<dyn Log> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
}
