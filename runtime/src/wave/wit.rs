//! Types as WIT writes them.

use theater_record::{Type, TypeId, TypeTable};

use crate::escape::plain;

/// A type in WIT text. Named types go by their short names.
#[must_use]
pub fn type_text(ty: &Type, types: &TypeTable) -> String {
    let text = |inner: &Type| type_text(inner, types);
    let list = |names: &[String]| joined(names.iter().map(|name| plain(name)));
    match ty {
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::F32
        | Type::F64
        | Type::Char
        | Type::String
        | Type::Resource => format!("{ty:?}").to_lowercase(),
        Type::List(item) => format!("list<{}>", text(item)),
        Type::FixedList(len, item) => format!("list<{}, {len}>", text(item)),
        Type::Tuple(items) => format!("tuple<{}>", joined(items.iter().map(text))),
        Type::Record(fields) => format!("record {{{}}}", params_text(fields, types)),
        Type::Variant(cases) => {
            let case = |(name, payload): &(String, Option<Type>)| match payload {
                Some(payload) => format!("{}({})", plain(name), text(payload)),
                None => plain(name),
            };
            format!("variant {{{}}}", joined(cases.iter().map(case)))
        }
        Type::Enum(names) => format!("enum {{{}}}", list(names)),
        Type::Flags(names) => format!("flags {{{}}}", list(names)),
        Type::Option(item) => format!("option<{}>", text(item)),
        Type::Result(ok, err) => match (ok, err) {
            (None, None) => "result".to_owned(),
            (Some(ok), None) => format!("result<{}>", text(ok)),
            (ok, Some(err)) => {
                let ok = ok.as_ref().map_or("_".to_owned(), |ok| text(ok));
                format!("result<{ok}, {}>", text(err))
            }
        },
        Type::Map(key, value) => format!("map<{}, {}>", text(key), text(value)),
        Type::Own(id) | Type::Named(id) => short_name(*id, types),
        Type::Borrow(id) => format!("borrow<{}>", short_name(*id, types)),
    }
}

/// Parameters or fields with their types: `a: u8, b: string`.
#[must_use]
pub fn params_text(params: &[(String, Type)], types: &TypeTable) -> String {
    joined(params.iter().map(|(name, ty)| format!("{}: {}", plain(name), type_text(ty, types))))
}

/// The part of a type's full name that its own interface uses.
fn short_name(id: TypeId, types: &TypeTable) -> String {
    let name = types.get(id).map_or("?", |def| def.name.as_str());
    plain(name.rsplit('#').next().unwrap_or(name))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
