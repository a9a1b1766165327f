//! Counts, sizes and times in the form people read.

use crate::machine;

/// A count with a comma between thousands.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 event`, `2 events`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A size with three digits or so: `17 B`, `2.05 MB`. Powers of ten, as disks and `ls --si` do.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut unit, mut divisor) = (0, 1u64);
    // The second condition keeps a size that rounds up to 1000 from being shown as such.
    while unit + 1 < units.len() && (bytes / divisor >= 1000 || rounds_to_thousand(bytes, divisor))
    {
        unit += 1;
        divisor *= 1000;
    }
    let value = bytes as f64 / divisor as f64;
    let decimals = match value {
        _ if unit == 0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", units[unit])
}

fn rounds_to_thousand(bytes: u64, divisor: u64) -> bool {
    divisor > 1 && bytes as f64 / divisor as f64 >= 999.5
}

/// Nanoseconds since the Unix epoch as a date and time in UTC.
#[must_use]
pub fn instant(ns: u64) -> String {
    let (seconds, ns) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = machine::date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let ms = ns / 1_000_000;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03} UTC")
}

/// A span of time with three digits or so: `1.20 ms`, `3.00 s`, `2h 03m 04s`.
#[must_use]
pub fn span(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.2} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        1_000_000_000..60_000_000_000 => format!("{:.2} s", ns as f64 / 1e9),
        60_000_000_000..3_600_000_000_000 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m {:02}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, counted, instant, size, span};

    #[test]
    fn counts_have_commas() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)].join(" "), {
            "0 999 1,000 1,234,567"
        });
        assert_eq!([counted(1, "event"), counted(2, "event")].join(" "), "1 event 2 events");
    }

    #[test]
    fn sizes_have_three_digits() {
        let shown: Vec<_> = [0, 999, 1000, 2_050_000, 12_340, 999_499, 999_600, u64::MAX]
            .map(size)
            .into_iter()
            .collect();
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.00 kB", "2.05 MB", "12.3 kB", "999 kB", "1.00 MB", "18.4 EB"]
        );
    }

    #[test]
    fn instants_are_dates() {
        assert_eq!(instant(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(instant(951_782_400_123_000_000), "2000-02-29 00:00:00.123 UTC");
        assert_eq!(instant(1_767_225_599_999_999_999), "2025-12-31 23:59:59.999 UTC");
        assert_eq!(instant(u64::MAX), "2554-07-21 23:34:33.709 UTC");
    }

    #[test]
    fn spans_fit_their_size() {
        let shown = [7, 1_200_000, 3_000_000_000, 61_000_000_000, 7_384_000_000_000].map(span);
        assert_eq!(shown, ["7 ns", "1.20 ms", "3.00 s", "1m 01s", "2h 03m 04s"]);
    }
}
