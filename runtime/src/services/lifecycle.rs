//! `theater:simple/lifecycle`: whose end means what to whom.

use std::io;

use theater_record::Value;

use super::{Served, address, done, given, unknown};
use crate::actor_id::ActorId;
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct Lifecycle(pub(super) Served);

impl Lifecycle {
    fn link(&self, to: ActorId) -> Result<(), String> {
        let (system, id) = (self.0.system.get()?, self.0.id);
        if to == id {
            return Err("an actor cannot be linked to itself".to_owned());
        }
        let gone = || format!("there is no actor {to}, or it has ended");
        let other = system.find(to).map_err(|_| gone())?;
        system.link(id, to).map_err(|error| not_kept(&error))?;
        // It may have ended just before it could have been known that this concerns somebody.
        if other.end().is_some() {
            system.unlink(id, to).map_err(|error| not_kept(&error))?;
            return Err(gone());
        }
        Ok(())
    }

    fn unlink(&self, from: ActorId) -> Result<(), String> {
        self.0.system.get()?.unlink(self.0.id, from).map_err(|error| not_kept(&error))
    }

    fn monitor(&self, watched: ActorId) -> Result<u64, String> {
        let (system, id) = (self.0.system.get()?, self.0.id);
        let other = system.find(watched).map_err(|error| error.to_string())?;
        let monitor = self.0.numbers.monitors.next();
        system.monitor(id, monitor, watched).map_err(|error| not_kept(&error))?;
        if let Some(end) = other.end()
            && system.demonitor(id, monitor).map_err(|error| not_kept(&error))?
        {
            system.tell_end(id, monitor, watched, &end);
        }
        Ok(monitor)
    }

    fn demonitor(&self, monitor: u64) -> Result<(), String> {
        let system = self.0.system.get()?;
        match system.demonitor(self.0.id, monitor).map_err(|error| not_kept(&error))? {
            true => Ok(()),
            false => Err(format!("there is no monitor {monitor}")),
        }
    }
}

impl Service for Lifecycle {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let outcome = match (call.function, call.args.as_slice()) {
            ("link", [Value::String(to)]) => done(address(to).and_then(|to| self.link(to))),
            ("unlink", [Value::String(to)]) => done(address(to).and_then(|from| self.unlink(from))),
            ("monitor", [Value::String(watched)]) => {
                let monitor = address(watched).and_then(|watched| self.monitor(watched));
                given(monitor.map(Value::U64))
            }
            ("demonitor", [Value::U64(monitor)]) => done(self.demonitor(*monitor)),
            (function, _) => return Err(unknown("lifecycle", function)),
        };
        Ok(vec![outcome])
    }

    fn remember(&mut self, function: &str, _args: &[Value], results: &[Value]) {
        if let ("monitor", [Value::Result(Ok(Some(given)))]) = (function, results)
            && let Value::U64(number) = **given
        {
            self.0.numbers.monitors.was_given(number);
        }
    }
}

fn not_kept(error: &io::Error) -> String {
    format!("this cannot be kept for the next server: {error}")
}
