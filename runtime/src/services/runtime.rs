//! `theater:simple/runtime`: what an actor can say about itself, and read of its own chain.

use std::time::Duration;

use theater_record::{Kind, Tip, TrapCode, Value};

use super::{Served, chain, done, given, unknown};
use crate::actor::lock;
use crate::chain_view::{ChainView, Waited};
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// How long a log entry may be.
const LOG_BYTES_MAX: usize = 64 << 10;

/// How long the recorder may take to write what it was given.
const WRITING_PATIENCE: Duration = Duration::from_secs(10);

/// The service for one actor.
pub(super) struct Runtime {
    served: Served,
    /// The actor's own chain, once it was asked for.
    view: Option<ChainView>,
}

impl Runtime {
    pub(super) fn new(served: Served) -> Runtime {
        Runtime { served, view: None }
    }
}

impl Service for Runtime {
    fn call(&mut self, mut call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let mut args = std::mem::take(&mut call.args).into_iter();
        match (call.function, args.next(), args.next()) {
            ("log", Some(Value::String(text)), None) => {
                if text.len() > LOG_BYTES_MAX {
                    let detail = format!("a log entry of {} bytes is too long", text.len());
                    return Err(Failure { code: TrapCode::HostError, detail });
                }
                self.served.system.log(self.served.id, &text);
                Ok(Vec::new())
            }
            ("self", None, None) => Ok(vec![Value::String(self.served.id.to_string())]),
            ("shutdown", Some(Value::Option(left)), None) => {
                let left = left.and_then(|left| match *left {
                    Value::Bytes(left) => Some(left),
                    _ => None,
                });
                // It takes effect once the call is over in which this was asked for.
                let mut leaves = lock(&self.served.shared.leaves);
                if leaves.is_some() {
                    return Ok(vec![done(
                        Err("the actor is coming to its end already".to_owned()),
                    )]);
                }
                *leaves = Some(left);
                Ok(vec![done(Ok(()))])
            }
            ("get-chain-head", None, None) => {
                self.read(&mut call, |_, this_call| Ok(chain::head(this_call)))
            }
            ("get-chain-event", Some(Value::U64(number)), None) => {
                self.read(&mut call, |view, _| chain::event(view, number))
            }
            ("get-chain-events", Some(Value::U64(first)), Some(Value::U32(count))) => {
                self.read(&mut call, |view, _| chain::events(view, first, count))
            }
            ("get-chain", None, None) => {
                self.read(&mut call, |view, this_call| chain::all_events(view, this_call.seq))
            }
            ("get-state-at", Some(Value::U64(number)), None) => {
                self.read(&mut call, |view, _| chain::state_at(view, number))
            }
            (function, _, _) => Err(unknown("runtime", function)),
        }
    }
}

impl Runtime {
    /// Answers with something from the actor's own chain, once this very call is written there. Its
    /// event is what the reader is told.
    fn read(
        &mut self,
        call: &mut ServiceCall<'_>,
        read: impl FnOnce(&ChainView, Tip) -> Result<Value, String>,
    ) -> Result<Vec<Value>, Failure> {
        let newest = call
            .tip()
            .map_err(|error| Failure { code: TrapCode::HostError, detail: error.to_string() })?;
        let answer = match self.written(newest.seq) {
            Ok(view) => this_call(view, newest.seq).and_then(|this_call| read(view, this_call)),
            Err(error) => Err(error),
        };
        self.served.shared.interrupt.check()?;
        Ok(vec![given(answer)])
    }

    /// The actor's own chain, up to this event at least.
    fn written(&mut self, number: u64) -> Result<&ChainView, String> {
        if self.view.is_none() {
            let system = self.served.system.get()?;
            self.view = Some(chain::view(&system, self.served.id)?);
        }
        let view = self.view.as_ref().ok_or("the chain is not open")?;
        let interrupt = &self.served.shared.interrupt;
        let waited = view.wait(number, WRITING_PATIENCE, || interrupt.check().is_err());
        match waited.map_err(|error| chain::complaint(&error))? {
            Waited::There => Ok(view),
            Waited::Closed | Waited::TimedOut | Waited::Stopped => {
                Err("the chain is not written any further".to_owned())
            }
        }
    }
}

/// The call that is being answered. The recorder may have put checkpoints behind it.
fn this_call(view: &ChainView, newest: u64) -> Result<Tip, String> {
    let mut number = newest;
    loop {
        let event = view.event(number).map_err(|error| chain::complaint(&error))?;
        if event.kind != Kind::Checkpoint {
            return Ok(Tip { seq: number, hash: event.hash });
        }
        number = number.saturating_sub(1);
    }
}
