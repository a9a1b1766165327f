//! Supervision: what OTP does, step by step, and what holds whatever happens.

mod links;
mod random;
mod stage;
mod steps;
