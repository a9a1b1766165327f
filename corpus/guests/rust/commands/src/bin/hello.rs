//! Says hello to whoever is named in the arguments, or to the world.

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        println!("hello, world");
    }
    for name in names {
        println!("hello, {name}");
    }
}
