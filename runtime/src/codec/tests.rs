//! Holds the fused codec equal to the public `Val` path and to a chain's own reading of values,
//! over types of every shape, sound values and hostile ones.

mod echo;
mod shapes;
mod values;
