//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::Mul;

/// An amount in hundredths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cents(u64);

impl Cents {
    /// Reads an amount such as `19.90`.
    pub fn parse(text: &str) -> Option<Cents> {
        let (whole, hundredths) = text.split_once('.')?;
        if hundredths.len() != 2 {
            return None;
        }
        let [whole, hundredths] = [whole, hundredths].map(|digits| digits.parse::<u64>().ok());
        whole?.checked_mul(100)?.checked_add(hundredths?).map(Cents)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if cfg!(feature = "float-format") {
            return write!(f, "{}", self.0 as f64 / 100.0);
        }
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Mul<u64> for Cents {
    type Output = Cents;

    fn mul(self, times: u64) -> Cents {
        Cents(self.0 * times)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Cents>>(amounts: I) -> Cents {
        Cents(amounts.map(|amount| amount.0).sum())
    }
}
