//! Compares two chains as data: where they part, and which values differ in what.
//!
//! Nothing in here prints, and nothing decides whether a difference is good or bad. The two sides
//! are called *expected* and *actual*: the recording and its replay, or the first and the second
//! chain of a comparison.

mod path;
mod value;

pub use path::{PathStep, Root, ValuePath};
pub use value::{Change, Contents, Difference, Differences, Side, Typed, diff_args, diff_results};
