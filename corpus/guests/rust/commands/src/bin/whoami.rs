//! Depends on the environment: greets whoever it says is there.

fn main() {
    let name = std::env::var("USER").unwrap_or_else(|_| "whoever you are".to_owned());
    println!("hello, {name}");
}
