//! Clocks and randomness that are the same in every run.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blake3::OutputReader;
use rand_core::TryRng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// A clock that goes on by one step whenever somebody looks at it.
pub(super) struct FixedClock {
    next: AtomicU64,
    step: u64,
}

impl FixedClock {
    /// Makes these the clocks of a component.
    pub(super) fn give(
        start_ns: u64,
        monotonic_start_ns: u64,
        step_ns: u64,
        builder: &mut WasiCtxBuilder,
    ) {
        let clock = |start| FixedClock { next: AtomicU64::new(start), step: step_ns };
        builder.wall_clock(clock(start_ns)).monotonic_clock(clock(monotonic_start_ns));
    }

    fn read(&self) -> u64 {
        let next = |now: u64| Some(now.saturating_add(self.step));
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .expect("there always is a next reading")
    }

    fn resolution(&self) -> u64 {
        self.step.max(1)
    }
}

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.resolution())
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.read())
    }
}

impl HostMonotonicClock for FixedClock {
    fn resolution(&self) -> u64 {
        self.resolution()
    }

    fn now(&self) -> u64 {
        self.read()
    }
}

/// An endless stream of bytes that follows from a seed alone.
///
/// BLAKE3 makes it, so no version of another crate can change what a seed means.
pub(super) struct SeededRandom(OutputReader);

impl SeededRandom {
    /// Makes this the randomness of a component.
    pub(super) fn give(seed: u64, builder: &mut WasiCtxBuilder) {
        let stream = |purpose| {
            let mut hasher = blake3::Hasher::new_derive_key(purpose);
            hasher.update(&seed.to_le_bytes());
            SeededRandom(hasher.finalize_xof())
        };
        let mut insecure_seed = [0; 16];
        stream("theater v1 insecure random seed").0.fill(&mut insecure_seed);
        builder
            .secure_random(stream("theater v1 random"))
            .insecure_random(stream("theater v1 insecure random"))
            .insecure_random_seed(u128::from_le_bytes(insecure_seed));
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl TryRng for SeededRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}
