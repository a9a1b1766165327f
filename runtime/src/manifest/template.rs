//! `${x.y:default}` in the texts of a manifest: filled in from the initial state.
//!
//! Only values are filled in, after the file was read, and what is filled in is not read again. So nothing
//! in a state can add a key to a manifest, or leave the text in which it stands.

use serde_json::Value;

/// What texts are filled in from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Template<'a> {
    state: Option<&'a Value>,
}

impl<'a> Template<'a> {
    /// Fills in from this state, an object in JSON.
    pub(super) fn new(state: Option<&'a Value>) -> Template<'a> {
        Template { state }
    }

    /// The text with its gaps filled in, or what is wrong with it.
    ///
    /// `$${` stands for `${`.
    pub(super) fn fill(self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if let Some(before) = rest[..start].strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            filled.push_str(&rest[..start]);
            let gap = &rest[start + 2..];
            let end = gap.find('}').ok_or_else(|| format!("{text:?} has a ${{ without a }}"))?;
            filled.push_str(&self.value(&gap[..end])?);
            rest = &gap[end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What stands in one gap.
    fn value(self, gap: &str) -> Result<String, String> {
        let (path, default) = match gap.split_once(':') {
            Some((path, default)) => (path, Some(default)),
            None => (gap, None),
        };
        let is_key = |key: &str| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        if !path.split('.').all(is_key) {
            return Err(format!(
                "${{{gap}}} names no value: write ${{key.key}} or ${{key:default}}"
            ));
        }
        let mut value = self.state;
        for key in path.split('.') {
            value = value.and_then(|value| value.get(key));
        }
        match (value, default) {
            (Some(Value::String(text)), _) => Ok(text.clone()),
            (Some(value @ (Value::Number(_) | Value::Bool(_))), _) => Ok(value.to_string()),
            (Some(Value::Array(_) | Value::Object(_)), _) => {
                Err(format!("{path} of the initial state is no text, number or boolean"))
            }
            (None | Some(Value::Null), Some(default)) => Ok(default.to_owned()),
            (None | Some(Value::Null), None) => Err(format!(
                "the initial state has no {path}: give it, or write ${{{path}:default}}"
            )),
        }
    }
}
