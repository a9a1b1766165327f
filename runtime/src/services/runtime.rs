//! `theater:simple/runtime`: what an actor can say about itself, and read of its own chain.

use theater_record::{Tip, TrapCode, Value};

use super::{Served, chain, done, given, unknown};
use crate::actor::lock;
use crate::chain_view::ChainView;
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// How long a log entry may be.
const LOG_BYTES_MAX: usize = 64 << 10;

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
            ("shutdown", Some(left @ Value::Option(_)), None) => {
                // It takes effect once the call is over in which this was asked for.
                let mut leaves = lock(&self.served.shared.leaves);
                if leaves.is_some() {
                    return Ok(vec![done(
                        Err("the actor is coming to its end already".to_owned()),
                    )]);
                }
                *leaves = Some(left_behind(&left));
                Ok(vec![done(Ok(()))])
            }
            ("get-chain-head", None, None) => {
                self.read(&call, |_, this_call| Ok(chain::head(this_call)))
            }
            ("get-chain-event", Some(Value::U64(number)), None) => {
                self.read(&call, |view, _| chain::event(view, number))
            }
            ("get-chain-events", Some(Value::U64(first)), Some(Value::U32(count))) => {
                self.read(&call, |view, _| chain::events(view, first, count))
            }
            ("get-chain", None, None) => {
                self.read(&call, |view, this_call| chain::all_events(view, this_call.seq))
            }
            ("get-state-at", Some(Value::U64(number)), None) => {
                self.read(&call, |view, _| chain::state_at(view, number))
            }
            (function, _, _) => Err(unknown("runtime", function)),
        }
    }

    fn remember(&mut self, function: &str, args: &[Value], results: &[Value]) {
        if let ("shutdown", [left], [Value::Result(Ok(_))]) = (function, args, results) {
            *lock(&self.served.shared.leaves) = Some(left_behind(left));
        }
    }

    fn forget(&mut self) {
        *lock(&self.served.shared.leaves) = None;
    }
}

/// What an actor wants to leave behind.
fn left_behind(given: &Value) -> Option<Vec<u8>> {
    match given {
        Value::Option(Some(left)) => match &**left {
            Value::Bytes(left) => Some(left.clone()),
            _ => None,
        },
        _ => None,
    }
}

impl Runtime {
    /// Answers with something from the actor's own chain, once this very call is written there. Its
    /// event is what the reader is told.
    fn read(
        &mut self,
        call: &ServiceCall<'_>,
        read: impl FnOnce(&ChainView, Tip) -> Result<Value, String>,
    ) -> Result<Vec<Value>, Failure> {
        let this_call = call.tip().and_then(|tip| call.write().map(|()| tip));
        let this_call = this_call
            .map_err(|error| Failure { code: TrapCode::HostError, detail: error.to_string() })?;
        let answer = self.view().and_then(|view| read(view, this_call));
        self.served.shared.interrupt.check()?;
        Ok(vec![given(answer)])
    }

    fn view(&mut self) -> Result<&ChainView, String> {
        if self.view.is_none() {
            let system = self.served.system.get()?;
            self.view = Some(chain::view(&system, self.served.id)?);
        }
        self.view.as_ref().ok_or_else(|| "the chain is not open".to_owned())
    }
}
