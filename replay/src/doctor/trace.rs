//! What a component did in a recording, and what it was told.

use std::collections::HashMap;

use theater_diff::{Difference, Side, diff_args, diff_results};
use theater_record::{
    BlobRef, Event, FunctionId, FunctionType, Hash, Outcome, Stored, Type, TypeTable, Value, Values,
};
use theater_verify::VerifiedChain;

/// The crossings of a recording, with the names and payloads that belong to them.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) crossings: Vec<Crossed>,
    pub(crate) types: TypeTable,
    functions: Vec<FunctionType>,
    /// The payloads that stand out of line.
    contents: HashMap<Hash, Vec<u8>>,
}

/// One crossing of the sandbox.
pub(crate) struct Crossed {
    pub(crate) seq: u64,
    pub(crate) event: Event,
}

impl Trace {
    pub(crate) fn of(chain: &VerifiedChain) -> Result<Trace, theater_record::ReadError> {
        let mut trace = Trace::default();
        let mut reader = chain.reader()?;
        while let Some(stored) = reader.read()? {
            let record = match stored {
                Stored::Record(record) => record,
                Stored::Blob { blob, .. } => {
                    trace.contents.insert(blob.digest, blob.content.to_vec());
                    continue;
                }
                Stored::Tombstone { .. } => continue,
            };
            let seq = record.seq;
            match record.event()? {
                Event::Type(def) => drop(trace.types.add(def)),
                Event::Function(function) => trace.functions.push(function),
                event @ (Event::ExportCall(_)
                | Event::ImportCall(_)
                | Event::ImportReturn(_)
                | Event::ExportReturn(_)
                | Event::ResourceDrop(_)) => trace.crossings.push(Crossed { seq, event }),
                Event::Header(_)
                | Event::Lifecycle(_)
                | Event::Permission(_)
                | Event::Checkpoint(_)
                | Event::Close(_)
                | Event::Recover(_) => {}
            }
        }
        Ok(trace)
    }

    /// The function that is called or returns.
    pub(crate) fn function(&self, event: &Event) -> Option<&FunctionType> {
        let id = match event {
            Event::ExportCall(call) | Event::ImportCall(call) => call.function,
            Event::ImportReturn(end) | Event::ExportReturn(end) => end.function,
            _ => return None,
        };
        self.functions.get(id.0 as usize)
    }

    /// Interface and name of what an event is about; the type of a dropped resource.
    pub(crate) fn name(&self, event: &Event) -> String {
        match (event, self.function(event)) {
            (Event::ResourceDrop(drop), _) => {
                self.types.get(drop.ty).map(|def| def.name.clone()).unwrap_or_default()
            }
            (_, Some(function)) => match function.interface.as_str() {
                "" => function.name.clone(),
                interface => format!("{interface}#{}", function.name),
            },
            (_, None) => String::new(),
        }
    }

    /// The arguments of a call or the results of a return. Resources have no numbers in them: those
    /// follow from what was opened before, and say nothing themselves.
    fn values(&self, event: &Event) -> Option<Vec<Value>> {
        let function = self.function(event)?;
        let decode = |values: &Values, of: Vec<&Type>| {
            let decoded = values.decode(of.into_iter(), &self.types).ok()?;
            Some(decoded.into_iter().map(unnumbered).collect())
        };
        match event {
            Event::ExportCall(call) | Event::ImportCall(call) => {
                decode(&call.args, function.params.iter().map(|(_, ty)| ty).collect())
            }
            Event::ImportReturn(end) | Event::ExportReturn(end) => match &end.outcome {
                Outcome::Returned(values) => decode(values, function.results.iter().collect()),
                Outcome::Trapped { .. } => None,
            },
            _ => None,
        }
    }
}

/// Whether two events of the same kind about the same function say the same, and the first value in
/// which they do not. Events without values are the same if they are equal.
pub(crate) fn compare(
    (expected, one): (&Trace, &Event),
    (actual, other): (&Trace, &Event),
) -> (bool, Option<Difference>) {
    if one == other {
        return (true, None);
    }
    match (one, other) {
        (Event::ResourceDrop(_), Event::ResourceDrop(_)) => {
            return (expected.name(one) == actual.name(other), None);
        }
        // They may have burned another amount of fuel until then.
        (
            Event::ImportReturn(end) | Event::ExportReturn(end),
            Event::ImportReturn(other) | Event::ExportReturn(other),
        ) if end.outcome == other.outcome => return (true, None),
        _ => {}
    }
    let (Some(values), Some(other_values)) = (expected.values(one), actual.values(other)) else {
        return (false, None);
    };
    let nameless = nameless();
    let content = |blob: &BlobRef| expected.content(blob);
    let other_content = |blob: &BlobRef| actual.content(blob);
    let side = Side {
        values: &values,
        function: expected.function(one).unwrap_or(&nameless),
        types: &expected.types,
        contents: &content,
    };
    let other_side = Side {
        values: &other_values,
        function: actual.function(other).unwrap_or(&nameless),
        types: &actual.types,
        contents: &other_content,
    };
    let found = match one {
        Event::ExportCall(_) | Event::ImportCall(_) => diff_args(&side, &other_side, 1),
        _ => diff_results(&side, &other_side, 1),
    };
    let first = found.found.into_iter().next();
    (first.is_none(), first)
}

impl Trace {
    fn content(&self, blob: &BlobRef) -> Option<Vec<u8>> {
        let pieces = blob.pieces.iter().map(|digest| self.contents.get(digest));
        let pieces: Option<Vec<&Vec<u8>>> = pieces.collect();
        Some(pieces?.into_iter().flatten().copied().collect())
    }
}

fn nameless() -> FunctionType {
    FunctionType {
        id: FunctionId(0),
        interface: String::new(),
        name: String::new(),
        params: Vec::new(),
        results: Vec::new(),
    }
}

fn unnumbered(value: Value) -> Value {
    let boxed = |value: Option<Box<Value>>| value.map(|value| Box::new(unnumbered(*value)));
    let all = |values: Vec<Value>| values.into_iter().map(unnumbered).collect();
    match value {
        Value::Own(_) => Value::Own(0),
        Value::Borrow(_) => Value::Borrow(0),
        Value::List(values) => Value::List(all(values)),
        Value::Tuple(values) => Value::Tuple(all(values)),
        Value::Record(values) => Value::Record(all(values)),
        Value::Map(entries) => {
            let entry = |(key, value)| (unnumbered(key), unnumbered(value));
            Value::Map(entries.into_iter().map(entry).collect())
        }
        Value::Variant(case, value) => Value::Variant(case, boxed(value)),
        Value::Option(value) => Value::Option(boxed(value)),
        Value::Result(Ok(value)) => Value::Result(Ok(boxed(value))),
        Value::Result(Err(value)) => Value::Result(Err(boxed(value))),
        plain @ (Value::Bool(_)
        | Value::S8(_)
        | Value::U8(_)
        | Value::S16(_)
        | Value::U16(_)
        | Value::S32(_)
        | Value::U32(_)
        | Value::S64(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::Char(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Enum(_)
        | Value::Flags(_)
        | Value::Blob(_)) => plain,
    }
}
