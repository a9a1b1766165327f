//! A book of accounts, called through an interface of its own. Its state lives in the component's
//! memory only, so it is whatever the calls so far have made of it.
//!
//! With the feature `v2` a transfer of more than 100 costs its source 1 more. Nothing else differs.

mod book;

use std::cell::RefCell;

use wasip2::clocks::wall_clock;

use book::Book;
use exports::theater::ledger::accounts::{Entry, Guest, Moment, Order, Page, Refusal};

wit_bindgen::generate!({ world: "ledger" });

thread_local! {
    static BOOK: RefCell<Book> = RefCell::new(Book::default());
}

struct Ledger;

impl Guest for Ledger {
    fn open(account: String) -> Result<(), Refusal> {
        BOOK.with_borrow_mut(|book| book.open(now(), account))
    }

    fn add(account: String, amount: i64) -> Result<i64, Refusal> {
        BOOK.with_borrow_mut(|book| book.add(now(), account, amount))
    }

    fn transfer(
        source: String,
        target: String,
        amount: i64,
        note: Option<String>,
    ) -> Result<(i64, i64), Refusal> {
        BOOK.with_borrow_mut(|book| book.transfer(now(), source, target, amount, note))
    }

    fn balance(account: String) -> Option<i64> {
        BOOK.with_borrow(|book| book.balance(&account))
    }

    fn history(order: Order) -> Vec<Entry> {
        let mut entries = BOOK.with_borrow(|book| book.entries().to_vec());
        match order {
            Order::OldestFirst => {}
            Order::NewestFirst => entries.reverse(),
        }
        entries
    }

    fn statement(accounts: Vec<String>) -> Vec<Page> {
        BOOK.with_borrow(|book| book.statement(accounts))
    }

    fn close() {
        BOOK.with_borrow_mut(|book| book.close(now()));
    }
}

fn now() -> Moment {
    let now = wall_clock::now();
    Moment { seconds: now.seconds, nanoseconds: now.nanoseconds }
}

export!(Ledger);
