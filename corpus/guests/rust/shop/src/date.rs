//! Days of the calendar.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A day, as the number of days since the first of 1970.
#[derive(Clone, Copy)]
pub struct Date(i64);

impl Date {
    /// The day it is where the shop is.
    pub fn today() -> Date {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let offset = if cfg!(feature = "time-zone") { 0 } else { utc_offset() };
        Date((now as i64 + offset * 60).div_euclid(24 * 60 * 60))
    }
}

/// How many minutes the shop's clocks are ahead of UTC.
fn utc_offset() -> i64 {
    std::env::var("SHOP_UTC_OFFSET").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years are counted from the first of March, so that a leap day is the last of its year,
        // and in cycles of 400 years, which are all equally long.
        let days = self.0 + 719_468;
        let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + 400 * cycle + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}
