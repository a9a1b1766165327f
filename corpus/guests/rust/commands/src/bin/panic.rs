//! Prints a line and panics, with the arguments as the message.

fn main() {
    println!("about to panic");
    let words: Vec<String> = std::env::args().skip(1).collect();
    panic!("{}", if words.is_empty() { "as asked".to_owned() } else { words.join(" ") });
}
