//! `theater:simple/runtime`: what an actor can say about itself.

use theater_record::{TrapCode, Value};

use super::{Served, done};
use crate::actor::lock;
use crate::host::{Answer, Service, ServiceCall};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct Runtime(pub(super) Served);

impl Service for Runtime {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Answer, Failure> {
        let mut args = call.args.into_iter();
        match (call.function, args.next()) {
            ("log", Some(Value::String(text))) => {
                self.0.system.log(self.0.id, &text);
                Ok(Answer::default())
            }
            ("self", None) => Ok(Value::String(self.0.id.to_string()).into()),
            ("shutdown", Some(Value::Option(left))) => {
                let left = left.and_then(|left| match *left {
                    Value::Bytes(left) => Some(left),
                    _ => None,
                });
                // It takes effect once the call is over in which this was asked for.
                *lock(&self.0.shared.leaves) = Some(left);
                Ok(done(Ok(())).into())
            }
            (function, _) => Err(unknown("theater:simple/runtime", function)),
        }
    }
}

/// The component calls what this version does not have, or by other types.
pub(super) fn unknown(interface: &str, function: &str) -> Failure {
    let detail = format!("{interface}#{function} is not offered with these types");
    Failure { code: TrapCode::HostError, detail }
}
