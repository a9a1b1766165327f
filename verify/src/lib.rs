//! Checks a chain: links, form, segments, signatures, policy; and says what happened to it.
//!
//! Findings are data: a damaged chain gives a [`Report`] with [`Fault`]s, not an error. Errors are
//! kept for what stops the check itself, such as a file that cannot be read.

mod audit;
mod classify;
mod fault;
mod heal;
mod job;
mod lanes;
mod leaves;
mod piece;
mod policy;
mod proof;
mod quick;
mod report;
mod scan;
pub mod set;
mod source;
mod survey;
mod verified;
mod verify;

pub use fault::{CheckpointField, Fault, SignatureFault};
pub use proof::{Part, Proof, ProofError, ProveError, Proved, prove};
pub use report::{
    Anchor, BlobCount, Depth, Head, Policy, Report, Signatures, Unmet, Verdict, VerifyError,
};
pub use source::{FileSource, GrowingFile, Source, SourceReader};
pub use verified::{Checked, VerifiedChain};
pub use verify::{Options, verify};
