//! Sizes and times as people write them.

/// A number of bytes: `4096`, or with a unit, such as `64MiB`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().map_err(|_| "expected a number such as 64MiB".to_owned())?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(format!("{unit:?} is not a unit; use KiB, MiB or GiB")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| "the size is out of range".to_owned())
}

/// A time in nanoseconds: a number with a unit, such as `500ms`.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().map_err(|_| "expected a time such as 500ms".to_owned())?;
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err("a time needs a unit, as in 500ms, 5s or 2m".to_owned()),
        _ => return Err(format!("{unit:?} is not a unit; use ms, s, m or h")),
    };
    number.checked_mul(unit_ns).ok_or_else(|| "the time is out of range".to_owned())
}

/// A time as people write it, in the largest unit that it is a whole number of.
pub(super) fn time_text(time_ns: u64) -> String {
    let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];
    let small = [("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
    let fits = |(_, unit_ns): &&(&str, u64)| time_ns.is_multiple_of(*unit_ns);
    let (unit, unit_ns) = units.iter().chain(&small).find(fits).unwrap_or(&("ns", 1));
    match time_ns {
        0 => "0s".to_owned(),
        _ => format!("{}{unit}", time_ns / unit_ns),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::{parse_size, parse_time, time_text};

    #[test]
    fn sizes_and_times_have_units_and_limits() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        for wrong in
            ["", "MiB", "-1", "1 parsec", "99999999999999999999", "18446744073709551615KiB"]
        {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_time("2m"), Ok(120_000_000_000));
        for wrong in ["", "5", "s", "-1s", "5 fortnights", "18446744073709551615h"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
        for text in ["0s", "1ns", "1500ms", "90s", "2m", "1h", "25us"] {
            assert_eq!(time_text(parse_time(text).unwrap()), text);
        }
    }
}
