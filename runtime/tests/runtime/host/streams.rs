//! Arguments, variables, streams, clocks and randomness.

use std::fs;

use theater_runtime::host::{Captured, Clocks, Grants, Input, Output, Random};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::cli::environment::Host as _;
use wasmtime_wasi::p2::bindings::cli::stderr::Host as _;
use wasmtime_wasi::p2::bindings::cli::stdin::Host as _;
use wasmtime_wasi::p2::bindings::cli::stdout::Host as _;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{
    insecure::Host as _, insecure_seed::Host as _, random::Host as _,
};
use wasmtime_wasi::p2::bindings::sync::io::streams::{HostInputStream, HostOutputStream};

use super::{Data, data, decisions};

fn write(data: &mut Data, to_stdout: bool, text: &str) {
    let stream = if to_stdout { data.cli().get_stdout() } else { data.cli().get_stderr() };
    let stream = stream.expect("there always is a stream");
    let table = data.ctx().table;
    HostOutputStream::blocking_write_and_flush(table, stream, text.into())
        .unwrap_or_else(|error| panic!("{error}"));
}

fn read(data: &mut Data) -> Vec<u8> {
    let stream = data.cli().get_stdin().expect("there always is a stream");
    let mut read = Vec::new();
    loop {
        let again = wasmtime::component::Resource::new_borrow(stream.rep());
        match HostInputStream::blocking_read(data.ctx().table, again, 3) {
            Ok(bytes) => read.extend(bytes),
            Err(_) => return read,
        }
    }
}

#[test]
fn arguments_and_variables_are_the_granted_ones_only() {
    let mut nothing = data(Grants::default());
    assert_eq!(nothing.cli().get_arguments().unwrap(), [""; 0]);
    assert_eq!(nothing.cli().get_environment().unwrap(), []);
    assert_eq!(nothing.cli().initial_cwd().unwrap(), None);
    let pairs = vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
    let mut some = data(Grants {
        args: vec!["prog".to_owned(), "-x".to_owned()],
        env: pairs.clone(),
        ..Grants::default()
    });
    assert_eq!(some.cli().get_arguments().unwrap(), ["prog", "-x"]);
    assert_eq!(some.cli().get_environment().unwrap(), pairs);
}

#[test]
fn output_goes_where_it_was_granted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("err.txt");
    fs::write(&path, "old").unwrap();
    let captured = Captured::default();
    let mut data = data(Grants {
        stdout: Output::Captured(captured.clone()),
        stderr: Output::File(path.clone()),
        ..Grants::default()
    });
    write(&mut data, true, "hello ");
    write(&mut data, false, "oops");
    write(&mut data, true, "world");
    assert_eq!(captured.contents(), b"hello world");
    assert_eq!(fs::read(path).unwrap(), b"oops");
    assert_eq!(decisions(&mut data), [""; 0]);
}

#[test]
fn input_comes_from_where_it_was_granted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "from a file").unwrap();
    let of = |stdin| read(&mut data(Grants { stdin, ..Grants::default() }));
    assert_eq!(of(Input::None), b"");
    assert_eq!(of(Input::Bytes(b"from memory".to_vec())), b"from memory");
    assert_eq!(of(Input::File(file.path().to_owned())), b"from a file");
}

#[test]
fn fixed_clocks_go_on_by_one_step_a_reading() {
    let clocks = Clocks::Fixed { start_ns: 1_700_000_000_999_999_999, step_ns: 2 };
    let mut data = data(Grants { clocks, ..Grants::default() });
    let wall: Vec<_> = (0..2)
        .map(|_| wall_clock::Host::now(&mut data.clocks()).unwrap())
        .map(|now| (now.seconds, now.nanoseconds))
        .collect();
    assert_eq!(wall, [(1_700_000_000, 999_999_999), (1_700_000_001, 1)]);
    let monotonic: Vec<_> =
        (0..3).map(|_| monotonic_clock::Host::now(&mut data.clocks()).unwrap()).collect();
    assert_eq!(monotonic, [0, 2, 4]);
    assert_eq!(monotonic_clock::Host::resolution(&mut data.clocks()).unwrap(), 2);
}

#[test]
fn the_system_clock_shows_the_time() {
    let mut data = data(Grants::default());
    let now = wall_clock::Host::now(&mut data.clocks()).unwrap().seconds;
    let expected = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(expected) <= 2, "{now} {expected}");
}

#[test]
fn randomness_from_a_seed_follows_from_the_seed() {
    let draw = |random| {
        let mut data = data(Grants { random, ..Grants::default() });
        let random = data.ctx().ctx.random();
        (
            random.get_random_bytes(20).unwrap(),
            random.get_random_u64().unwrap(),
            random.get_insecure_random_u64().unwrap(),
            random.insecure_seed().unwrap(),
        )
    };
    let once = draw(Random::Seeded(7));
    assert_eq!(once, draw(Random::Seeded(7)));
    let other = draw(Random::Seeded(8));
    assert!(once.0 != other.0 && once.1 != other.1 && once.2 != other.2 && once.3 != other.3);
    assert_ne!(draw(Random::System), draw(Random::System));
    // What a seed means is fixed for ever: tests of components may depend on it.
    assert_eq!(once.1, SEED_7_U64);
}

/// The first `u64` after twenty bytes from the seed 7.
const SEED_7_U64: u64 = 2_729_908_684_119_878_147;
