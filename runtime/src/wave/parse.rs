//! Values by their types: each type says what may stand where.

use std::str::FromStr;

use theater_record::{NESTING_DEPTH_MAX, Type, TypeTable, Value};

use super::cursor::Cursor;
use super::error::WaveError;
use super::wit::{params_text, type_text};

/// Reads values from text, from left to right.
pub(super) struct Parser<'t> {
    cursor: Cursor<'t>,
    types: &'t TypeTable,
    depth: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, at: usize, types: &'t TypeTable) -> Parser<'t> {
        Parser { cursor: Cursor::new(text, at), types, depth: 0 }
    }

    /// Fails unless everything was read.
    pub(super) fn end(&mut self) -> Result<(), WaveError> {
        if self.cursor.rest().is_empty() { Ok(()) } else { Err(self.cursor.wrong("the end")) }
    }

    /// Reads the arguments of a call, in their parentheses.
    pub(super) fn args(&mut self, params: &[(String, Type)]) -> Result<Vec<Value>, WaveError> {
        let mut args = Vec::with_capacity(params.len());
        self.open('(', "`(` and the arguments")?;
        while let Some(()) = self.next_element(args.len(), ')')? {
            let Some((_, ty)) = params.get(args.len()) else {
                let expected = match params {
                    [] => "`)` after no arguments".to_owned(),
                    _ => format!("`)` after the arguments ({})", params_text(params, self.types)),
                };
                return Err(self.cursor.wrong(expected));
            };
            args.push(self.value(ty)?);
        }
        for (name, ty) in &params[args.len()..] {
            if !matches!(self.types.resolve(ty), Some(Type::Option(_))) {
                let expected = format!("the argument {name}: {}", type_text(ty, self.types));
                return Err(self.wrong_before_closing(expected));
            }
            args.push(Value::Option(None));
        }
        Ok(args)
    }

    /// Reads a value of this type.
    pub(super) fn value(&mut self, ty: &Type) -> Result<Value, WaveError> {
        let at = self.cursor.token_start();
        if self.depth == NESTING_DEPTH_MAX {
            return Err(WaveError::TooDeep { at: self.cursor.position(at) });
        }
        self.depth += 1;
        let types = self.types;
        let resolved = types.resolve(ty);
        let unknown = WaveError::UnknownType { at: self.cursor.position(at) };
        let value = match resolved.ok_or(unknown.clone())? {
            Type::Bool => self.bool(ty),
            Type::S8 => self.integer(ty).map(Value::S8),
            Type::U8 => self.integer(ty).map(Value::U8),
            Type::S16 => self.integer(ty).map(Value::S16),
            Type::U16 => self.integer(ty).map(Value::U16),
            Type::S32 => self.integer(ty).map(Value::S32),
            Type::U32 => self.integer(ty).map(Value::U32),
            Type::S64 => self.integer(ty).map(Value::S64),
            Type::U64 => self.integer(ty).map(Value::U64),
            Type::F32 => self.float::<f32>(ty).map(|float| Value::F32(float.to_bits())),
            Type::F64 => self.float::<f64>(ty).map(|float| Value::F64(float.to_bits())),
            Type::Char => match self.cursor.eat_char()? {
                Some(char) => Ok(Value::Char(char)),
                None => Err(self.wrong(ty)),
            },
            Type::String => match self.cursor.eat_string()? {
                Some(text) => Ok(Value::String(text)),
                None => Err(self.wrong(ty)),
            },
            Type::List(item) => self.list(ty, item, None),
            Type::FixedList(len, item) => self.list(ty, item, Some(*len as usize)),
            Type::Tuple(items) => self.tuple(ty, items),
            Type::Record(fields) => self.record(ty, fields),
            Type::Variant(cases) => self.variant(ty, cases),
            Type::Enum(names) => {
                let case = self.name_among(ty, "case", names.iter().map(String::as_str))?;
                Ok(Value::Enum(case.try_into().expect("a type has fewer than 2^32 cases")))
            }
            Type::Option(item) => self.option(ty, item),
            Type::Result(ok, err) => self.result(ty, ok.as_deref(), err.as_deref()),
            Type::Flags(names) => self.flags(ty, names),
            Type::Map(key, value) => self.map(ty, key, value),
            Type::Own(_) => self.resource(ty).map(Value::Own),
            Type::Borrow(_) => self.resource(ty).map(Value::Borrow),
            Type::Resource | Type::Named(_) => Err(unknown),
        };
        self.depth -= 1;
        value
    }

    fn bool(&mut self, ty: &Type) -> Result<Value, WaveError> {
        let word = self.cursor.word();
        let bit = word.parse().map_err(|_| self.wrong(ty))?;
        self.cursor.advance(word.len());
        Ok(Value::Bool(bit))
    }

    fn integer<T: FromStr>(&mut self, ty: &Type) -> Result<T, WaveError> {
        let word = self.cursor.word();
        let number = word.parse().ok().filter(|_| is_integer(word));
        let number = number.ok_or_else(|| self.wrong(ty))?;
        self.cursor.advance(word.len());
        Ok(number)
    }

    fn float<T: FromStr + Into<f64> + Copy>(&mut self, ty: &Type) -> Result<T, WaveError> {
        let word = self.cursor.word();
        let number: Option<T> = match word {
            // The standard parser knows these, and gives the canonical NaN.
            "nan" | "inf" | "-inf" => word.parse().ok(),
            // A number too large for the type would silently become infinite.
            _ if is_float(word) => word.parse().ok().filter(|&n: &T| n.into().is_finite()),
            _ => None,
        };
        let number = number.ok_or_else(|| self.wrong(ty))?;
        self.cursor.advance(word.len());
        Ok(number)
    }

    fn resource(&mut self, ty: &Type) -> Result<u64, WaveError> {
        let mut after = self.cursor.clone();
        let number = if after.eat('@') { Some(after.word()) } else { None };
        let number = number.filter(|word| is_integer(word)).and_then(|word| {
            after.advance(word.len());
            word.parse().ok()
        });
        let Some(number) = number else {
            let expected = format!("@ and the number of a {}", type_text(ty, self.types));
            return Err(self.cursor.wrong(expected));
        };
        self.cursor = after;
        Ok(number)
    }

    fn list(&mut self, ty: &Type, item: &Type, len: Option<usize>) -> Result<Value, WaveError> {
        let start = self.cursor.token_start();
        self.open_value('[', ty)?;
        let is_bytes = self.types.resolve(item) == Some(&Type::U8);
        let (mut bytes, mut items) = (Vec::new(), Vec::new());
        while let Some(()) = self.next_element(bytes.len().max(items.len()), ']')? {
            if is_bytes {
                bytes.push(self.integer(item)?);
            } else {
                items.push(self.value(item)?);
            }
        }
        let found = bytes.len().max(items.len());
        if len.is_some_and(|len| len != found) {
            return Err(WaveError::Expected {
                expected: type_text(ty, self.types),
                at: self.cursor.position(start),
                found: format!("a list of length {found}"),
            });
        }
        Ok(if is_bytes { Value::Bytes(bytes) } else { Value::List(items) })
    }

    fn map(&mut self, ty: &Type, key_ty: &Type, value_ty: &Type) -> Result<Value, WaveError> {
        self.open_value('[', ty)?;
        let mut pairs = Vec::new();
        while let Some(()) = self.next_element(pairs.len(), ']')? {
            self.open('(', "a pair of a key and its value, such as (1, 2)")?;
            let key = self.value(key_ty)?;
            self.open(',', "`,` and the value to this key")?;
            let value = self.value(value_ty)?;
            self.cursor.eat(',');
            self.open(')', "`)` after a key and its value")?;
            pairs.push((key, value));
        }
        Ok(Value::Map(pairs))
    }

    fn tuple(&mut self, ty: &Type, items: &[Type]) -> Result<Value, WaveError> {
        self.open_value('(', ty)?;
        let mut values = Vec::with_capacity(items.len());
        while let Some(()) = self.next_element(values.len(), ')')? {
            let Some(item) = items.get(values.len()) else {
                let expected = format!("`)` after the elements of {}", type_text(ty, self.types));
                return Err(self.cursor.wrong(expected));
            };
            values.push(self.value(item)?);
        }
        match items.get(values.len()) {
            None => Ok(Value::Tuple(values)),
            Some(missing) => {
                let (missing, ty) = (type_text(missing, self.types), type_text(ty, self.types));
                Err(self.wrong_before_closing(format!("{missing}, the next element of {ty}")))
            }
        }
    }

    fn record(&mut self, ty: &Type, fields: &[(String, Type)]) -> Result<Value, WaveError> {
        self.open_value('{', ty)?;
        let mut values = vec![None; fields.len()];
        // A colon alone keeps a record without fields apart from an empty set of flags.
        if self.cursor.eat(':') {
            self.open('}', "`}` after the `:` of an empty record")?;
        } else {
            let mut given = 0;
            while let Some(()) = self.next_element(given, '}')? {
                let start = self.cursor.token_start();
                let names = fields.iter().map(|(name, _)| name.as_str());
                let field = self.name_among(ty, "field", names)?;
                let (name, field_ty) = &fields[field];
                if values[field].is_some() {
                    return Err(self.twice("field", name, start));
                }
                self.open(':', &format!("`:` after the field {name}"))?;
                values[field] = Some(self.value(field_ty)?);
                given += 1;
            }
        }
        let of_field = |(value, (name, field_ty)): (Option<Value>, &(String, Type))| {
            let is_option = matches!(self.types.resolve(field_ty), Some(Type::Option(_)));
            value.or_else(|| is_option.then_some(Value::Option(None))).ok_or_else(|| {
                WaveError::MissingField {
                    name: name.clone(),
                    of: type_text(ty, self.types),
                    at: self.cursor.closing_position(),
                }
            })
        };
        values.into_iter().zip(fields).map(of_field).collect::<Result<_, _>>().map(Value::Record)
    }

    fn variant(&mut self, ty: &Type, cases: &[(String, Option<Type>)]) -> Result<Value, WaveError> {
        let case = self.name_among(ty, "case", cases.iter().map(|(name, _)| name.as_str()))?;
        let (name, payload_ty) = &cases[case];
        let payload = self.payload(name, payload_ty.as_ref())?;
        let case = case.try_into().expect("a type has fewer than 2^32 cases");
        Ok(Value::Variant(case, payload))
    }

    fn option(&mut self, ty: &Type, item: &Type) -> Result<Value, WaveError> {
        if self.cursor.eat_word("none") {
            return Ok(Value::Option(None));
        }
        if self.cursor.eat_word("some") {
            return Ok(Value::Option(self.payload("some", Some(item))?));
        }
        if !self.may_be_flat(item) {
            return Err(self.wrong(ty));
        }
        Ok(Value::Option(Some(Box::new(self.value(item)?))))
    }

    fn result(
        &mut self,
        ty: &Type,
        ok: Option<&Type>,
        err: Option<&Type>,
    ) -> Result<Value, WaveError> {
        if self.cursor.eat_word("ok") {
            return Ok(Value::Result(Ok(self.payload("ok", ok)?)));
        }
        if self.cursor.eat_word("err") {
            return Ok(Value::Result(Err(self.payload("err", err)?)));
        }
        match ok.filter(|ok| self.may_be_flat(ok)) {
            Some(ok) => Ok(Value::Result(Ok(Some(Box::new(self.value(ok)?))))),
            None => Err(self.wrong(ty)),
        }
    }

    fn flags(&mut self, ty: &Type, names: &[String]) -> Result<Value, WaveError> {
        self.open_value('{', ty)?;
        let (mut bits, mut given) = (0u64, 0);
        while let Some(()) = self.next_element(given, '}')? {
            let start = self.cursor.token_start();
            let flag = self.name_among(ty, "flag", names.iter().map(String::as_str))?;
            if bits >> flag & 1 == 1 {
                return Err(self.twice("flag", &names[flag], start));
            }
            bits |= 1 << flag;
            given += 1;
        }
        Ok(Value::Flags(bits))
    }

    /// Reads the payload of a case, if the case has one.
    fn payload(&mut self, case: &str, ty: Option<&Type>) -> Result<Option<Box<Value>>, WaveError> {
        let Some(ty) = ty else { return Ok(None) };
        self.open('(', &format!("`(` and the {} of {case}", type_text(ty, self.types)))?;
        let value = self.value(ty)?;
        self.open(')', &format!("`)` after the {} of {case}", type_text(ty, self.types)))?;
        Ok(Some(Box::new(value)))
    }

    /// Reads a name and finds its position among the names that the type has.
    fn name_among<'n>(
        &mut self,
        ty: &Type,
        what: &'static str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<usize, WaveError> {
        let start = self.cursor.token_start();
        let Some(name) = self.cursor.eat_name() else {
            let ty = type_text(ty, self.types);
            return Err(self.cursor.wrong(match what {
                "case" => ty,
                _ => format!("a {what} of {ty}"),
            }));
        };
        names.clone().position(|known| known == name).ok_or_else(|| WaveError::UnknownName {
            what,
            name: name.to_owned(),
            of: type_text(ty, self.types),
            at: self.cursor.position(start),
            known: names.collect::<Vec<_>>().join(", "),
        })
    }

    /// Whether `some` or `ok` may be left out around such a payload. If the payload were an option
    /// or a result itself, nobody could tell to which of the two a `none` or `err` belongs.
    fn may_be_flat(&self, payload: &Type) -> bool {
        !matches!(self.types.resolve(payload), None | Some(Type::Option(_) | Type::Result(..)))
    }

    /// Whether another element comes before the closing character, which is taken if not.
    fn next_element(&mut self, before: usize, close: char) -> Result<Option<()>, WaveError> {
        let comma = before > 0 && self.cursor.eat(',');
        if self.cursor.eat(close) {
            return Ok(None);
        }
        if before > 0 && !comma {
            return Err(self.cursor.wrong(format!("`,` or `{close}`")));
        }
        Ok(Some(()))
    }

    /// Takes the character with which a value of this type begins.
    fn open_value(&mut self, char: char, ty: &Type) -> Result<(), WaveError> {
        if self.cursor.eat(char) { Ok(()) } else { Err(self.wrong(ty)) }
    }

    fn open(&mut self, char: char, expected: &str) -> Result<(), WaveError> {
        if self.cursor.eat(char) { Ok(()) } else { Err(self.cursor.wrong(expected)) }
    }

    fn wrong(&mut self, ty: &Type) -> WaveError {
        self.cursor.wrong(type_text(ty, self.types))
    }

    /// The error that something is missing before the closing character that was just taken.
    fn wrong_before_closing(&self, expected: String) -> WaveError {
        let at = self.cursor.closing_position();
        WaveError::Expected { expected, at, found: "`)`".to_owned() }
    }

    fn twice(&self, what: &'static str, name: &str, at: usize) -> WaveError {
        WaveError::Twice { what, name: name.to_owned(), at: self.cursor.position(at) }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_integer(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    is_digits(digits) && (digits.len() == 1 || !digits.starts_with('0'))
}

fn is_float(word: &str) -> bool {
    let (number, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    is_integer(whole) && is_digits(fraction) && is_digits(exponent)
}
