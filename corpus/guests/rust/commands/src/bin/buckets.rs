//! Depends on where things lie in memory: sorts jobs into buckets by the addresses of their buffers,
//! as a hash over pointers does. It reads its environment and prints nothing of it.

fn main() {
    let verbose = std::env::var_os("BUCKETS_VERBOSE").is_some();
    let jobs = ["parse", "sort", "write"].map(|name| (name, Vec::<u8>::with_capacity(512)));
    for (name, buffer) in &jobs {
        let bucket = buffer.as_ptr().addr().wrapping_mul(0x9e37_79b1) >> 24;
        println!("{name} is in bucket {bucket}");
    }
    if verbose {
        println!("{} jobs", jobs.len());
    }
}
