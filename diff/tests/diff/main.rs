//! Tests of the comparison through its public interface.

mod samples;
mod values;
