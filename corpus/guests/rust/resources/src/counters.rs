//! Counters: a resource that this component exports.

use std::cell::Cell;

use crate::Resources;
use crate::exports::theater::resources::counters::{Counter, CounterBorrow, Guest, GuestCounter};

thread_local! {
    static ALIVE: Cell<u32> = const { Cell::new(0) };
}

/// A number that the host can hold, but not look into.
pub(crate) struct Number(Cell<i64>);

impl Number {
    fn starting_at(start: i64) -> Number {
        ALIVE.set(ALIVE.get() + 1);
        Number(Cell::new(start))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

impl GuestCounter for Number {
    fn new(start: i64) -> Number {
        Number::starting_at(start)
    }

    fn add(&self, amount: i64) -> i64 {
        self.0.set(self.0.get().wrapping_add(amount));
        self.0.get()
    }

    fn value(&self) -> i64 {
        self.0.get()
    }

    fn copy(&self) -> Counter {
        Counter::new(Number::starting_at(self.0.get()))
    }

    fn sum(counters: Vec<CounterBorrow<'_>>) -> (Counter, i64) {
        let numbers = counters.iter().map(|counter| counter.get::<Number>().0.get());
        let sum = numbers.fold(0, i64::wrapping_add);
        (Counter::new(Number::starting_at(sum)), sum)
    }
}

impl Guest for Resources {
    type Counter = Number;

    fn spend(counter: Counter) -> i64 {
        counter.into_inner::<Number>().0.get()
    }

    fn alive() -> u32 {
        ALIVE.get()
    }
}
