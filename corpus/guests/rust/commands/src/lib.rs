//! What more than one of the commands needs.

pub mod digest;
pub mod http;
