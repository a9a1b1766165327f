//! What a chain is made of, held against things that were not made by the same hand: a CDDL
//! schema, another CBOR library, and bytes from somebody who means harm.

mod checkpoints;
mod samples;

mod values;

mod sealing;

mod sharing;

mod frames;

mod hostile;

mod schema;
