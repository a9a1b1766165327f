//! Which payloads of a chain are stored so that they can be removed later: those that the manifest
//! names, and those with headers by which somebody proves who they are.

use theater_record::{Decoder, Event, FunctionId, FunctionType, Outcome, Sensitivity, Values};

use crate::manifest::{Name, names_function};
use crate::services::http_types::SECRET_HEADERS;

/// Interfaces whose functions have headers in their payloads.
const WITH_HEADERS: [&str; 2] = ["theater:simple/http-", "wasi:http/"];

/// Decides how each event of one chain is stored.
#[derive(Debug, Default)]
pub(crate) struct Sealing {
    /// Functions that the manifest names.
    redact: Vec<Name>,
    /// What is sealed of each function, by its number in the chain.
    functions: Vec<Sealed>,
    /// Whether the call into the component that is under way was sealed; its return is, then.
    is_export_sealed: bool,
    /// The same for the call out of it.
    is_import_sealed: bool,
}

/// What is sealed of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sealed {
    Nothing,
    /// A call that has secrets in it, and its return; a return that has some.
    Secrets,
    Everything,
}

impl Sealing {
    /// Seals these functions besides what is always sealed.
    pub(crate) fn new(redact: Vec<Name>) -> Sealing {
        Sealing { redact, ..Sealing::default() }
    }

    /// Goes on with a chain that has named these already. What was sealed of the calls that are under
    /// way is not known, so they are taken for sealed.
    pub(crate) fn resume(&mut self, definitions: &[Event]) {
        self.functions.clear();
        for event in definitions {
            if let Event::Function(function) = event {
                self.learn(function);
            }
        }
        (self.is_export_sealed, self.is_import_sealed) = (true, true);
    }

    /// How the next event of the chain is stored.
    pub(crate) fn sensitivity(&mut self, event: &Event) -> Sensitivity {
        let is_sealed = match event {
            Event::Function(function) => {
                self.learn(function);
                false
            }
            Event::ExportCall(call) => {
                self.is_export_sealed = self.is_sealed(call.function, Some(&call.args), false);
                self.is_export_sealed
            }
            Event::ImportCall(call) => {
                self.is_import_sealed = self.is_sealed(call.function, Some(&call.args), false);
                self.is_import_sealed
            }
            Event::ExportReturn(end) => {
                self.is_sealed(end.function, results(&end.outcome), self.is_export_sealed)
            }
            Event::ImportReturn(end) => {
                self.is_sealed(end.function, results(&end.outcome), self.is_import_sealed)
            }
            Event::Header(_)
            | Event::Type(_)
            | Event::ResourceDrop(_)
            | Event::Lifecycle(_)
            | Event::Permission(_)
            | Event::Checkpoint(_)
            | Event::Close(_)
            | Event::Recover(_) => false,
        };
        if is_sealed { Sensitivity::Sensitive } else { Sensitivity::Plain }
    }

    fn is_sealed(&self, id: FunctionId, values: Option<&Values>, is_call_sealed: bool) -> bool {
        match self.functions.get(id.0 as usize) {
            None | Some(Sealed::Nothing) => false,
            Some(Sealed::Everything) => true,
            Some(Sealed::Secrets) => is_call_sealed || values.is_some_and(has_secrets),
        }
    }

    /// Functions are named in the order of their numbers.
    fn learn(&mut self, function: &FunctionType) {
        let interface = function.interface.split('@').next().unwrap_or_default();
        self.functions.push(if names_function(&self.redact, interface, &function.name) {
            Sealed::Everything
        } else if WITH_HEADERS.iter().any(|start| interface.starts_with(start)) {
            Sealed::Secrets
        } else {
            Sealed::Nothing
        });
    }
}

fn results(outcome: &Outcome) -> Option<&Values> {
    match outcome {
        Outcome::Returned(values) => Some(values),
        Outcome::Trapped { .. } => None,
    }
}

/// Whether the name of a header with secrets is among these values.
fn has_secrets(values: &Values) -> bool {
    let mut input = Decoder::new(values.as_bytes());
    let mut due = 1_usize;
    while due > 0 {
        due -= 1;
        if let Ok(len) = input.clone().array() {
            // The clone has not moved this one.
            let _ = input.array();
            due = due.saturating_add(len);
            continue;
        }
        if let Ok(text) = input.clone().text()
            && SECRET_HEADERS.iter().any(|name| name.eq_ignore_ascii_case(text))
        {
            return true;
        }
        if input.item().is_err() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use theater_record::{Call, Return, Value};

    use super::*;

    fn named(interface: &str, name: &str, number: u32) -> Event {
        let (interface, name) = (interface.to_owned(), name.to_owned());
        let (params, results) = (Vec::new(), Vec::new());
        Event::Function(FunctionType { id: FunctionId(number), interface, name, params, results })
    }

    fn values(header: &str) -> Values {
        let text = |text: &str| Value::String(text.to_owned());
        let headers = ["accept", header].map(|name| Value::Tuple(vec![text(name), text("x")]));
        let request = Value::Record(vec![text("GET"), Value::List(headers.to_vec())]);
        Values::of(&[Value::U64(1), request]).expect("they are small")
    }

    fn call(number: u32, header: &str) -> Event {
        let args = values(header);
        Event::ImportCall(Call { function: FunctionId(number), args, fuel: None })
    }

    fn end(number: u32, header: &str) -> Event {
        let outcome = Outcome::Returned(values(header));
        Event::ImportReturn(Return { function: FunctionId(number), outcome, fuel: None })
    }

    /// Which of these events are sealed.
    fn sealed(redact: &[&str], events: &[Event]) -> Vec<bool> {
        let redact = redact.iter().map(|name| name.parse().expect("it is a name")).collect();
        let mut sealing = Sealing::new(redact);
        events.iter().map(|event| sealing.sensitivity(event) == Sensitivity::Sensitive).collect()
    }

    #[test]
    fn secrets_are_sealed_with_the_call_and_its_return() {
        let events = [
            named("theater:simple/http-client@0.1.0", "send-http", 0),
            call(0, "host"),
            end(0, "server"),
            call(0, "Authorization"),
            end(0, "server"),
            call(0, "host"),
            end(0, "set-cookie"),
        ];
        assert_eq!(sealed(&[], &events), [false, false, false, true, true, false, true]);
    }

    #[test]
    fn what_is_no_header_of_a_request_is_left_alone() {
        let events = [
            named("theater:simple/store@0.1.0", "put", 0),
            named("wasi:http/types@0.2.0", "[method]fields.append", 1),
            call(0, "authorization"),
            call(1, "x-authorization"),
            call(1, "cookie"),
        ];
        assert_eq!(sealed(&[], &events), [false, false, false, false, true]);
    }

    #[test]
    fn the_manifest_names_functions_and_interfaces_without_versions() {
        let events = [
            named("theater:simple/store@0.1.0", "get", 0),
            named("theater:simple/store@0.1.0", "put", 1),
            call(0, "a"),
            end(0, "a"),
            call(1, "a"),
        ];
        let get = ["theater:simple/store#get"];
        assert_eq!(sealed(&get, &events), [false, false, true, true, false]);
        for all in ["theater:simple/store", "theater:*", "theater:simple/store#*"] {
            assert_eq!(sealed(&[all], &events), [false, false, true, true, true], "{all}");
        }
    }

    #[test]
    fn what_is_under_way_when_a_chain_goes_on_is_taken_for_sealed() {
        let mut sealing = Sealing::default();
        let known = ["theater:simple/http-client", "theater:simple/store"];
        sealing.resume(&[named(known[0], "send-http", 0), named(known[1], "get", 1)]);
        assert_eq!(sealing.sensitivity(&end(0, "server")), Sensitivity::Sensitive);
        assert_eq!(sealing.sensitivity(&end(1, "server")), Sensitivity::Plain);
    }
}
