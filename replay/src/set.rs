//! Changes one part of a recorded result: `result.ok.status=404`.

use std::fmt;

use anyhow::{anyhow, bail};
use theater_record::{FunctionType, Outcome, Type, TypeTable, Value, Values};
use theater_runtime::parse_value;

/// A part of a result and what to put there.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// The path as it was typed.
    path: String,
    steps: Vec<Step>,
    text: String,
}

#[derive(Debug, Clone)]
enum Step {
    Name(String),
    Index(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name(name) => write!(f, ".{name}"),
            Step::Index(at) => write!(f, "[{at}]"),
        }
    }
}

impl std::str::FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Assignment, String> {
        let Some((path, value)) = text.split_once('=') else {
            return Err("expected PATH=VALUE, such as result.ok=3".to_owned());
        };
        let path = path.trim();
        let Some(rest) = path.strip_prefix("result") else {
            return Err("a path starts with result, such as result.ok.status".to_owned());
        };
        let steps = steps(rest)?;
        Ok(Assignment { path: path.to_owned(), steps, text: value.trim().to_owned() })
    }
}

fn steps(mut rest: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((index, after)) = inner.split_once(']') else {
                return Err("a [ without its ] in the path".to_owned());
            };
            let index = index.parse().map_err(|_| format!("{index:?} is not a position"))?;
            steps.push(Step::Index(index));
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('.') {
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            if end == 0 {
                return Err("a . without a name in the path".to_owned());
            }
            steps.push(Step::Name(inner[..end].to_owned()));
            rest = &inner[end..];
        } else {
            return Err(format!("expected . or [ in the path, found {rest:?}"));
        }
    }
    Ok(steps)
}

/// The outcome with all the changes made.
pub(crate) fn apply(
    outcome: &Outcome,
    function: &FunctionType,
    types: &TypeTable,
    changes: &[Assignment],
) -> anyhow::Result<Outcome> {
    let [ty] = &function.results[..] else {
        bail!("{} returns nothing that could be set", function.name);
    };
    let mut value = match outcome {
        Outcome::Returned(values) => values.decode(function.results.iter(), types)?.remove(0),
        // What it would have returned is for the changes to say, as a whole.
        Outcome::Trapped { .. } => Value::Tuple(Vec::new()),
    };
    for change in changes {
        value = put(value, ty, types, &change.steps, change)?;
    }
    Ok(Outcome::Returned(Values::of(&[value])?))
}

fn put(
    value: Value,
    ty: &Type,
    types: &TypeTable,
    steps: &[Step],
    change: &Assignment,
) -> anyhow::Result<Value> {
    let resolved = types.resolve(ty).unwrap_or(ty);
    let Some((step, rest)) = steps.split_first() else {
        let parsed = parse_value(&change.text, ty, types);
        return parsed.map_err(|error| anyhow!("cannot set {}: {error}", change.path));
    };
    let parts = parts(&value, resolved);
    let missing = || anyhow!("{} leads nowhere: there is no {step} in {parts}", change.path);
    Ok(match (value, resolved, step) {
        (Value::Record(mut fields), Type::Record(names), Step::Name(name)) => {
            let at = names.iter().position(|(known, _)| known == name).ok_or_else(missing)?;
            let field = fields.get_mut(at).ok_or_else(missing)?;
            let old = std::mem::replace(field, Value::Bool(false));
            *field = put(old, &names[at].1, types, rest, change)?;
            Value::Record(fields)
        }
        (Value::List(mut items), Type::List(item) | Type::FixedList(_, item), Step::Index(at)) => {
            let place = items.get_mut(*at).ok_or_else(missing)?;
            let old = std::mem::replace(place, Value::Bool(false));
            *place = put(old, item, types, rest, change)?;
            Value::List(items)
        }
        (Value::Tuple(mut items), Type::Tuple(of), Step::Index(at)) => {
            let (place, ty) = (items.get_mut(*at).ok_or_else(missing)?, of.get(*at));
            let old = std::mem::replace(place, Value::Bool(false));
            *place = put(old, ty.ok_or_else(missing)?, types, rest, change)?;
            Value::Tuple(items)
        }
        (Value::Result(Ok(Some(held))), Type::Result(Some(ty), _), Step::Name(name))
            if name == "ok" =>
        {
            Value::Result(Ok(Some(Box::new(put(*held, ty, types, rest, change)?))))
        }
        (Value::Result(Err(Some(held))), Type::Result(_, Some(ty)), Step::Name(name))
            if name == "err" =>
        {
            Value::Result(Err(Some(Box::new(put(*held, ty, types, rest, change)?))))
        }
        (Value::Option(Some(held)), Type::Option(ty), Step::Name(name)) if name == "some" => {
            Value::Option(Some(Box::new(put(*held, ty, types, rest, change)?)))
        }
        (Value::Variant(case, Some(held)), Type::Variant(cases), Step::Name(name)) => {
            let (known, ty) = cases.get(case as usize).ok_or_else(missing)?;
            if known != name {
                return Err(missing());
            }
            let ty = ty.as_ref().ok_or_else(missing)?;
            Value::Variant(case, Some(Box::new(put(*held, ty, types, rest, change)?)))
        }
        _ => return Err(missing()),
    })
}

/// What a path could lead to within a value.
fn parts(value: &Value, ty: &Type) -> String {
    match (value, ty) {
        (Value::Record(_), Type::Record(fields)) => {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            format!("a record with {}", names.join(", "))
        }
        (Value::List(items), _) => format!("a list of {} elements", items.len()),
        (Value::Tuple(items), _) => format!("a tuple of {} elements", items.len()),
        (Value::Result(Ok(Some(_))), _) => "a result that is ok".to_owned(),
        (Value::Result(Err(Some(_))), _) => "a result that is err".to_owned(),
        (Value::Option(Some(_)), _) => "an option that is some".to_owned(),
        (Value::Variant(case, Some(_)), Type::Variant(cases)) => {
            let name = cases.get(*case as usize).map_or("", |(name, _)| name);
            format!("a variant that is {name}")
        }
        _ => "a value without parts".to_owned(),
    }
}
