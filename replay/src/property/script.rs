//! Calls as a script that `theater run --calls` takes.

use std::fmt::Write;

use theater_record::Value;

use super::calls::Call;

/// The NaN that `nan` reads back as, for either width.
const NAN_32: u32 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;

/// Calls, one to a line, below a comment.
pub(super) fn script(calls: &[Call], comment: &[&str]) -> String {
    let mut text = String::new();
    let mut line = |line: &dyn std::fmt::Display| {
        writeln!(text, "{line}").expect("a string takes everything");
    };
    let comment = comment.iter().flat_map(|comment| comment.lines());
    comment.for_each(|comment| line(&format_args!("# {comment}")));
    for call in calls {
        if call.args.iter().any(has_special_nan) {
            line(
                &"# One NaN below was another, for which this text has no word; the chain has it.",
            );
        }
        line(call);
    }
    text
}

/// Whether a value has a NaN inside that does not read back as it was.
fn has_special_nan(value: &Value) -> bool {
    match value {
        Value::F32(bits) => f32::from_bits(*bits).is_nan() && *bits != NAN_32,
        Value::F64(bits) => f64::from_bits(*bits).is_nan() && *bits != NAN_64,
        Value::List(items) | Value::Tuple(items) | Value::Record(items) => {
            items.iter().any(has_special_nan)
        }
        Value::Map(pairs) => {
            pairs.iter().any(|(key, value)| has_special_nan(key) || has_special_nan(value))
        }
        Value::Variant(_, Some(value))
        | Value::Option(Some(value))
        | Value::Result(Ok(Some(value)) | Err(Some(value))) => has_special_nan(value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use theater_record::Value;

    use super::{NAN_32, NAN_64, has_special_nan};

    #[test]
    fn nans_that_have_no_word_are_noticed() {
        let nested = |bits| Value::Option(Some(Box::new(Value::List(vec![Value::F64(bits)]))));
        assert!(has_special_nan(&nested(NAN_64 | 1)));
        assert!(!has_special_nan(&nested(NAN_64)));
        assert!(!has_special_nan(&nested(f64::INFINITY.to_bits())));
        assert!(has_special_nan(&Value::F32(NAN_32 | 0x8000_0000)));
        assert!(!has_special_nan(&Value::F32(NAN_32)));
    }
}
