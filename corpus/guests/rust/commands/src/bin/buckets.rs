//! Depends on where things lie in memory: sorts jobs into buckets by the addresses of their names,
//! as a hash over pointers does. It reads its environment and prints nothing of it.

fn main() {
    let verbose = std::env::var_os("BUCKETS_VERBOSE").is_some();
    let jobs: Vec<Box<str>> = ["parse", "sort", "write"].map(Box::from).into();
    for job in &jobs {
        let address = job.as_ptr().addr();
        let bucket = address.wrapping_mul(0x9e37_79b1) >> 24;
        println!("{job} is in bucket {bucket}");
    }
    if verbose {
        println!("{} jobs", jobs.len());
    }
}
