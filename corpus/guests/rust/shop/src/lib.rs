//! A shop's back office: it has orders set aside and paid by services that it reaches over http,
//! and adds up what was sold. `SHOP_URL` says where the services are, `SHOP_UTC_OFFSET` how many
//! minutes the shop's clocks are ahead of UTC.
//!
//! Six other builds each have a bug, of the kind that a change brings in without being noticed:
//!
//! | feature | the bug |
//! |---|---|
//! | `off-by-one` | a report leaves out the last page of sales |
//! | `tool-order` | an order is paid before its goods are set aside |
//! | `header` | a payment that is tried again goes by another idempotency key |
//! | `float-format` | amounts are printed as floats, so that 59.70 becomes 59.7 |
//! | `time-zone` | today is the day it is in UTC |
//! | `retries` | a service that is busy is tried once more than was agreed |
//!
//! Comments at the ends of lines mark where that shows from outside. `here:` stands on the line
//! whose call differs in the builds that it names; where the base makes its call in another line,
//! `there:` stands on that. `on the way:` stands on lines that led to the call in those builds.

mod date;
mod http;
mod money;
mod orders;
mod pages;
mod retry;
mod sales;

use exports::theater::shop::office::{Day, Guest, Receipt, Summary};

wit_bindgen::generate!({ world: "shop" });

struct Shop;

impl Guest for Shop {
    fn handle(order: String) -> Result<Receipt, String> {
        orders::handle(&order).map_err(|failure| failure.to_string())
    }

    fn report(day: Day) -> Result<Summary, String> {
        sales::report(day).map_err(|failure| failure.to_string())
    }
}

export!(Shop);
