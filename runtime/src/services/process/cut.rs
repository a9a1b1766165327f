//! Cuts output into the pieces in which it is told.

use bytes::{Buf, BytesMut};

/// Where output is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Wherever it comes in pieces.
    AsItComes,
    /// At the ends of lines, and where a line is longer than the buffer.
    Lines,
    /// After so many bytes.
    Chunks(usize),
}

/// Output that waits to be told, never more than there is room for.
#[derive(Debug)]
pub(super) struct Cutter {
    cut: Cut,
    capacity: usize,
    waiting: BytesMut,
    /// So much of it has no end of a line.
    searched: usize,
    /// The line that goes on here was told in part.
    is_cut: bool,
}

impl Cutter {
    pub(super) fn new(cut: Cut, capacity: usize) -> Cutter {
        Cutter { cut, capacity, waiting: BytesMut::new(), searched: 0, is_cut: false }
    }

    /// How much more there is room for. Never nothing once all whole pieces were taken.
    pub(super) fn room(&self) -> usize {
        self.capacity - self.waiting.len()
    }

    /// Adds output, no more than there is room for.
    pub(super) fn add(&mut self, output: &[u8]) {
        self.waiting.extend_from_slice(output);
    }

    /// Takes the next piece that is whole.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        match self.cut {
            Cut::AsItComes => self.take_rest(),
            Cut::Lines => self.take_line(),
            Cut::Chunks(size) if self.waiting.len() < size => None,
            Cut::Chunks(size) => Some(self.waiting.split_to(size).to_vec()),
        }
    }

    /// Takes what is left once all output was added and all whole pieces were taken.
    pub(super) fn take_rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.waiting.split();
        self.searched = 0;
        (!rest.is_empty()).then(|| rest.to_vec())
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let new = &self.waiting[self.searched..];
            let Some(length) = new.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.waiting.len();
                if self.room() > 0 {
                    return None;
                }
                self.is_cut = true;
                return self.take_rest();
            };
            let line = self.waiting.split_to(self.searched + length);
            self.waiting.advance(1);
            self.searched = 0;
            // What ends here right after a cut was told as a whole already.
            let is_told = std::mem::take(&mut self.is_cut) && line.is_empty();
            if !is_told {
                return Some(line.to_vec());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cut, Cutter};

    /// All pieces of an output that comes in these parts.
    fn pieces(cut: Cut, capacity: usize, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(cut, capacity);
        let mut pieces = Vec::new();
        for mut part in parts.iter().copied() {
            while !part.is_empty() {
                let (now, later) = part.split_at(part.len().min(cutter.room()));
                assert!(!now.is_empty(), "there is always room");
                cutter.add(now);
                pieces.extend(std::iter::from_fn(|| cutter.take()));
                part = later;
            }
        }
        pieces.extend(cutter.take_rest());
        pieces
    }

    #[track_caller]
    fn comes_as(cut: Cut, capacity: usize, parts: &[&str], expected: &[&str]) {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        let pieces = pieces(cut, capacity, &parts);
        let texts: Vec<_> = pieces.iter().map(|piece| str::from_utf8(piece).unwrap()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn lines_come_without_their_ends() {
        comes_as(Cut::Lines, 9, &["one\ntw", "o\n\nthree"], &["one", "two", "", "three"]);
        comes_as(Cut::Lines, 9, &["\n\n"], &["", ""]);
        comes_as(Cut::Lines, 9, &["a\r\n"], &["a\r"]);
        comes_as(Cut::Lines, 9, &[], &[]);
    }

    #[test]
    fn long_lines_are_cut_and_add_no_empty_ones() {
        comes_as(Cut::Lines, 4, &["abcdefghij\nk\n"], &["abcd", "efgh", "ij", "k"]);
        comes_as(Cut::Lines, 4, &["abcd\nefgh\n\n"], &["abcd", "efgh", ""]);
        comes_as(Cut::Lines, 4, &["abcdefgh"], &["abcd", "efgh"]);
    }

    #[test]
    fn chunks_have_their_size_but_the_last() {
        comes_as(Cut::Chunks(3), 8, &["a", "bcdefg", "h"], &["abc", "def", "gh"]);
        comes_as(Cut::Chunks(8), 8, &["abcdefgh"], &["abcdefgh"]);
    }

    #[test]
    fn what_comes_as_it_comes_is_not_put_together() {
        comes_as(Cut::AsItComes, 4, &["ab", "c\n", "defgh"], &["ab", "c\n", "defg", "h"]);
    }

    proptest! {
        /// How output is cut depends on what it is, not on how it comes.
        #[test]
        fn pieces_do_not_depend_on_how_output_comes(
            output in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..200),
            sizes in prop::collection::vec(1..20_usize, 1..50),
            capacity in 1..30_usize,
        ) {
            let mut parts = Vec::new();
            let mut rest = &output[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, later) = rest.split_at((*size).min(rest.len()));
                parts.push(part);
                rest = later;
            }
            for cut in [Cut::Lines, Cut::Chunks(capacity.div_ceil(2))] {
                let whole = pieces(cut, capacity, &[&output]);
                prop_assert_eq!(&pieces(cut, capacity, &parts), &whole);
                prop_assert!(whole.iter().all(|piece| piece.len() <= capacity));
            }
            prop_assert_eq!(pieces(Cut::AsItComes, capacity, &parts).concat(), &output[..]);
            prop_assert_eq!(pieces(Cut::Chunks(capacity), capacity, &parts).concat(), &output[..]);
            let text: Vec<u8> = pieces(Cut::Lines, capacity, &parts).concat();
            let no_ends: Vec<u8> = output.iter().copied().filter(|byte| *byte != b'\n').collect();
            prop_assert_eq!(text, no_ends);
        }
    }
}
