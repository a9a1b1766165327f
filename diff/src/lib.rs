//! Compares two chains as data: where they part, and which values differ in what.
//!
//! Nothing in here prints, and nothing decides whether a difference is good or bad. The two sides
//! are called *expected* and *actual*: the recording and its replay, or the first and the second
//! chain of a comparison.

mod align;
mod chain;
mod compare;
mod event;
mod first;
mod ignore;
mod outline;
mod pair;
mod path;
mod setup;
mod shape;
mod value;

pub use chain::{Chain, DiffError, ReadAt};
pub use compare::{
    Comparison, Divergence, Edit, Options, Rest, SetupDifference, Stopped, What, compare,
};
pub use ignore::{Ignore, IgnoreError};
pub use outline::{EventAt, Outline};
pub use path::{PathStep, Root, ValuePath};
pub use value::{Change, Contents, Difference, Differences, Side, Typed, diff_args, diff_results};
