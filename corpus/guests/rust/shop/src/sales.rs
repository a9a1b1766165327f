//! What was sold on a day.

use crate::date::Date;
use crate::exports::theater::shop::office::{Day, Summary};
use crate::http::{Client, Failure};
use crate::money::Cents;
use crate::pages::{self, Page};

/// Adds up the sales of a day.
pub fn report(day: Day) -> Result<Summary, Failure> {
    let client = Client::from_environment()?;
    let day = match day {
        Day::Today => Date::today().to_string(),
        Day::Date(day) => day,
    };
    println!("sales of {day}"); // here: time-zone
    let sales = pages::all(|page| {
        let text = client.get(&format!("/sales/{day}?page={page}"))?;
        page_of(&text).ok_or(Failure::Nonsense)
    })?;
    let total: Cents = sales.iter().copied().sum();
    println!("{} sales, {total}", sales.len()); // here: off-by-one
    Ok(Summary { day, sales: sales.len() as u32, total: total.to_string() })
}

/// Reads a page: how many there are, and an amount in each further line.
fn page_of(text: &str) -> Option<Page<Cents>> {
    let mut lines = text.lines();
    let pages = lines.next()?.strip_prefix("pages ")?.parse().ok()?;
    let entries = lines.map(Cents::parse).collect::<Option<Vec<_>>>()?;
    Some(Page { pages, entries })
}
