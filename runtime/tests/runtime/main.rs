//! The runtime's parts, each for itself.

mod wave;

mod wit;

mod home;

mod store;

mod host;

mod cli;

mod instantiation;
