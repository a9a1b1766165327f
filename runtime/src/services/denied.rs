//! Interfaces that an actor imports and is not given.

use theater_record::{TrapCode, Type, Value};

use super::decision;
use crate::host::{Reason, Service, ServiceCall};
use crate::trap::Failure;

/// Denies every function of one interface: with an error where the function can return one, with
/// nothing where it can return that; else the call traps.
pub(super) struct Denied(pub(super) &'static str);

impl Service for Denied {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let detail = "the manifest has no such handler";
        call.decisions.push(decision(Reason::NotGranted, self.0, call.function, detail));
        let error = format!("{}#{} is denied: {detail}", self.0, call.function);
        Ok(match call.results {
            [] => Vec::new(),
            [Type::Result(_, Some(_))] => {
                vec![Value::Result(Err(Some(Box::new(Value::String(error)))))]
            }
            [Type::List(_)] => vec![Value::List(Vec::new())],
            [Type::Option(_)] => vec![Value::Option(None)],
            [Type::Bool] => vec![Value::Bool(false)],
            _ => return Err(Failure { code: TrapCode::HostError, detail: error }),
        })
    }
}
