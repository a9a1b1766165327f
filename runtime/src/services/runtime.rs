//! `theater:simple/runtime`: what an actor can say about itself.

use theater_record::Value;

use super::{Served, done, unknown};
use crate::actor::lock;
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct Runtime(pub(super) Served);

impl Service for Runtime {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let mut args = call.args.into_iter();
        match (call.function, args.next()) {
            ("log", Some(Value::String(text))) => {
                self.0.system.log(self.0.id, &text);
                Ok(Vec::new())
            }
            ("self", None) => Ok(vec![Value::String(self.0.id.to_string())]),
            ("shutdown", Some(Value::Option(left))) => {
                let left = left.and_then(|left| match *left {
                    Value::Bytes(left) => Some(left),
                    _ => None,
                });
                // It takes effect once the call is over in which this was asked for.
                *lock(&self.0.shared.leaves) = Some(left);
                Ok(vec![done(Ok(()))])
            }
            (function, _) => Err(unknown("runtime", function)),
        }
    }
}
