//! Packing and unpacking give back every byte; packed files that lie are refused.

use std::io::Read;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use theater_record::{
    About, CheckpointPolicy, CloseReason, Event, Lifecycle, LifecycleState, Options, Recorder, Seed,
};
use theater_verify::Source;

use super::pack::Packing;
use super::{Packed, UNPACKED_BYTES_MAX, is_packed, pack};

/// Bytes in memory as something that can be opened.
struct Memory(Vec<u8>);

impl Source for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0[..].read_at(buffer, offset)
    }
}

/// A chain with a checkpoint after every five events.
fn chain(events: u64, detail: &str) -> Vec<u8> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let policy = CheckpointPolicy { records_max: 5, bytes_max: u64::MAX, interval_ns: None };
    let options = Options { policy, ..Options::default() };
    let clock = Arc::new(|| 1_700_000_000_000_000_000);
    let about = About::default();
    let mut recorder =
        Recorder::create(log.clone(), about, options, Seed::new([3; 32]), clock).unwrap();
    for at in 0..events {
        let (state, detail) = (LifecycleState::Paused, detail.to_owned());
        recorder.append(&Event::Lifecycle(Lifecycle { state, time: at, detail })).unwrap();
    }
    recorder.close(CloseReason::Completed, "").unwrap();
    log.lock().unwrap().clone()
}

fn packed(chain: &[u8]) -> (Vec<u8>, Packing) {
    let mut out = Vec::new();
    let packing = pack(&Memory(chain.to_vec()), &mut out, 1, |_| {}).unwrap();
    assert_eq!(packing.bytes, out.len() as u64);
    (out, packing)
}

fn open(file: &[u8]) -> std::io::Result<Packed> {
    Packed::new(Box::new(Memory(file.to_vec())))
}

fn read_all(source: &dyn Source) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(source.len()).unwrap()];
    source.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[test]
fn a_packed_chain_reads_like_the_chain_and_unpacks_with_plain_zstd() {
    let chain = chain(42, "so and so");
    let (file, packing) = packed(&chain);
    assert!(packing.frames >= 9 && packing.damaged_at.is_none(), "{packing:?}");
    assert!(file.len() < chain.len());
    assert!(is_packed(&Memory(file.clone())).unwrap());
    assert!(!is_packed(&Memory(chain.clone())).unwrap());
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(&file[..]).unwrap().read_to_end(&mut plain).unwrap();
    assert_eq!(plain, chain);
    let source = open(&file).unwrap();
    assert_eq!(read_all(&source).unwrap(), chain);
    for start in 0..chain.len() {
        let mut buffer = vec![0; (start * 7 % 900).min(chain.len() - start)];
        source.read_at(&mut buffer, start as u64).unwrap();
        assert_eq!(buffer, chain[start..][..buffer.len()]);
    }
    assert!(source.read_at(&mut [0; 2], chain.len() as u64 - 1).is_err());
    assert!(source.read_at(&mut [0], u64::MAX).is_err());
}

#[test]
fn several_threads_read_the_same_bytes() {
    let chain = chain(400, "the same in every thread");
    let source = open(&packed(&chain).0).unwrap();
    std::thread::scope(|scope| {
        for offset in 0..4 {
            let (source, chain) = (&source, &chain);
            scope.spawn(move || {
                for start in (offset..chain.len() - 1000).step_by(501) {
                    let mut buffer = [0; 1000];
                    source.read_at(&mut buffer, start as u64).unwrap();
                    assert_eq!(buffer, chain[start..][..1000]);
                }
            });
        }
    });
}

#[test]
fn a_segment_that_is_too_long_is_packed_in_several_frames() {
    let chain = chain(12, &"0123456789abcdef".repeat(250_000));
    assert!(chain.len() as u64 > 4 * UNPACKED_BYTES_MAX);
    let (file, packing) = packed(&chain);
    assert!(packing.frames > 6, "{packing:?}");
    assert_eq!(read_all(&open(&file).unwrap()).unwrap(), chain);
}

#[test]
fn no_cut_or_flipped_packed_file_passes_for_the_chain() {
    let chain = chain(7, "so and so");
    let (file, _) = packed(&chain);
    for len in 0..file.len() {
        assert!(open(&file[..len]).is_err(), "cut to {len} bytes");
    }
    for bit in 0..file.len() * 8 {
        let mut bytes = file.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = open(&bytes).and_then(|source| read_all(&source)) {
            assert_eq!(read, chain, "bit {bit}");
        }
    }
}

#[test]
fn only_chains_are_packed() {
    for bytes in [&b""[..], b"hello", &[0; 4000]] {
        assert!(pack(&Memory(bytes.to_vec()), &mut Vec::new(), 1, |_| {}).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_chains_come_back_as_they_were(
        at in 0usize..9000,
        noise in any::<Vec<u8>>(),
        cut in 100usize..9000,
    ) {
        let mut bytes = chain(60, "so and so");
        let at = at.clamp(12, bytes.len());
        let end = (at + noise.len() / 2).min(bytes.len());
        bytes.splice(at..end, noise);
        bytes.truncate(cut);
        let (file, _) = packed(&bytes);
        prop_assert_eq!(read_all(&open(&file).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn a_seek_table_of_noise_never_panics(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        entries in any::<u32>(),
    ) {
        let mut file = packed(&chain(7, "so and so")).0;
        let end = file.len() - 9;
        let start = end.saturating_sub(noise.len());
        file[start..end].copy_from_slice(&noise[..end - start]);
        let _ = open(&file).and_then(|source| read_all(&source));
        file[end..end + 4].copy_from_slice(&entries.to_le_bytes());
        if let Ok(source) = open(&file) {
            prop_assert!(source.len() <= file.len() as u64 * UNPACKED_BYTES_MAX);
        }
    }
}
