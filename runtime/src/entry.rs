//! An event with every name the chain has for it: what people and programs get to see of it, and what
//! filters look at.

pub mod json;
pub mod line;
pub mod render;
pub mod tree;

use std::collections::BTreeMap;

use theater_record::{
    Call, Checkpoint, Close, Decoder, Event, FunctionId, FunctionType, Header, Kind, Outcome,
    Permission, Return, Type, TypeTable, Values,
};

use self::tree::Tree;
use crate::wave::{params_text, type_text};

/// The types and functions that a chain has named so far.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    /// The types.
    pub types: TypeTable,
    functions: BTreeMap<FunctionId, FunctionType>,
}

/// An event that explains itself.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// Where its frame starts.
    pub offset: u64,
    /// What kind of event it is.
    pub kind: Kind,
    /// Interface and name of the function it is about.
    pub function: Option<(String, String)>,
    /// What it says, field by field.
    pub fields: Vec<(&'static str, Tree)>,
}

impl Entry {
    /// The field with this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Tree> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, tree)| tree)
    }
}

impl Lexicon {
    /// What it takes to explain an event about this one function.
    #[must_use]
    pub fn of(types: TypeTable, function: Option<FunctionType>) -> Lexicon {
        let functions = function.map(|function| (function.id, function)).into_iter().collect();
        Lexicon { types, functions }
    }

    /// Explains an event, and learns the name it introduces, if it does.
    pub fn explain(&mut self, seq: u64, offset: u64, event: Event) -> Entry {
        let naming = matches!(event, Event::Type(_) | Event::Function(_)).then(|| event.clone());
        let entry = self.describe(seq, offset, event);
        if let Some(naming) = naming {
            self.learn(naming);
        }
        entry
    }

    /// Learns the name that an event introduces, if it does.
    pub fn learn(&mut self, event: Event) {
        match event {
            Event::Type(def) => drop(self.types.add(def)),
            Event::Function(function) => {
                self.functions.insert(function.id, function);
            }
            _ => {}
        }
    }

    /// What is known of a function.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> Option<&FunctionType> {
        self.functions.get(&id)
    }

    /// Explains an event with the names that are known.
    #[must_use]
    pub fn describe(&self, seq: u64, offset: u64, event: Event) -> Entry {
        let kind = event.kind();
        let function = match &event {
            Event::ExportCall(Call { function, .. })
            | Event::ImportCall(Call { function, .. })
            | Event::ImportReturn(Return { function, .. })
            | Event::ExportReturn(Return { function, .. }) => Some(*function),
            _ => None,
        };
        let function = function.map(|id| match self.functions.get(&id) {
            Some(function) => (function.interface.clone(), function.name.clone()),
            None => (String::new(), format!("function-{}", id.0)),
        });
        let fields = self.fields(event);
        Entry { seq, offset, kind, function, fields }
    }

    fn fields(&self, event: Event) -> Vec<(&'static str, Tree)> {
        match event {
            Event::Header(header) => header_fields(*header),
            Event::Type(def) => vec![
                ("id", uint(def.id.0)),
                ("name", Tree::text(&*def.name)),
                ("type", Tree::text(type_text(&def.ty, &self.types))),
            ],
            Event::Function(function) => {
                let results: Vec<_> =
                    function.results.iter().map(|ty| type_text(ty, &self.types)).collect();
                vec![
                    ("id", uint(function.id.0)),
                    ("interface", Tree::text(&*function.interface)),
                    ("name", Tree::text(&*function.name)),
                    ("params", Tree::text(params_text(&function.params, &self.types))),
                    ("results", Tree::text(results.join(", "))),
                ]
            }
            Event::ExportCall(call) | Event::ImportCall(call) => {
                with_fuel(vec![("args", self.args(&call))], call.fuel)
            }
            Event::ImportReturn(end) | Event::ExportReturn(end) => {
                let fields = match &end.outcome {
                    Outcome::Returned(values) => vec![("result", self.result(&end, values))],
                    Outcome::Trapped { code, detail } => {
                        vec![("trap", Tree::case(code.name())), ("detail", Tree::text(detail))]
                    }
                };
                with_fuel(fields, end.fuel)
            }
            Event::ResourceDrop(drop) => {
                let name = tree::short_name(self.types.get(drop.ty)).to_owned();
                let resource = Tree::Resource { name, number: drop.resource, owned: true };
                vec![("resource", resource)]
            }
            Event::Lifecycle(lifecycle) => vec![
                ("state", Tree::case(lifecycle.state.name())),
                ("time", Tree::Uint(lifecycle.time)),
                ("detail", Tree::text(lifecycle.detail)),
            ],
            Event::Permission(permission) => permission_fields(permission),
            Event::Checkpoint(checkpoint) => checkpoint_fields(&checkpoint),
            Event::Close(close) => close_fields(*close),
            Event::Recover(recover) => vec![
                ("discarded_bytes", Tree::Uint(recover.discarded_bytes)),
                ("discarded_digest", Tree::text(recover.discarded_digest.to_string())),
                ("time", Tree::Uint(recover.time)),
                ("next_key", text_option(recover.next_key)),
                ("signed", Tree::Bool(recover.signature.is_some())),
            ],
        }
    }

    /// Arguments as a record of the parameters; as a bare list where the chain does not say what
    /// they are, because the record that named the function is damaged.
    fn args(&self, call: &Call) -> Tree {
        let named = self.functions.get(&call.function).and_then(|function| {
            let values = self.typed(&call.args, function.params.iter().map(|(_, ty)| ty))?;
            let names = function.params.iter().map(|(name, _)| name.clone());
            Some(Tree::Record(names.zip(values).collect()))
        });
        named.unwrap_or_else(|| untyped(&call.args))
    }

    /// The one result, or a tuple where there are none or many.
    fn result(&self, end: &Return, values: &Values) -> Tree {
        let typed = self
            .functions
            .get(&end.function)
            .and_then(|function| self.typed(values, function.results.iter()));
        match typed {
            Some(mut trees) if trees.len() == 1 => trees.remove(0),
            Some(trees) => Tree::Tuple(trees),
            None => untyped(values),
        }
    }

    fn typed<'t>(
        &self,
        values: &Values,
        types: impl ExactSizeIterator<Item = &'t Type> + Clone,
    ) -> Option<Vec<Tree>> {
        let decoded = values.decode(types.clone(), &self.types).ok()?;
        Some(decoded.into_iter().zip(types).map(|(v, ty)| Tree::of(v, ty, &self.types)).collect())
    }
}

fn untyped(values: &Values) -> Tree {
    Tree::untyped(&mut Decoder::new(values.as_bytes())).unwrap_or_else(|_| Tree::case("?"))
}

fn with_fuel(
    mut fields: Vec<(&'static str, Tree)>,
    fuel: Option<u64>,
) -> Vec<(&'static str, Tree)> {
    fields.extend(fuel.map(|fuel| ("fuel", Tree::Uint(fuel))));
    fields
}

fn header_fields(header: Header) -> Vec<(&'static str, Tree)> {
    let pair = |(name, value)| (name, Tree::Text(value));
    vec![
        ("version", Tree::Uint(header.version)),
        ("chain", Tree::text(header.chain_id.to_string())),
        ("origin", Tree::case(format!("{:?}", header.origin).to_lowercase())),
        ("recorder", Tree::Text(header.recorder)),
        ("created", Tree::Uint(header.created)),
        ("name", Tree::Text(header.name)),
        ("component", text_option(header.component)),
        ("embedded", Tree::option(header.embedded.map(Tree::Blob))),
        ("manifest", text_option(header.manifest)),
        ("state", Tree::option(header.state.map(Tree::Bytes))),
        ("settings", Tree::Record(header.settings.into_iter().map(pair).collect())),
        ("world", text_option(header.world)),
        ("first_key", text_option(header.first_key)),
        ("identity", text_option(header.identity)),
        ("signed", Tree::Bool(header.signature.is_some())),
    ]
}

fn permission_fields(permission: Permission) -> Vec<(&'static str, Tree)> {
    vec![
        ("capability", Tree::Text(permission.capability)),
        ("subject", Tree::Text(permission.subject)),
        ("allowed", Tree::Bool(permission.allowed)),
        ("reason", Tree::Uint(permission.reason)),
        ("detail", Tree::Text(permission.detail)),
    ]
}

fn checkpoint_fields(checkpoint: &Checkpoint) -> Vec<(&'static str, Tree)> {
    vec![
        ("number", Tree::Uint(checkpoint.number)),
        ("first_event", Tree::Uint(checkpoint.first_seq)),
        ("segment_bytes", Tree::Uint(checkpoint.segment_bytes)),
        ("blobs", Tree::Uint(checkpoint.blob_count)),
        ("blob_bytes", Tree::Uint(checkpoint.blob_bytes)),
        ("durable", Tree::option(checkpoint.durable_seq.map(Tree::Uint))),
        ("segment_digest", Tree::text(checkpoint.segment_digest.to_string())),
        ("segment_root", Tree::text(checkpoint.segment_root.to_string())),
        ("log_root", Tree::text(checkpoint.log_root.to_string())),
        ("time", Tree::Uint(checkpoint.time)),
        ("next_key", text_option(checkpoint.next_key)),
        ("signed", Tree::Bool(checkpoint.signature.is_some())),
    ]
}

fn close_fields(close: Close) -> Vec<(&'static str, Tree)> {
    vec![
        ("reason", Tree::case(close.reason.name())),
        ("detail", Tree::Text(close.detail)),
        ("checkpoints", Tree::Uint(close.checkpoints)),
        ("record_bytes", Tree::Uint(close.record_bytes)),
        ("blobs", Tree::Uint(close.blob_count)),
        ("blob_bytes", Tree::Uint(close.blob_bytes)),
        ("durable", Tree::option(close.durable_seq.map(Tree::Uint))),
        ("time", Tree::Uint(close.time)),
        ("digest", Tree::text(close.digest.to_string())),
        ("signed", Tree::Bool(close.signature.is_some())),
    ]
}

fn uint(number: u32) -> Tree {
    Tree::Uint(u64::from(number))
}

fn text_option(text: Option<impl ToString>) -> Tree {
    Tree::option(text.map(|text| Tree::text(text.to_string())))
}
