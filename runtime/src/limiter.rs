//! Holds a component to its limits on memory and tables.

use theater_record::TrapCode;
use wasmtime::{ResourceLimiter, Result};

use crate::engine::Limits;
use crate::trap::Failure;

/// Counts what a component has and refuses what is too much.
///
/// The refusal itself is not an event: with the same limits, which the chain's header names, it
/// happens again at the same place.
pub(crate) struct Limiter {
    memory_bytes_max: u64,
    table_elements_max: u64,
    memory_bytes: u64,
    table_elements: u64,
    /// The lifter is ours, and does not count.
    pub(crate) is_off: bool,
    /// The limit that was last hit, since the current call into the component began.
    pub(crate) hit: Option<TrapCode>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Limiter {
        Limiter {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            memory_bytes: 0,
            table_elements: 0,
            is_off: false,
            hit: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if self.is_off {
            return Ok(true);
        }
        let more = (desired - current) as u64;
        let fits_here = maximum.is_none_or(|maximum| desired <= maximum);
        if !fits_here || more > self.memory_bytes_max.saturating_sub(self.memory_bytes) {
            self.hit = Some(TrapCode::MemoryLimit);
            return Ok(false);
        }
        self.memory_bytes += more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        if self.hit.is_some() {
            return Ok(());
        }
        // The component was within its limits, so on another machine it would have got the memory.
        // Answering "no" would record an outcome that replay cannot repeat.
        let detail = format!("this machine has no more memory: {}", error.root_cause());
        Err(Failure { code: TrapCode::Killed, detail }.into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if self.is_off {
            return Ok(true);
        }
        let more = (desired - current) as u64;
        let fits_here = maximum.is_none_or(|maximum| desired <= maximum);
        if !fits_here || more > self.table_elements_max.saturating_sub(self.table_elements) {
            self.hit = Some(TrapCode::TableLimit);
            return Ok(false);
        }
        self.table_elements += more;
        Ok(true)
    }
}
