//! Points in time, in nanoseconds since the Unix epoch, as people write and read them.

use crate::machine;
use crate::manifest::amounts::parse_time;

const SECOND_NS: u64 = 1_000_000_000;
/// The last day that four digits of a year can name, 9999-12-31.
const LAST_DAY: u64 = 2_932_896;

/// A point in time in UTC to the millisecond, such as `2026-11-21T09:30:00.250Z`.
pub(crate) fn utc(ns: u64) -> String {
    let (second, ms) = (ns / SECOND_NS, ns % SECOND_NS / 1_000_000);
    let (year, month, day) = machine::date(second / 86_400);
    let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{ms:03}Z", second % 60)
}

/// Reads a point in time: how long ago (`90s`, `2h`), seconds since the Unix epoch, or UTC as in
/// `2026-11-21T09:30:00Z`, of which the end may be left out.
pub(crate) fn parse(text: &str, now: u64) -> Result<u64, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(SECOND_NS).ok_or_else(|| format!("{text} is too large"));
    }
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
        return Ok(now.saturating_sub(days.saturating_mul(86_400 * SECOND_NS)));
    }
    if let Ok(ago) = parse_time(text) {
        return Ok(now.saturating_sub(ago));
    }
    parse_utc(text).ok_or_else(|| {
        format!(
            "{text:?} is no time: write 90s or 2h or 1d for so long ago, or 2026-11-21T09:30:00Z"
        )
    })
}

fn parse_utc(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let date = numbers(date, '-', &[4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let time = numbers(time, ':', &[2, 2, 2])
        .or_else(|| numbers(time, ':', &[2, 2]).map(|time| [time, vec![0]].concat()))?;
    let (hour, minute, second) = (time[0], time[1], time[2]);
    let digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if hour > 23 || minute > 59 || second > 59 || !digits {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    let day = day_of(date[0], date[1], date[2])?;
    let second = day * 86_400 + hour * 3600 + minute * 60 + second;
    second.checked_mul(SECOND_NS)?.checked_add(fraction)
}

/// Numbers with so many digits each.
fn numbers(text: &str, between: char, digits: &[usize]) -> Option<Vec<u64>> {
    let parts: Vec<&str> = text.split(between).collect();
    let fits = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.len() != digits.len()
        || !parts.iter().zip(digits).all(|(part, digits)| fits(part, *digits))
    {
        return None;
    }
    parts.iter().map(|part| part.parse().ok()).collect()
}

/// The day counted from 1970-01-01 that has this date, if one has.
fn day_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let date = (year, month, day);
    // Days have their dates' order.
    let (mut first, mut end) = (0, LAST_DAY + 1);
    while first < end {
        let middle = first.midpoint(end);
        match machine::date(middle).cmp(&date) {
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Less => first = middle + 1,
            std::cmp::Ordering::Greater => end = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SECOND_NS, parse, utc};

    #[test]
    fn times_are_read_in_every_form() {
        let now = 1_800_000_000 * SECOND_NS;
        assert_eq!(utc(now), "2027-01-15T08:00:00.000Z");
        for text in [
            "1800000000",
            "2027-01-15T08:00:00Z",
            "2027-01-15 08:00",
            "2027-01-15T08:00:00.0Z",
            "0s",
        ] {
            assert_eq!(parse(text, now), Ok(now), "{text}");
        }
        assert_eq!(parse("1h", now), Ok(now - 3600 * SECOND_NS));
        assert_eq!(parse("1d", now), parse("2027-01-14T08:00:00Z", 0));
        assert_eq!(parse("2027-01-15", 0), Ok(now - 8 * 3600 * SECOND_NS));
        assert_eq!(parse("99999d", 5), Ok(0));
    }

    #[test]
    fn what_is_no_time_is_said_to_be_none() {
        for text in [
            "",
            "yesterday",
            "2027-02-30",
            "2027-1-1",
            "2027-01-15T24:00",
            "1969-12-31",
            "-1",
            "2027-01-15T08:00:00.1234567890Z",
            "2027-01-15T08:00:00.+1Z",
            "99999999999999999999",
        ] {
            assert!(parse(text, 0).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn times_are_read_as_they_are_written(ms in 0..18_000_000_000_000_u64) {
            let ns = ms * 1_000_000;
            prop_assert_eq!(parse(&utc(ns), 0), Ok(ns));
        }
    }
}
