//! What differs between two events of one shape.

use theater_record::{
    BlobRef, Event, FunctionId, FunctionType, Outcome, Record, Type, Value, Values,
};

use crate::chain::{Chain, DiffError, Frames, Raw};
use crate::ignore::Ignore;
use crate::path::{Root, ValuePath};
use crate::value::{
    Change, Difference, Differences, Side, Typed, diff_args_except, diff_field, diff_results_except,
};

/// Compares two events of one shape, up to `most` differences.
pub(crate) fn diff_events(
    chains: [Chain<'_>; 2],
    raws: [&Raw<'_>; 2],
    ignore: &Ignore,
    most: usize,
) -> Result<Differences, DiffError> {
    let mut found = Found { chains, ignore, most, differences: Differences::default() };
    match (event(raws[0])?, event(raws[1])?) {
        (Event::ExportCall(x), Event::ExportCall(y))
        | (Event::ImportCall(x), Event::ImportCall(y)) => {
            found.values(Which::Args, (x.function, &x.args), (y.function, &y.args));
        }
        (Event::ImportReturn(x), Event::ImportReturn(y))
        | (Event::ExportReturn(x), Event::ExportReturn(y)) => {
            found.outcomes((x.function, &x.outcome), (y.function, &y.outcome));
        }
        (Event::ResourceDrop(x), Event::ResourceDrop(y)) => {
            // They are of one type, because their shapes are equal.
            let resources = [Value::Own(x.resource), Value::Own(y.resource)];
            found.field("resource", &Type::U64, resources);
        }
        (Event::Lifecycle(x), Event::Lifecycle(y)) => found.text("detail", &x.detail, &y.detail),
        (Event::Permission(x), Event::Permission(y)) => {
            found.text("subject", &x.subject, &y.subject);
            let (allowed, actual) = (Value::Bool(x.allowed), Value::Bool(y.allowed));
            found.field("allowed", &Type::Bool, [allowed, actual]);
            found.field("reason", &Type::U64, [Value::U64(x.reason), Value::U64(y.reason)]);
            found.text("detail", &x.detail, &y.detail);
        }
        (Event::Close(x), Event::Close(y)) => found.text("detail", &x.detail, &y.detail),
        _ => unreachable!("events of one shape are of one kind that can be compared"),
    }
    Ok(found.differences)
}

fn event(raw: &Raw<'_>) -> Result<Event, DiffError> {
    let Raw { offset, seq, kind, frame, .. } = *raw;
    let record = Record { offset, seq, kind, frame };
    record.event().map_err(|_| DiffError::Changed { offset })
}

/// The values of an event that a path can start at.
#[derive(Clone, Copy)]
enum Which {
    Args,
    Results,
}

/// The differences found so far.
struct Found<'a> {
    chains: [Chain<'a>; 2],
    ignore: &'a Ignore,
    most: usize,
    differences: Differences,
}

impl Found<'_> {
    fn values(&mut self, which: Which, x: (FunctionId, &Values), y: (FunctionId, &Values)) {
        let decoded = [(0, x), (1, y)].map(|(side, (id, values))| {
            let function = self.chains[side].outline.functions.get(&id)?;
            Some((function, self.decoded(side, function, which, values)?))
        });
        let [Some((function, values)), Some((actual_function, actual_values))] = &decoded else {
            return self.undecoded(which, x.1, y.1);
        };
        let [chain, actual_chain] = self.chains;
        let contents = |blob: &BlobRef| Frames::content(chain, blob);
        let actual_contents = |blob: &BlobRef| Frames::content(actual_chain, blob);
        let types = &chain.outline.types;
        let expected = Side { values, function, types, contents: &contents };
        let actual = Side {
            values: actual_values,
            function: actual_function,
            types: &actual_chain.outline.types,
            contents: &actual_contents,
        };
        self.differences = match which {
            Which::Args => diff_args_except(&expected, &actual, self.ignore, self.most),
            Which::Results => diff_results_except(&expected, &actual, self.ignore, self.most),
        };
    }

    fn outcomes(&mut self, x: (FunctionId, &Outcome), y: (FunctionId, &Outcome)) {
        match (x.1, y.1) {
            (Outcome::Returned(values), Outcome::Returned(actual_values)) => {
                self.values(Which::Results, (x.0, values), (y.0, actual_values));
            }
            (
                Outcome::Trapped { code, detail },
                Outcome::Trapped { code: actual_code, detail: actual_detail },
            ) => {
                self.text("trap", code.name(), actual_code.name());
                self.text("detail", detail, actual_detail);
            }
            (Outcome::Returned(values), Outcome::Trapped { code, .. }) => {
                for expected in self.result(0, x.0, values) {
                    self.push(Root::Result, Change::Missing { expected });
                }
                self.push(Root::Field("trap"), Change::Extra { actual: text(code.name()) });
            }
            (Outcome::Trapped { code, .. }, Outcome::Returned(values)) => {
                for actual in self.result(1, y.0, values) {
                    self.push(Root::Result, Change::Extra { actual });
                }
                self.push(Root::Field("trap"), Change::Missing { expected: text(code.name()) });
            }
        }
    }

    /// The results with their types; nothing if the chain does not say what they are.
    fn result(&self, side: usize, id: FunctionId, values: &Values) -> Vec<Typed> {
        let function = self.chains[side].outline.functions.get(&id);
        let decoded = function.and_then(|function| {
            let values = self.decoded(side, function, Which::Results, values)?;
            let types = function.results.iter().cloned();
            Some(values.into_iter().zip(types).map(|(value, ty)| Typed { value, ty }).collect())
        });
        decoded.unwrap_or_default()
    }

    fn decoded(
        &self,
        side: usize,
        function: &FunctionType,
        which: Which,
        values: &Values,
    ) -> Option<Vec<Value>> {
        let types = &self.chains[side].outline.types;
        match which {
            Which::Args => values.decode(function.params.iter().map(|(_, ty)| ty), types),
            Which::Results => values.decode(function.results.iter(), types),
        }
        .ok()
    }

    /// Values of which the chain does not say what they are, because it is damaged.
    fn undecoded(&mut self, which: Which, x: &Values, y: &Values) {
        if x == y {
            return;
        }
        let root = match which {
            Which::Args => Root::Field("args"),
            Which::Results => Root::Result,
        };
        let typed = |values: &Values| Typed {
            value: Value::Bytes(values.as_bytes().to_vec()),
            ty: Type::List(Box::new(Type::U8)),
        };
        self.push(root, Change::Unknown { expected: typed(x), actual: typed(y) });
    }

    fn text(&mut self, name: &'static str, x: &str, y: &str) {
        let value = |text: &str| Value::String(text.to_owned());
        self.field(name, &Type::String, [value(x), value(y)]);
    }

    fn field(&mut self, name: &'static str, ty: &Type, [x, y]: [Value; 2]) {
        let so_far = std::mem::take(&mut self.differences);
        self.differences = diff_field(name, ty, [&x, &y], self.ignore, self.most, so_far);
    }

    fn push(&mut self, root: Root, change: Change) {
        let path = ValuePath { root, steps: Vec::new() };
        if self.ignore.covers(&path, &change) {
            return;
        }
        if self.differences.found.len() < self.most {
            self.differences.found.push(Difference { path, change });
        } else {
            self.differences.truncated = true;
        }
    }
}

fn text(text: &str) -> Typed {
    Typed { value: Value::String(text.to_owned()), ty: Type::String }
}
