//! A recorded value together with the names its type gives it: what is shown, filtered and
//! written as JSON.

use theater_record::{BlobRef, CborError, Decoder, Type, TypeDef, TypeTable, Value};

/// A value that knows the names of its fields, cases and flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// `bool`
    Bool(bool),
    /// Any integer without a sign.
    Uint(u64),
    /// Any integer with a sign.
    Int(i64),
    /// The bits of an `f32`.
    F32(u32),
    /// The bits of an `f64`.
    F64(u64),
    /// `char`
    Char(char),
    /// `string`
    Text(String),
    /// `list<u8>`
    Bytes(Vec<u8>),
    /// Any other list.
    List(Vec<Tree>),
    /// `tuple`
    Tuple(Vec<Tree>),
    /// `record`
    Record(Vec<(String, Tree)>),
    /// The case of a variant, an enum or a result.
    Case(String, Option<Box<Tree>>),
    /// `option`
    Option(Option<Box<Tree>>),
    /// `flags`, those that are set.
    Flags(Vec<String>),
    /// `map`
    Map(Vec<(Tree, Tree)>),
    /// A resource.
    Resource {
        /// The name of its type.
        name: String,
        /// The recorder's number for it.
        number: u64,
        /// Whether it is passed on for good.
        owned: bool,
    },
    /// A payload out of line.
    Blob(BlobRef),
}

/// One step of a path into a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    /// A field or a case by its name.
    Name(String),
    /// A field or an element by its position.
    Index(u64),
}

impl Tree {
    /// A short text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Tree {
        Tree::Text(text.into())
    }

    /// A name without payload.
    #[must_use]
    pub fn case(name: impl Into<String>) -> Tree {
        Tree::Case(name.into(), None)
    }

    /// Something or nothing.
    #[must_use]
    pub fn option(inner: Option<Tree>) -> Tree {
        Tree::Option(inner.map(Box::new))
    }

    /// Puts a value and its type together. Where they do not fit, the value is shown by itself.
    #[must_use]
    pub fn of(value: Value, ty: &Type, types: &TypeTable) -> Tree {
        let ty = types.resolve(ty).unwrap_or(ty);
        match value {
            Value::Bool(bit) => Tree::Bool(bit),
            Value::U8(number) => Tree::Uint(u64::from(number)),
            Value::U16(number) => Tree::Uint(u64::from(number)),
            Value::U32(number) => Tree::Uint(u64::from(number)),
            Value::U64(number) => Tree::Uint(number),
            Value::S8(number) => Tree::Int(i64::from(number)),
            Value::S16(number) => Tree::Int(i64::from(number)),
            Value::S32(number) => Tree::Int(i64::from(number)),
            Value::S64(number) => Tree::Int(number),
            Value::F32(bits) => Tree::F32(bits),
            Value::F64(bits) => Tree::F64(bits),
            Value::Char(char) => Tree::Char(char),
            Value::String(text) => Tree::Text(text),
            Value::Bytes(bytes) => Tree::Bytes(bytes),
            Value::Blob(blob) => Tree::Blob(blob),
            Value::Enum(case) => Tree::case(case_name(ty, case)),
            Value::Flags(bits) => Tree::Flags(flag_names(ty, bits)),
            Value::Own(number) => Tree::resource(ty, number, types),
            Value::Borrow(number) => Tree::resource(ty, number, types),
            Value::List(_)
            | Value::Tuple(_)
            | Value::Record(_)
            | Value::Variant(..)
            | Value::Option(_)
            | Value::Result(_)
            | Value::Map(_) => Tree::of_compound(value, ty, types),
        }
    }

    fn of_compound(value: Value, ty: &Type, types: &TypeTable) -> Tree {
        let boxed = |payload: Option<Box<Value>>, ty: Option<&Type>| {
            payload.map(|payload| Box::new(Tree::of(*payload, ty.unwrap_or(&Type::Bool), types)))
        };
        let whole = ty;
        match (value, ty) {
            (Value::List(items), Type::List(item) | Type::FixedList(_, item)) => {
                Tree::List(items.into_iter().map(|value| Tree::of(value, item, types)).collect())
            }
            (Value::Tuple(items), Type::Tuple(tys)) => {
                let items = items.into_iter().zip(tys);
                Tree::Tuple(items.map(|(value, ty)| Tree::of(value, ty, types)).collect())
            }
            (Value::Record(items), Type::Record(fields)) => {
                let items = items.into_iter().zip(fields);
                let named = |(value, (name, ty)): (Value, &(String, Type))| {
                    (name.clone(), Tree::of(value, ty, types))
                };
                Tree::Record(items.map(named).collect())
            }
            (Value::Variant(case, payload), Type::Variant(cases)) => {
                let ty = cases.get(case as usize).and_then(|(_, ty)| ty.as_ref());
                Tree::Case(case_name(whole, case), boxed(payload, ty))
            }
            (Value::Option(payload), Type::Option(item)) => {
                Tree::Option(boxed(payload, Some(item)))
            }
            (Value::Result(Ok(payload)), Type::Result(ok, _)) => {
                Tree::Case("ok".to_owned(), boxed(payload, ok.as_deref()))
            }
            (Value::Result(Err(payload)), Type::Result(_, err)) => {
                Tree::Case("err".to_owned(), boxed(payload, err.as_deref()))
            }
            (Value::Map(pairs), Type::Map(key, item)) => {
                let pair = |(k, v)| (Tree::of(k, key, types), Tree::of(v, item, types));
                Tree::Map(pairs.into_iter().map(pair).collect())
            }
            // A value is decoded by its type, so the two always fit.
            _ => Tree::case("?"),
        }
    }

    fn resource(ty: &Type, number: u64, types: &TypeTable) -> Tree {
        let (id, owned) = match ty {
            Type::Own(id) => (Some(id), true),
            Type::Borrow(id) => (Some(id), false),
            _ => (None, true),
        };
        let def = id.and_then(|id| types.get(*id));
        Tree::Resource { name: short_name(def).to_owned(), number, owned }
    }

    /// Reads a value without knowing its type. The caller has checked the bytes.
    pub fn untyped(input: &mut Decoder<'_>) -> Result<Tree, CborError> {
        if input.at_tag() {
            return Ok(Tree::Blob(BlobRef::decode(input)?));
        }
        if input.null()? {
            return Ok(Tree::Option(None));
        }
        if let Ok(len) = input.clone().array() {
            input.array()?;
            return Ok(Tree::List(
                (0..len).map(|_| Tree::untyped(input)).collect::<Result<_, _>>()?,
            ));
        }
        let item = input.clone();
        input.item()?;
        Ok(if let Ok(number) = item.clone().uint() {
            Tree::Uint(number)
        } else if let Ok(number) = item.clone().int() {
            Tree::Int(number)
        } else if let Ok(text) = item.clone().text() {
            Tree::text(text)
        } else if let Ok(bytes) = item.clone().bytes() {
            Tree::Bytes(bytes.to_vec())
        } else {
            item.clone().bool().map_or_else(|_| Tree::case("?"), Tree::Bool)
        })
    }

    /// What a path leads to. Options are passed through, so that a path need not say `some`.
    #[must_use]
    pub fn get(&self, path: &[PathStep]) -> Option<&Tree> {
        let Some((step, rest)) = path.split_first() else { return Some(self) };
        match (self, step) {
            (Tree::Option(Some(inner)), PathStep::Name(name)) if name == "some" => inner.get(rest),
            (Tree::Option(Some(inner)), _) => inner.get(path),
            (Tree::Record(fields), PathStep::Name(name)) => {
                fields.iter().find(|(field, _)| field == name)?.1.get(rest)
            }
            (Tree::Record(fields), PathStep::Index(at)) => {
                fields.get(usize::try_from(*at).ok()?)?.1.get(rest)
            }
            (Tree::List(items) | Tree::Tuple(items), PathStep::Index(at)) => {
                items.get(usize::try_from(*at).ok()?)?.get(rest)
            }
            (Tree::Case(case, payload), PathStep::Name(name)) if case == name => {
                payload.as_ref()?.get(rest)
            }
            (Tree::Map(pairs), PathStep::Name(name)) => {
                let is_key = |key: &Tree| matches!(key, Tree::Text(text) if text == name);
                pairs.iter().find(|(key, _)| is_key(key))?.1.get(rest)
            }
            _ => None,
        }
    }
}

/// The part of a type's name that people say: what follows the interface.
#[must_use]
pub fn short_name(def: Option<&TypeDef>) -> &str {
    let name = def.map_or("resource", |def| &def.name);
    name.rsplit_once('#').map_or(name, |(_, short)| short)
}

fn case_name(ty: &Type, case: u32) -> String {
    let name = match ty {
        Type::Enum(names) => names.get(case as usize),
        Type::Variant(cases) => cases.get(case as usize).map(|(name, _)| name),
        _ => None,
    };
    name.cloned().unwrap_or_else(|| format!("case-{case}"))
}

fn flag_names(ty: &Type, bits: u64) -> Vec<String> {
    let Type::Flags(names) = ty else { return vec![format!("{bits:#x}")] };
    let set = names.iter().enumerate().filter(|(at, _)| *at < 64 && bits >> at & 1 == 1);
    set.map(|(_, name)| name.clone()).collect()
}
