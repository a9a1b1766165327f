//! Asks for memory, a mebibyte at a time, until there is no more; says how far it came; then insists
//! and is aborted.

const PIECE: usize = 1 << 20;

fn main() {
    let mut pieces: Vec<Vec<u8>> = Vec::with_capacity(4096);
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(PIECE).is_err() {
            break;
        }
        pieces.push(piece);
    }
    println!("refused after {} MiB", pieces.len());
    pieces.push(Vec::with_capacity(PIECE));
    println!("not reached: {}", pieces.len());
}
