//! The tape in the place of a host: it answers what the component asks for, and looks for a while at one
//! that does something else.

use theater_record::{Call, Event, Kind, Outcome, Return, TrapCode};
use wasmtime::{Result, StoreContextMut};

use super::{Mismatch, Stop, Tape, frames_of};
use crate::membrane::{Actor, Backend, Stopped};
use crate::trap::Failure;

impl Actor<Tape> {
    /// Compares what the component did; where it differs, lets it run on for a little while to
    /// see what it is up to.
    pub(crate) fn check(&mut self, definitions: &[Event], event: &Event) -> Result<()> {
        let Actor { backend, interner, trapped_at, .. } = self;
        let is_end = matches!(event, Event::ExportReturn(_));
        if let Some(mismatch) = &mut backend.probing {
            let crossing = interner.crossing(event.clone());
            let goes_on = mismatch.probe.note(crossing) && !is_end;
            return if goes_on { Ok(()) } else { Err(backend.give_up()) };
        }
        match backend.compare(definitions, event, interner) {
            Ok(()) => {
                if is_end {
                    let (seq, _) = backend.head();
                    backend.frames.note(seq, || std::mem::take(trapped_at));
                }
                Ok(())
            }
            Err(Stop::Mismatch(_)) if !is_end && backend.is_overdue() => {
                Err(Failure { code: TrapCode::StackOverflow, detail: String::new() }.into())
            }
            // Nothing comes after the end of a call that could be looked at.
            Err(Stop::Mismatch(mut mismatch)) if is_end => {
                mismatch.frames = std::mem::take(trapped_at);
                backend.stop = Some(Stop::Mismatch(mismatch));
                Err(Stopped.into())
            }
            Err(Stop::Mismatch(mismatch)) => {
                backend.probing = Some(mismatch);
                Ok(())
            }
            Err(stop) => {
                backend.stop = Some(stop);
                Err(Stopped.into())
            }
        }
    }
}

impl Tape {
    /// Whether the recording ends in a stack overflow here, which another compiler may come to
    /// later.
    pub(super) fn is_overdue(&self) -> bool {
        self.other_compiler
            && matches!(
                self.cursor.event(),
                Ok((
                    _,
                    Event::ExportReturn(Return {
                        outcome: Outcome::Trapped { code: TrapCode::StackOverflow, .. },
                        ..
                    })
                ))
            )
    }

    /// Ends the probe: what was found stands.
    fn give_up(&mut self) -> wasmtime::Error {
        if let Some(mismatch) = self.probing.take() {
            self.stop = Some(Stop::Mismatch(mismatch));
        }
        Stopped.into()
    }

    pub(crate) fn stop_probing(&mut self) {
        let _ = self.give_up();
    }
}

impl Backend for Tape {
    fn emit(actor: &mut Actor<Tape>, definitions: &[Event], event: &Event) -> Result<()> {
        actor.check(definitions, event)
    }

    fn answer(
        cx: &mut StoreContextMut<'_, Actor<Tape>>,
        _import: usize,
        call: Call,
    ) -> Result<Outcome> {
        if cx.data().backend.probing.is_some() {
            note_frames(cx);
            return guess(&mut cx.data_mut().backend, &call);
        }
        if cx.data().backend.frames.is_wanted() {
            index_frames(cx);
        }
        let tape = &mut cx.data_mut().backend;
        let answered = tape.recorded_answer(call);
        let answered = answered.and_then(|outcome| tape.stop_at_end().map(|()| outcome));
        let answered = answered.and_then(|outcome| Ok((outcome, tape.killed()?)));
        match answered {
            Ok((_, Some(killed))) => Err(killed.into()),
            Ok((outcome, None)) => Ok(outcome),
            Err(stop) => {
                tape.stop = Some(stop);
                Err(Stopped.into())
            }
        }
    }

    fn dropped(cx: &mut StoreContextMut<'_, Actor<Tape>>, _: usize, _: u32) -> Result<()> {
        if cx.data().backend.probing.is_some() {
            note_frames(cx);
            return Ok(());
        }
        if cx.data().backend.frames.is_wanted() {
            index_frames(cx);
        }
        let tape = &mut cx.data_mut().backend;
        match tape.stop_at_end().and_then(|()| tape.killed()) {
            Ok(Some(killed)) => Err(killed.into()),
            Ok(None) => Ok(()),
            Err(stop) => {
                tape.stop = Some(stop);
                Err(Stopped.into())
            }
        }
    }
}

/// An answer that the recording gave to a like call, or the end of the probe.
fn guess(tape: &mut Tape, call: &Call) -> Result<Outcome> {
    let guessed = tape.probing.as_ref().and_then(|mismatch| {
        let last = mismatch.probe.actual.last().or(mismatch.actual.as_ref())?;
        let function = last.function.as_ref()?;
        let name = (function.interface.clone(), function.name.clone());
        mismatch.probe.guess(call, &name, || tape.cursor.remembered(&name))
    });
    guessed.ok_or_else(|| tape.give_up())
}

/// Notes where the component is at the event that was just compared, and at the answer to it, if
/// that was asked for.
fn index_frames(cx: &mut StoreContextMut<'_, Actor<Tape>>) {
    let tape = &mut cx.data_mut().backend;
    let (seq, _) = tape.head();
    // What is wrong with the answer is said when it is taken.
    let is_answered = matches!(tape.peek(), Ok(Some(Kind::ImportReturn)));
    let answer = is_answered.then(|| tape.next_seq());
    for seq in [Some(seq), answer].into_iter().flatten() {
        if cx.data().backend.frames.wants(seq) {
            let frames = frames_of(&wasmtime::WasmBacktrace::force_capture(&mut *cx));
            cx.data_mut().backend.frames.note(seq, || frames);
        }
    }
}

/// Notes where the component is, if it has just done something else than the recording.
fn note_frames(cx: &mut StoreContextMut<'_, Actor<Tape>>) {
    let is_new = |mismatch: &Mismatch| mismatch.probe.actual.is_empty();
    if cx.data().backend.probing.as_deref().is_some_and(is_new) {
        let frames = frames_of(&wasmtime::WasmBacktrace::force_capture(&mut *cx));
        if let Some(mismatch) = &mut cx.data_mut().backend.probing {
            mismatch.frames = frames;
        }
    }
}
