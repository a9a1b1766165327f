//! `theater:simple/store`: content under its digest, and labels, in stores that actors share.

use theater_record::{Hash, Value};

use super::{Served, decision, unknown};
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest::StoreUse;
use crate::store::{Label, Store, StoreError};
use crate::trap::Failure;

/// No content is larger than this for an actor.
const CONTENT_BYTES_MAX: u64 = 8 << 20;

/// What a function returns: something or nothing where all is well.
type Answer = Result<Option<Value>, String>;

/// What becomes of a label when something is kept under it.
type Labelling = fn(&Store, &Label, &Hash) -> Result<(), StoreError>;

/// The service for one actor.
pub(super) struct Stores {
    served: Served,
    may: StoreUse,
}

impl Service for Stores {
    fn call(&mut self, mut call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let args = std::mem::take(&mut call.args);
        let answer = match (call.function, &args[..]) {
            ("new", []) => self.make(&mut call),
            ("list-labels", [Value::String(id)]) => self.labels(id),
            ("list-all-content", [Value::String(id)]) => self.contents(id),
            ("calculate-total-size", [Value::String(id)]) => self.size(id),
            ("get", [Value::String(id), Value::Record(name)]) => self.get(id, name),
            ("exists", [Value::String(id), Value::Record(name)]) => self.exists(id, name),
            ("get-by-label", [Value::String(id), Value::String(label)]) => self.labelled(id, label),
            ("store", [Value::String(id), Value::Bytes(content)]) => {
                self.keep(&mut call, id, content, None)
            }
            (
                "store-at-label",
                [Value::String(id), Value::String(label), Value::Bytes(content)],
            ) => self.keep(&mut call, id, content, Some((label, Store::add_to_label))),
            (
                "replace-content-at-label",
                [Value::String(id), Value::String(label), Value::Bytes(content)],
            ) => self.keep(&mut call, id, content, Some((label, Store::set_label))),
            (function, [Value::String(id), Value::String(label), rest @ ..]) => {
                let Some(change) = Relabelling::of(function, rest) else {
                    return Err(unknown("store", function));
                };
                self.relabel(&mut call, id, label, &change)
            }
            (function, _) => return Err(unknown("store", function)),
        };
        Ok(vec![Value::Result(match answer {
            Ok(value) => Ok(value.map(Box::new)),
            Err(error) => Err(Some(Box::new(Value::String(error)))),
        })])
    }
}

/// A change of a label alone. What it names is as the component has it.
enum Relabelling<'a> {
    Add(&'a [Value]),
    Set(&'a [Value]),
    TakeOut(&'a [Value]),
    Forget,
}

impl<'a> Relabelling<'a> {
    fn of(function: &str, rest: &'a [Value]) -> Option<Relabelling<'a>> {
        match (function, rest) {
            ("label", [Value::Record(name)]) => Some(Relabelling::Add(name)),
            ("replace-at-label", [Value::Record(name)]) => Some(Relabelling::Set(name)),
            ("remove-from-label", [Value::Record(name)]) => Some(Relabelling::TakeOut(name)),
            ("remove-label", []) => Some(Relabelling::Forget),
            _ => None,
        }
    }
}

impl Stores {
    pub(super) fn new(served: Served, may: StoreUse) -> Stores {
        Stores { served, may }
    }

    fn make(&self, call: &mut ServiceCall<'_>) -> Answer {
        let system = self.served.system.get()?;
        // Nobody guesses it, so a store is shared with those who are told of it.
        let mut id = String::new();
        system.random()[..16].iter().for_each(|byte| id += &format!("{byte:02x}"));
        self.may_change(call, &id, 0)?;
        Store::open(system.stores().join(&id)).map_err(complaint)?;
        Ok(Some(Value::String(id)))
    }

    fn keep(
        &self,
        call: &mut ServiceCall<'_>,
        id: &str,
        content: &[u8],
        label: Option<(&str, Labelling)>,
    ) -> Answer {
        let bytes = content.len() as u64;
        self.may_change(call, id, bytes)?;
        if bytes > CONTENT_BYTES_MAX {
            return Err(too_large(bytes));
        }
        let store = self.store(id)?;
        // What is no label is found out before anything is changed.
        let label = match label {
            Some((text, labelling)) => Some((parsed(text)?, labelling)),
            None => None,
        };
        let hash = store.put(content).map_err(complaint)?;
        if let Some((label, labelling)) = label {
            labelling(&store, &label, &hash).map_err(complaint)?;
        }
        Ok(Some(reference(&hash)))
    }

    fn relabel(
        &self,
        call: &mut ServiceCall<'_>,
        id: &str,
        label: &str,
        change: &Relabelling<'_>,
    ) -> Answer {
        self.may_change(call, id, 0)?;
        let (store, label) = (self.store(id)?, parsed(label)?);
        let changed = match change {
            Relabelling::Add(name) => store.add_to_label(&label, &hash(name)?),
            Relabelling::Set(name) => store.set_label(&label, &hash(name)?),
            Relabelling::TakeOut(name) => store.remove_from_label(&label, &hash(name)?).map(drop),
            Relabelling::Forget => store.remove_label(&label).map(drop),
        };
        changed.map_err(complaint).map(|()| None)
    }

    fn get(&self, id: &str, name: &[Value]) -> Answer {
        let (store, hash) = (self.store(id)?, hash(name)?);
        let bytes = store.len_of(&hash).map_err(complaint)?;
        if bytes > CONTENT_BYTES_MAX {
            return Err(too_large(bytes));
        }
        match store.get(&hash) {
            Ok(content) => Ok(Some(Value::Bytes(content))),
            Err(StoreError::Damaged { .. }) => Err(format!("the content {hash} is damaged")),
            Err(error) => Err(complaint(error)),
        }
    }

    fn exists(&self, id: &str, name: &[Value]) -> Answer {
        Ok(Some(Value::Bool(self.store(id)?.contains(&hash(name)?))))
    }

    fn labelled(&self, id: &str, label: &str) -> Answer {
        let newest = self.store(id)?.label(&parsed(label)?).map_err(complaint)?;
        Ok(Some(Value::Option(newest.map(|hash| Box::new(reference(&hash))))))
    }

    fn labels(&self, id: &str) -> Answer {
        let labels = self.store(id)?.labels().map_err(complaint)?;
        let labels = labels.into_iter().map(|(label, _)| Value::String(label.to_string()));
        Ok(Some(Value::List(labels.collect())))
    }

    fn contents(&self, id: &str) -> Answer {
        let contents = self.store(id)?.list().map_err(complaint)?;
        Ok(Some(Value::List(contents.iter().map(reference).collect())))
    }

    fn size(&self, id: &str) -> Answer {
        let bytes = self.store(id)?.bytes().map_err(complaint)?;
        Ok(Some(Value::U64(bytes)))
    }

    /// Whether the actor may change a store, and by so much content. It is recorded either way.
    fn may_change(&self, call: &mut ServiceCall<'_>, id: &str, bytes: u64) -> Result<(), String> {
        let StoreUse { write, max_bytes } = self.may;
        let (reason, why) = match max_bytes {
            _ if write == Some(false) => (Reason::ReadOnly, "stores can only be read".to_owned()),
            Some(most) if bytes > most => {
                (Reason::NotGranted, format!("{bytes} bytes are more than {most}"))
            }
            Some(_) | None => (Reason::Granted, call.function.to_owned()),
        };
        call.decisions.push(decision(reason, "store", id, &why));
        match reason {
            Reason::Granted => Ok(()),
            _ => Err(format!("store#{} is denied: {why}", call.function)),
        }
    }

    fn store(&self, id: &str) -> Result<Store, String> {
        let is_id = id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let system = self.served.system.get()?;
        let store = is_id.then(|| Store::existing(system.stores().join(id))).flatten();
        store.ok_or_else(|| format!("there is no store {id:?}"))
    }
}

/// A `content-ref`.
fn reference(hash: &Hash) -> Value {
    Value::Record(vec![Value::String(hash.to_string())])
}

/// The digest in a `content-ref`.
fn hash(reference: &[Value]) -> Result<Hash, String> {
    match reference {
        [Value::String(text)] => {
            text.parse().map_err(|_| format!("{text:?} is not a digest of 64 hexadecimal digits"))
        }
        _ => Err("this is no reference to a content".to_owned()),
    }
}

fn parsed(label: &str) -> Result<Label, String> {
    label.parse().map_err(|error: crate::store::BadLabel| error.to_string())
}

fn too_large(bytes: u64) -> String {
    format!("a content of {bytes} bytes is too large for an actor")
}

/// What an actor is told. It must not learn where on this machine a store is.
fn complaint(error: StoreError) -> String {
    match error {
        StoreError::Missing { hash, .. } => format!("the store has no content {hash}"),
        StoreError::Damaged { found, .. } => format!("what is there is {found}"),
        StoreError::NoLabel { label, .. } => format!("the store has no label {label:?}"),
        StoreError::DamagedLabel { .. } => "what the label names is damaged".to_owned(),
        StoreError::Busy { .. } => "the store is being changed by somebody else".to_owned(),
        StoreError::Io { action, .. } => format!("the disk has failed: cannot {action} a file"),
        error @ (StoreError::BadLabel(_) | StoreError::FullLabel { .. }) => error.to_string(),
    }
}
