//! What the verifier finds, in chains that are whole and in chains that are not.

mod chains;
mod intact;
mod tamper;
