//! `theater:simple/lifecycle`: whose end means what to whom.

use theater_record::Value;

use super::{Served, address, done, given, unknown};
use crate::actor_id::ActorId;
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct Lifecycle {
    served: Served,
    /// How many monitors it has asked for.
    monitors: u64,
}

impl Lifecycle {
    pub(super) fn new(served: Served) -> Lifecycle {
        Lifecycle { served, monitors: 0 }
    }

    fn link(&self, to: ActorId) -> Result<(), String> {
        let (system, id) = (self.served.system.get()?, self.served.id);
        if to == id {
            return Err("an actor cannot be linked to itself".to_owned());
        }
        let gone = || format!("there is no actor {to}, or it has ended");
        let other = system.find(to).map_err(|_| gone())?;
        system.bonds(|bonds| bonds.link(id, to));
        // It may have ended just before it could have been known that this concerns somebody.
        if other.end().is_some() {
            system.bonds(|bonds| bonds.unlink(id, to));
            return Err(gone());
        }
        Ok(())
    }

    fn monitor(&mut self, watched: ActorId) -> Result<u64, String> {
        let (system, id) = (self.served.system.get()?, self.served.id);
        let other = system.find(watched).map_err(|error| error.to_string())?;
        self.monitors += 1;
        let monitor = self.monitors;
        system.bonds(|bonds| bonds.monitor(id, monitor, watched));
        if let Some(end) = other.end()
            && system.bonds(|bonds| bonds.demonitor(id, monitor))
        {
            system.tell_end(id, monitor, watched, &end);
        }
        Ok(monitor)
    }

    fn demonitor(&self, monitor: u64) -> Result<(), String> {
        let system = self.served.system.get()?;
        match system.bonds(|bonds| bonds.demonitor(self.served.id, monitor)) {
            true => Ok(()),
            false => Err(format!("there is no monitor {monitor}")),
        }
    }
}

impl Service for Lifecycle {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let outcome = match (call.function, call.args.as_slice()) {
            ("link", [Value::String(to)]) => done(address(to).and_then(|to| self.link(to))),
            ("unlink", [Value::String(to)]) => done(address(to).and_then(|to| {
                let system = self.served.system.get()?;
                system.bonds(|bonds| bonds.unlink(self.served.id, to));
                Ok(())
            })),
            ("monitor", [Value::String(watched)]) => {
                let monitor = address(watched).and_then(|watched| self.monitor(watched));
                given(monitor.map(Value::U64))
            }
            ("demonitor", [Value::U64(monitor)]) => done(self.demonitor(*monitor)),
            (function, _) => return Err(unknown("lifecycle", function)),
        };
        Ok(vec![outcome])
    }
}
