//! Everything that is in a chain, in order and with the names that belong to it.

use theater_record::{
    Event, FunctionType, Kind, Outcome, Permission, Stored, Type, TypeTable, Value, Values,
};
use theater_verify::VerifiedChain;

/// The events of a chain.
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    types: TypeTable,
}

/// One event.
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) event: Event,
    /// What is called or returns; for a dropped resource its type stands in.
    function: Option<FunctionType>,
}

impl Entry {
    /// Interface and name of the function without the interface's version, such as
    /// `wasi:clocks/wall-clock#now`; empty for what is not about a function.
    pub(crate) fn function(&self) -> String {
        let Some(function) = &self.function else { return String::new() };
        match function.interface.split('@').next() {
            None | Some("") => function.name.clone(),
            Some(interface) => format!("{interface}#{}", function.name),
        }
    }

    /// Kind and function: what is left of an event when its values are left out.
    pub(crate) fn shape(&self) -> (Kind, String) {
        (self.event.kind(), self.function())
    }
}

impl History {
    pub(crate) fn of(chain: &VerifiedChain) -> History {
        let (mut entries, mut types) = (Vec::new(), TypeTable::default());
        let mut functions: Vec<FunctionType> = Vec::new();
        let mut reader = chain.reader().unwrap();
        while let Some(stored) = reader.read().unwrap() {
            let Stored::Record(record) = stored else { continue };
            let (seq, event) = (record.seq, record.event().unwrap());
            match &event {
                Event::Type(def) => drop(types.add(def.clone())),
                Event::Function(function) => functions.push(function.clone()),
                _ => {}
            }
            let function = match &event {
                Event::ExportCall(call) | Event::ImportCall(call) => Some(call.function),
                Event::ImportReturn(end) | Event::ExportReturn(end) => Some(end.function),
                _ => None,
            };
            let function = function.map(|id| functions[id.0 as usize].clone());
            entries.push(Entry { seq, event, function });
        }
        History { entries, types }
    }

    /// The arguments of a call, or the results of a return, as values.
    pub(crate) fn values(&self, entry: &Entry) -> Vec<Value> {
        let function = entry.function.as_ref().expect("the event is about a function");
        let decode = |values: &Values, types: Vec<&Type>| {
            values.decode(types.into_iter(), &self.types).unwrap()
        };
        match &entry.event {
            Event::ExportCall(call) | Event::ImportCall(call) => {
                decode(&call.args, function.params.iter().map(|(_, ty)| ty).collect())
            }
            Event::ImportReturn(end) | Event::ExportReturn(end) => match &end.outcome {
                Outcome::Returned(values) => decode(values, function.results.iter().collect()),
                Outcome::Trapped { .. } => Vec::new(),
            },
            other => panic!("{} has no values", other.kind().name()),
        }
    }

    /// The events of one kind about one function, given as [`Entry::function`] does.
    pub(crate) fn all<'a>(
        &'a self,
        kind: Kind,
        function: &'a str,
    ) -> impl Iterator<Item = &'a Entry> {
        let is_it =
            move |entry: &&Entry| entry.event.kind() == kind && entry.function() == function;
        self.entries.iter().filter(is_it)
    }

    /// The decisions about capabilities.
    pub(crate) fn permissions(&self) -> Vec<&Permission> {
        let permissions = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Permission(permission) => Some(permission),
            _ => None,
        });
        permissions.collect()
    }

    /// How the last call into the component ended.
    pub(crate) fn end(&self) -> &Outcome {
        let end = self.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::ExportReturn(end) => Some(&end.outcome),
            _ => None,
        });
        end.expect("the component was called")
    }
}

/// Whether an event brings in a time or a random number.
pub(crate) fn tells_time_or_chance(entry: &Entry) -> bool {
    let function = entry.function();
    let names_it = function.starts_with("wasi:clocks/") || function.starts_with("wasi:random/");
    names_it && entry.event.kind() == Kind::ImportReturn
}

/// Whether an event brings in times and numbers that a file system gives to its files.
pub(crate) fn tells_of_files(entry: &Entry) -> bool {
    let function = entry.function();
    let names_it = ["[method]descriptor.stat", "[method]descriptor.metadata-hash"]
        .iter()
        .any(|name| function.contains(name));
    names_it && entry.event.kind() == Kind::ImportReturn
}

/// Holds two chains against each other, event by event. Where `may_differ` holds, the values may be
/// others; a checkpoint and the end of the chain hash whatever is before them.
#[track_caller]
pub(crate) fn differ_only(first: &History, second: &History, may_differ: &dyn Fn(&Entry) -> bool) {
    assert_eq!(first.entries.len(), second.entries.len());
    for (one, other) in first.entries.iter().zip(&second.entries) {
        assert_eq!(one.shape(), other.shape(), "event {}", one.seq);
        let sums_up = matches!(one.event.kind(), Kind::Checkpoint | Kind::Close);
        if !sums_up && !may_differ(one) {
            assert_eq!(one.event, other.event, "event {}", one.seq);
        }
    }
}
