//! Every guest of the corpus, recorded against real files, real servers and a real host, verified,
//! and replayed on both backends after all of that is gone.

mod chains;
mod denials;
mod files;
mod fuel;
mod http;
mod interfaces;
mod languages;
mod limits;
mod programs;
mod resumed;
mod twice;

use theater_record::{Outcome, TrapCode};

use crate::stage::{Recorded, Setup};

/// Records a guest that comes to its end, and replays it on both backends.
#[track_caller]
fn comes_to_its_end(setup: &Setup) -> Recorded {
    let recorded = setup.record();
    assert!(
        recorded.failure.is_none(),
        "{:?}\n{}{}",
        recorded.failure,
        recorded.stdout,
        recorded.stderr
    );
    recorded.replays();
    recorded
}

/// Records a guest that fails in this way, and replays it on both backends.
#[track_caller]
fn fails(setup: &Setup, expected: TrapCode) -> Recorded {
    let recorded = setup.record();
    let failure = recorded.failure.as_ref().expect("the guest fails");
    assert_eq!(failure.code, expected, "{failure}\n{}{}", recorded.stdout, recorded.stderr);
    let history = recorded.history();
    let Outcome::Trapped { code, .. } = history.end() else { panic!("it is in the chain") };
    assert_eq!(*code, expected);
    recorded.replays();
    recorded
}

/// Records a program that ends itself with this status, and replays it on both backends.
#[track_caller]
fn exits(setup: &Setup, status: &str) -> Recorded {
    let recorded = fails(setup, TrapCode::Exit);
    assert_eq!(recorded.failure.as_ref().unwrap().detail, status, "{}", recorded.stdout);
    recorded
}
