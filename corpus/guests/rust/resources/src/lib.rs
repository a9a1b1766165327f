//! Resources in both directions: counters that the host holds, and descriptors, streams and pollables
//! of the host that stay with the guest from one call to the next.

mod counters;
mod holding;

wit_bindgen::generate!({ world: "resources" });

struct Resources;

export!(Resources);
