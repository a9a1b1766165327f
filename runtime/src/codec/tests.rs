//! Holds the fused codec equal to the public `Val` path and to a chain's own reading of values,
//! over types of every shape, sound values and hostile ones.

mod chains;
mod echo;
mod handles;
mod hostile;
mod shapes;
mod values;
