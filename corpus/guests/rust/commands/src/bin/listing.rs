//! Depends on the order of directory entries: lists the folder that its argument names, in the order
//! in which the host has it, and forgets to sort.

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/".to_owned());
    for entry in std::fs::read_dir(folder)? {
        println!("{}", entry?.file_name().display());
    }
    Ok(())
}
