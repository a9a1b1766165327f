//! Chance and time through WASI, as far as permissions leave them.
//!
//! Next to none of these functions can return an error. So a call that is denied traps, and the chain says why.

use std::fmt;
use std::time::Duration;

use theater_record::TrapCode;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{
    self, Duration as Nanoseconds, Instant,
};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::random::WasiRandomCtx;

use super::decisions::{Decisions, Reason};
use super::{Host, HostView};
use crate::trap::Failure;

/// How much there may be of something at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ceiling {
    /// As much as is asked for.
    #[default]
    None,
    /// This much, and no more.
    AtMost(u64),
    /// Nothing, and nothing that has no amount either.
    Nothing,
}

/// A ceiling, and what is said of calls that go beyond it.
pub(super) struct Held<'a> {
    pub(super) ceiling: Ceiling,
    pub(super) capability: &'static str,
    pub(super) decisions: &'a Decisions,
}

impl Held<'_> {
    /// Whether there may be any.
    fn allow(&self, function: &str) -> wasmtime::Result<()> {
        match self.ceiling {
            Ceiling::None | Ceiling::AtMost(_) => Ok(()),
            Ceiling::Nothing => {
                let detail = format!("the permission {} leaves none", self.capability);
                Err(self.deny(function, detail))
            }
        }
    }

    /// Whether there may be this much.
    fn allow_amount<A: fmt::Display>(
        &self,
        function: &str,
        amount: u64,
        shown: impl Fn(u64) -> A,
    ) -> wasmtime::Result<()> {
        self.allow(function)?;
        match self.ceiling {
            Ceiling::AtMost(max) if amount > max => {
                let (amount, max) = (shown(amount), shown(max));
                let detail = format!("the permission {} leaves {max} at a time", self.capability);
                Err(self.deny(&format!("{function} {amount}"), detail))
            }
            Ceiling::None | Ceiling::AtMost(_) | Ceiling::Nothing => Ok(()),
        }
    }

    fn deny(&self, subject: &str, why: String) -> wasmtime::Error {
        let detail = format!("{subject} is denied: {why}");
        self.decisions.note(Reason::NotGranted.permission(self.capability, subject, why));
        Failure { code: TrapCode::HostError, detail }.into()
    }
}

/// Says what the functions of `wasi:random` work on.
struct Chance;

impl HasData for Chance {
    type Data<'a> = ChanceView<'a>;
}

/// What the functions of `wasi:random` work on.
pub(super) struct ChanceView<'a> {
    pub(super) random: &'a mut WasiRandomCtx,
    pub(super) held: Held<'a>,
}

impl random::Host for ChanceView<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.held.allow_amount("get-random-bytes", len, bytes)?;
        self.random.get_random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.held.allow("get-random-u64")?;
        self.random.get_random_u64()
    }
}

impl insecure::Host for ChanceView<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.held.allow_amount("get-insecure-random-bytes", len, bytes)?;
        self.random.get_insecure_random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.held.allow("get-insecure-random-u64")?;
        self.random.get_insecure_random_u64()
    }
}

impl insecure_seed::Host for ChanceView<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        self.held.allow("insecure-seed")?;
        self.random.insecure_seed()
    }
}

/// Says what the functions of `wasi:clocks` work on.
struct Time;

impl HasData for Time {
    type Data<'a> = TimeView<'a>;
}

/// What the functions of `wasi:clocks` work on.
pub(super) struct TimeView<'a> {
    pub(super) clocks: WasiClocksCtxView<'a>,
    /// Whether what is waited for is there at once.
    pub(super) is_over: bool,
    pub(super) held: Held<'a>,
}

impl wall_clock::Host for TimeView<'_> {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        self.held.allow("now")?;
        wall_clock::Host::now(&mut self.clocks)
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        self.held.allow("resolution")?;
        wall_clock::Host::resolution(&mut self.clocks)
    }
}

impl monotonic_clock::Host for TimeView<'_> {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        self.held.allow("now")?;
        monotonic_clock::Host::now(&mut self.clocks)
    }

    fn resolution(&mut self) -> wasmtime::Result<Instant> {
        self.held.allow("resolution")?;
        monotonic_clock::Host::resolution(&mut self.clocks)
    }

    fn subscribe_instant(&mut self, when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        // A clock that is fixed goes on when it is looked at, so only who is held to something looks.
        if self.held.ceiling != Ceiling::None {
            self.held.allow("subscribe-instant")?;
            let left = when.saturating_sub(monotonic_clock::Host::now(&mut self.clocks)?);
            self.held.allow_amount("subscribe-instant", left, time)?;
        }
        self.clocks.subscribe_instant(if self.is_over { 0 } else { when })
    }

    fn subscribe_duration(
        &mut self,
        duration: Nanoseconds,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.held.allow_amount("subscribe-duration", duration, time)?;
        self.clocks.subscribe_duration(if self.is_over { 0 } else { duration })
    }
}

fn bytes(amount: u64) -> String {
    format!("{amount} bytes")
}

fn time(ns: u64) -> String {
    format!("{:?}", Duration::from_nanos(ns))
}

/// Puts functions that are held to their ceilings in the place of those that are not.
pub(super) fn add_held<T: HostView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    fn chance<T: HostView>(data: &mut T) -> ChanceView<'_> {
        data.host().chance()
    }
    fn time<T: HostView>(data: &mut T) -> TimeView<'_> {
        data.host().time()
    }
    random::add_to_linker::<T, Chance>(linker, chance)?;
    insecure::add_to_linker::<T, Chance>(linker, chance)?;
    insecure_seed::add_to_linker::<T, Chance>(linker, chance)?;
    wall_clock::add_to_linker::<T, Time>(linker, time)?;
    monotonic_clock::add_to_linker::<T, Time>(linker, time)
}

impl Host {
    fn chance(&mut self) -> ChanceView<'_> {
        let (ceiling, decisions) = (self.chance, &self.decisions);
        let held = Held { ceiling, capability: "random", decisions };
        ChanceView { random: self.wasi.random(), held }
    }

    fn time(&mut self) -> TimeView<'_> {
        let clocks = WasiClocksCtxView { ctx: self.wasi.clocks(), table: &mut self.table };
        let (ceiling, decisions) = (self.waiting, &self.decisions);
        let held = Held { ceiling, capability: "timing", decisions };
        TimeView { clocks, is_over: self.skips_waiting, held }
    }
}
