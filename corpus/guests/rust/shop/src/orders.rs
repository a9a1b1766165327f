//! Orders, from what was asked for to what was paid.

use crate::exports::theater::shop::office::Receipt;
use crate::http::{Client, Failure};
use crate::money::Cents;
use crate::retry::patiently;

/// What somebody ordered.
struct Order<'a> {
    id: &'a str,
    customer: String,
    items: Vec<Item>,
}

/// So many pieces of one thing.
struct Item {
    pieces: u64,
    name: String,
    price: Cents,
}

/// Has an order's goods set aside and its total paid.
pub fn handle(id: &str) -> Result<Receipt, Failure> {
    let client = Client::from_environment()?;
    let text = client.get(&format!("/orders/{id}"))?;
    let order = Order::parse(id, &text).ok_or(Failure::Nonsense)?;
    let settled = if cfg!(feature = "tool-order") {
        let paid = order.pay(&client); // on the way: tool-order
        paid.and_then(|attempts| order.set_aside(&client).map(|()| attempts))
    } else {
        order.set_aside(&client).and_then(|()| order.pay(&client))
    };
    let attempts = settled.inspect_err(|failure| println!("{id}: {failure}"))?; // there: retries
    println!("{id}: {} paid {} at attempt {attempts}", order.customer, order.total());
    Ok(Receipt { order: id.to_owned(), total: order.total().to_string(), attempts })
}

impl<'a> Order<'a> {
    /// Reads an order: the customer, then a line for each item.
    fn parse(id: &'a str, text: &str) -> Option<Order<'a>> {
        let mut lines = text.lines();
        let customer = lines.next()?.strip_prefix("customer ")?.to_owned();
        let items = lines.map(Item::parse).collect::<Option<Vec<_>>>()?;
        Some(Order { id, customer, items })
    }

    fn total(&self) -> Cents {
        self.items.iter().map(|item| item.price * item.pieces).sum()
    }

    fn set_aside(&self, client: &Client) -> Result<(), Failure> {
        let items: Vec<String> =
            self.items.iter().map(|item| format!("\"{}\":{}", item.name, item.pieces)).collect();
        let body = format!("{{\"order\":\"{}\",\"items\":{{{}}}}}", self.id, items.join(","));
        client.post("/stock", self.id, &body)
    }

    /// At which attempt it was paid.
    fn pay(&self, client: &Client) -> Result<u32, Failure> {
        let body = format!("{{\"order\":\"{}\",\"amount\":{}}}", self.id, self.total());
        let once = |attempt| {
            client.post("/payments", &self.key(attempt), &body)?; // on the way: header
            Ok(attempt)
        };
        patiently(once) // on the way: retries
    }

    /// By what a service knows that it has seen the request before, so that nobody pays twice.
    fn key(&self, attempt: u32) -> String {
        if cfg!(feature = "header") && attempt > 1 {
            return format!("{}-{attempt}", self.id);
        }
        self.id.to_owned()
    }
}

impl Item {
    /// Reads a line such as `2 lamp 14.95`.
    fn parse(line: &str) -> Option<Item> {
        let mut words = line.split(' ');
        let pieces = words.next()?.parse().ok()?;
        let name = words.next()?.to_owned();
        let price = Cents::parse(words.next()?)?;
        Some(Item { pieces, name, price })
    }
}
