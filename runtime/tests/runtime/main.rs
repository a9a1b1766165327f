//! The runtime's parts, each for itself.

mod wave;

mod home;

mod store;

mod host;

mod cli;

mod instantiation;
