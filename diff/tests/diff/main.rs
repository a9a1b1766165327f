//! Tests of the comparison through its public interface.

mod chains;
mod ignore;
mod recordings;
mod samples;
mod values;
