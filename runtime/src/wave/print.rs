//! Values as text that can be read back.

use std::fmt::Write;

use theater_record::{Type, TypeTable, Value};

/// Words that mean something else where a bare name could stand.
const KEYWORDS: [&str; 8] = ["true", "false", "inf", "nan", "some", "none", "ok", "err"];

/// A value in WAVE.
///
/// Floats take the fewest digits that read back to the same bits; every NaN is `nan`. Payloads out
/// of line, and values that are not of this type, have no text in WAVE: they show as a note in angle
/// brackets, which no parser takes.
#[must_use]
pub fn write_value(value: &Value, ty: &Type, types: &TypeTable) -> String {
    let mut printer = Printer { out: String::new(), types };
    printer.value(value, ty);
    printer.out
}

struct Printer<'t> {
    out: String,
    types: &'t TypeTable,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value, ty: &Type) {
        match value {
            Value::Bool(bit) => self.push(bit),
            Value::S8(number) => self.push(number),
            Value::U8(number) => self.push(number),
            Value::S16(number) => self.push(number),
            Value::U16(number) => self.push(number),
            Value::S32(number) => self.push(number),
            Value::U32(number) => self.push(number),
            Value::S64(number) => self.push(number),
            Value::U64(number) => self.push(number),
            Value::F32(bits) => match f32::from_bits(*bits) {
                float if float.is_nan() => self.push("nan"),
                float => self.push(format_args!("{float:?}")),
            },
            Value::F64(bits) => match f64::from_bits(*bits) {
                float if float.is_nan() => self.push("nan"),
                float => self.push(format_args!("{float:?}")),
            },
            Value::Char(char) => self.quoted('\'', &char.to_string()),
            Value::String(text) => self.quoted('"', text),
            Value::Own(number) | Value::Borrow(number) => self.push(format_args!("@{number}")),
            Value::Blob(blob) => self.push(format_args!("<{} bytes out of line>", blob.len)),
            Value::Bytes(bytes) => self.elements('[', ']', bytes, |this, byte| this.push(byte)),
            Value::List(_)
            | Value::Tuple(_)
            | Value::Record(_)
            | Value::Variant(..)
            | Value::Enum(_)
            | Value::Option(_)
            | Value::Result(_)
            | Value::Flags(_)
            | Value::Map(_) => {
                if self.compound(value, ty).is_none() {
                    self.push("<a value of another type>");
                }
            }
        }
    }

    /// Writes a value whose text depends on its type. `None` if it is not of this type.
    fn compound(&mut self, value: &Value, ty: &Type) -> Option<()> {
        match (value, self.types.resolve(ty)?.clone()) {
            (Value::List(items), Type::List(item) | Type::FixedList(_, item)) => {
                self.elements('[', ']', items, |this, value| this.value(value, &item));
            }
            (Value::Tuple(items), Type::Tuple(types)) if items.len() == types.len() => {
                let items: Vec<_> = items.iter().zip(&types).collect();
                self.elements('(', ')', &items, |this, (value, ty)| this.value(value, ty));
            }
            (Value::Record(values), Type::Record(fields)) if values.len() == fields.len() => {
                let fields: Vec<_> = values.iter().zip(&fields).collect();
                self.elements('{', '}', &fields, |this, (value, (name, ty))| {
                    this.push(format_args!("{name}: "));
                    this.value(value, ty);
                });
                if fields.is_empty() {
                    self.out.insert(self.out.len() - 1, ':');
                }
            }
            (Value::Variant(case, payload), Type::Variant(cases)) => {
                let (name, payload_ty) = cases.get(*case as usize)?;
                self.name(name);
                self.payload(payload.as_deref(), payload_ty.as_ref());
            }
            (Value::Enum(case), Type::Enum(names)) => self.name(names.get(*case as usize)?),
            (Value::Option(None), Type::Option(_)) => self.push("none"),
            (Value::Option(Some(value)), Type::Option(item)) => {
                self.push("some");
                self.payload(Some(value), Some(&item));
            }
            (Value::Result(Ok(value)), Type::Result(ok, _)) => {
                self.push("ok");
                self.payload(value.as_deref(), ok.as_deref());
            }
            (Value::Result(Err(value)), Type::Result(_, err)) => {
                self.push("err");
                self.payload(value.as_deref(), err.as_deref());
            }
            (Value::Flags(bits), Type::Flags(names)) => {
                let set = (0..64).filter(|bit| bits >> bit & 1 == 1);
                let set: Vec<_> = set.map(|bit| names.get(bit)).collect::<Option<_>>()?;
                self.elements('{', '}', &set, |this, name| this.push(name));
            }
            (Value::Map(pairs), Type::Map(key_ty, value_ty)) => {
                self.elements('[', ']', pairs, |this, (key, value)| {
                    this.out.push('(');
                    this.value(key, &key_ty);
                    this.out.push_str(", ");
                    this.value(value, &value_ty);
                    this.out.push(')');
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn payload(&mut self, value: Option<&Value>, ty: Option<&Type>) {
        if let (Some(value), Some(ty)) = (value, ty) {
            self.out.push('(');
            self.value(value, ty);
            self.out.push(')');
        }
    }

    fn elements<T>(
        &mut self,
        open: char,
        close: char,
        elements: &[T],
        mut one: impl FnMut(&mut Self, &T),
    ) {
        self.out.push(open);
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            one(self, element);
        }
        self.out.push(close);
    }

    fn name(&mut self, name: &str) {
        if KEYWORDS.contains(&name) {
            self.out.push('%');
        }
        self.out.push_str(name);
    }

    fn quoted(&mut self, quote: char, text: &str) {
        self.out.push(quote);
        for char in text.chars() {
            match char {
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\\' => self.out.push_str("\\\\"),
                '"' | '\'' if char == quote => {
                    self.out.push('\\');
                    self.out.push(char);
                }
                '"' | '\'' => self.out.push(char),
                // What a terminal would not show is spelled out.
                _ if char.escape_debug().len() > 1 => {
                    self.push(format_args!("\\u{{{:x}}}", u32::from(char)));
                }
                _ => self.out.push(char),
            }
        }
        self.out.push(quote);
    }

    fn push(&mut self, shown: impl std::fmt::Display) {
        write!(self.out, "{shown}").expect("a string takes everything");
    }
}
