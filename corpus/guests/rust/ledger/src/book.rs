//! What the accounts hold and how it came about.

use std::collections::BTreeMap;

use crate::exports::theater::ledger::accounts::{
    Change, Entry, Marks, Moment, Movement, Page, Passage, Refusal,
};

/// An amount from which on an entry is marked as large.
const LARGE: i64 = 1000;

/// All accounts by name, and every entry so far.
#[derive(Default)]
pub(crate) struct Book {
    accounts: BTreeMap<String, Account>,
    entries: Vec<Entry>,
}

/// What one account holds, and what it held after each entry that touched it.
#[derive(Default)]
struct Account {
    balance: i64,
    balances: Vec<(u64, i64)>,
}

impl Book {
    pub(crate) fn open(&mut self, at: Moment, account: String) -> Result<(), Refusal> {
        if self.accounts.contains_key(&account) {
            return Err(Refusal::Exists(account));
        }
        self.accounts.insert(account.clone(), Account::default());
        self.enter(at, Movement::Opened(account), Marks::empty(), None);
        Ok(())
    }

    pub(crate) fn add(&mut self, at: Moment, account: String, amount: i64) -> Result<i64, Refusal> {
        let held = self.held(&account)?;
        let balance = held.checked_add(amount).ok_or(Refusal::TooLarge)?;
        let mut marks = Marks::empty();
        marks.set(Marks::LARGE, amount.unsigned_abs() >= LARGE.unsigned_abs());
        marks.set(Marks::OVERDRAWN, balance < 0);
        let change = Change { account: account.clone(), amount };
        let number = self.enter(at, Movement::Added(change), marks, None);
        self.set(&account, number, balance);
        Ok(balance)
    }

    pub(crate) fn transfer(
        &mut self,
        at: Moment,
        source: String,
        target: String,
        amount: i64,
        note: Option<String>,
    ) -> Result<(i64, i64), Refusal> {
        if amount <= 0 {
            return Err(Refusal::NotPositive);
        }
        let (held, there) = (self.held(&source)?, self.held(&target)?);
        let fee = fee(amount);
        let cost = amount.checked_add(fee).ok_or(Refusal::TooLarge)?;
        if held < cost {
            return Err(Refusal::ShortOf(cost.saturating_sub(held)));
        }
        let arrived = there.checked_add(amount).ok_or(Refusal::TooLarge)?;
        let mut marks = Marks::empty();
        marks.set(Marks::LARGE, amount >= LARGE);
        marks.set(Marks::NOTED, note.is_some());
        let passage = Passage { source: source.clone(), target: target.clone(), amount, fee };
        let number = self.enter(at, Movement::Moved(passage), marks, note);
        if source == target {
            self.set(&source, number, held - fee);
        } else {
            self.set(&source, number, held - cost);
            self.set(&target, number, arrived);
        }
        Ok((self.held(&source)?, self.held(&target)?))
    }

    pub(crate) fn balance(&self, account: &str) -> Option<i64> {
        self.accounts.get(account).map(|account| account.balance)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn statement(&self, mut names: Vec<String>) -> Vec<Page> {
        if names.is_empty() {
            names = self.accounts.keys().cloned().collect();
        }
        let page = |name: String| {
            let account = self.accounts.get(&name)?;
            Some(Page {
                account: name,
                balance: account.balance,
                entries: account.balances.iter().map(|(number, _)| *number).collect(),
                balances: account.balances.clone(),
            })
        };
        names.into_iter().filter_map(page).collect()
    }

    pub(crate) fn close(&mut self, at: Moment) {
        self.accounts.clear();
        self.enter(at, Movement::Closed, Marks::empty(), None);
    }

    fn held(&self, account: &str) -> Result<i64, Refusal> {
        self.balance(account).ok_or_else(|| Refusal::Unknown(account.to_owned()))
    }

    fn set(&mut self, account: &str, number: u64, balance: i64) {
        if let Some(account) = self.accounts.get_mut(account) {
            account.balance = balance;
            account.balances.push((number, balance));
        }
    }

    /// Writes an entry and says which number it got.
    fn enter(&mut self, at: Moment, what: Movement, marks: Marks, note: Option<String>) -> u64 {
        let number = self.entries.len() as u64;
        self.entries.push(Entry { number, at, what, marks, note });
        number
    }
}

/// What a transfer costs.
fn fee(amount: i64) -> i64 {
    if cfg!(feature = "v2") && amount > 100 { 1 } else { 0 }
}
