//! Tests of the project as a whole, in reading order.

mod tidy;

mod corpus;

mod python;
