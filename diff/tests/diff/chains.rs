//! The comparison of chains: the first difference, what comes after it, and what makes none.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use theater_diff::{Comparison, DiffError, Edit, EventAt, Options, Rest, Stopped, What};
use theater_record::{LifecycleState, TrapCode};

use crate::recordings::{Making, Step, diff, diff_linked, record, try_diff, without_event};

/// Positions in which the chains part, if they do: `None` for a chain that has ended.
fn parted(comparison: &Comparison) -> Option<[Option<usize>; 2]> {
    let position = |event: &Option<EventAt>| event.map(|event| event.position);
    comparison.first.as_ref().map(|first| [position(&first.expected), position(&first.actual)])
}

/// The edits, one word each.
fn edits(rest: &Rest) -> Vec<String> {
    let word = |edit: &Edit| match edit {
        Edit::Changed { expected, actual, differences } => {
            let paths: Vec<_> =
                differences.found.iter().map(|found| found.path.to_string()).collect();
            format!("{}~{} {}", expected.position, actual.position, paths.join(" "))
        }
        Edit::Missing { first, count, before } => format!("-{}x{count} @{before}", first.position),
        Edit::Extra { first, count, before } => format!("+{}x{count} @{before}", first.position),
    };
    rest.edits.iter().map(word).collect()
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<Step> {
    numbers.into_iter().map(Step::Number).collect()
}

fn making() -> impl Strategy<Value = Making> {
    let numbers = (any::<u8>(), any::<u64>(), 2..50u64, 1..40usize);
    (numbers, any::<bool>(), prop::option::of(any::<u64>())).prop_map(
        |((seed, time, records_max, inline_bytes_max), backwards, fuel)| Making {
            seed,
            time,
            records_max,
            inline_bytes_max,
            backwards,
            fuel,
            name: "actor",
        },
    )
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5u32).prop_map(Step::Number),
        4 => "[ab]{0,40}".prop_map(Step::Text),
        2 => (0..3u64).prop_map(Step::Clock),
        1 => prop::sample::select(&TrapCode::ALL[..3]).prop_map(Step::Trap),
        1 => (0..3u64).prop_map(Step::Drop),
        1 => "[ab]{0,3}".prop_map(Step::Denied),
        1 => prop::sample::select(&LifecycleState::ALL[..]).prop_map(Step::State),
    ];
    prop::collection::vec(step, 0..most)
}

/// The second of two runs: the first with some pieces replaced.
fn edited(steps: Vec<Step>) -> impl Strategy<Value = (Vec<Step>, Vec<Step>)> {
    let piece = (any::<prop::sample::Index>(), 0..4usize, self::steps(4));
    prop::collection::vec(piece, 0..4).prop_map(move |pieces| {
        let mut other = steps.clone();
        for (at, len, new) in pieces {
            let at = at.index(other.len() + 1);
            let end = other.len().min(at + len);
            other.splice(at..end, new);
        }
        (steps.clone(), other)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_events_are_the_same_however_recorded(steps in steps(60), a in making(), b in making()) {
        let comparison = diff(&record(&steps, &a, true), &record(&steps, &b, true), &Options::default());
        prop_assert_eq!(comparison.first, None);
        prop_assert_eq!(comparison.rest, None);
        prop_assert_eq!(comparison.equal, steps.len() as u64 + 1);
        prop_assert_eq!(comparison.setup, []);
    }

    #[test]
    fn chains_part_where_their_events_do(
        (x, y) in steps(60).prop_flat_map(edited),
        a in making(),
        b in making(),
        same_making: bool,
    ) {
        let b = if same_making { a.clone() } else { b };
        let (first, second) = (record(&x, &a, false), record(&y, &b, false));
        let comparison = diff(&first, &second, &Options::default());
        let equal = x.iter().zip(&y).take_while(|(x, y)| x == y).count();
        let position = |steps: &[Step]| (equal < steps.len()).then_some(equal);
        let expected = [position(&x), position(&y)];
        prop_assert_eq!(parted(&comparison), (x != y).then_some(expected));
        prop_assert_eq!(comparison.equal, equal as u64);
        // Links are a short cut to the same answer.
        let linked = diff_linked(&first, &second, &Options::default(), true);
        prop_assert_eq!(&linked, &comparison);
        if let Some(rest) = comparison.rest {
            let pairs = rest.equal + rest.changed;
            prop_assert_eq!(pairs + rest.missing, (x.len() - equal) as u64);
            prop_assert_eq!(pairs + rest.extra, (y.len() - equal) as u64);
            prop_assert_eq!(rest.not_aligned, [0, 0]);
            prop_assert_eq!(rest.stopped, None);
            prop_assert_eq!(rest.unlisted, 0);
        }
    }

    #[test]
    fn the_edits_make_the_second_run_from_the_first((x, y) in steps(60).prop_flat_map(edited), a in making(), b in making()) {
        let comparison = diff(&record(&x, &a, false), &record(&y, &b, false), &Options::default());
        let Some(rest) = comparison.rest else {
            prop_assert_eq!(x, y);
            return Ok(());
        };
        let (mut made, mut at) = (Vec::new(), 0);
        for edit in &rest.edits {
            match edit {
                Edit::Changed { expected, actual, .. } => {
                    made.extend_from_slice(&x[at..expected.position]);
                    made.push(y[actual.position].clone());
                    at = expected.position + 1;
                }
                Edit::Missing { first, count, .. } => {
                    made.extend_from_slice(&x[at..first.position]);
                    at = first.position + *count as usize;
                }
                Edit::Extra { first, count, before } => {
                    made.extend_from_slice(&x[at..*before]);
                    made.extend_from_slice(&y[first.position..first.position + *count as usize]);
                    at = *before;
                }
            }
        }
        made.extend_from_slice(&x[at..]);
        prop_assert_eq!(made, y);
    }
}

#[test]
fn every_kind_of_event_is_compared() {
    let check = |x: Step, y: Step, expected: &str| {
        let chain = |step| record(&[step], &Making::default(), false);
        let comparison = diff(&chain(x), &chain(y), &Options::default());
        assert_eq!(edits(&comparison.rest.unwrap()).join(", "), expected);
    };
    let text = |text: &str| text.to_owned();
    check(Step::Number(1), Step::Number(2), "0~0 args[0]");
    check(Step::Text(text("a")), Step::Text(text("b")), "0~0 args[0]");
    check(Step::Clock(1), Step::Clock(2), "0~0 result");
    check(Step::Trap(TrapCode::HostError), Step::Trap(TrapCode::Exit), "0~0 trap");
    check(Step::Drop(1), Step::Drop(2), "0~0 resource");
    check(Step::Denied(text("a")), Step::Denied(text("b")), "0~0 subject");
    let (paused, killed) = (LifecycleState::Paused, LifecycleState::Killed);
    check(Step::State(paused), Step::State(killed), "-0x1 @0, +0x1 @1");
    check(Step::Number(1), Step::Clock(1), "-0x1 @0, +0x1 @1");
}

#[test]
fn an_inserted_event_is_not_taken_for_changes_of_all_that_follow() {
    let (x, mut y) = (numbers(0..50), numbers(0..50));
    y.insert(10, Step::Number(1000));
    let chains = [&x, &y].map(|steps| record(steps, &Making::default(), true));
    let comparison = diff(&chains[0], &chains[1], &Options::default());
    assert_eq!(comparison.equal, 10);
    let rest = comparison.rest.unwrap();
    assert_eq!(edits(&rest), ["+10x1 @10"]);
    assert_eq!(rest.equal, 41);
}

#[test]
fn a_prefix_ends_where_the_whole_goes_on() {
    let steps = numbers(0..5000);
    let whole = record(&steps, &Making::default(), false);
    let prefix = record(&steps[..2000], &Making::default(), false);
    for is_linked in [false, true] {
        let comparison = diff_linked(&prefix, &whole, &Options::default(), is_linked);
        assert_eq!(parted(&comparison), Some([None, Some(2000)]));
        assert_eq!(comparison.first.unwrap().what, What::End);
        let rest = comparison.rest.unwrap();
        assert_eq!(edits(&rest), ["+2000x3000 @2000"]);
        assert_eq!((rest.not_aligned, rest.stopped), ([0, 0], None));
    }
}

#[test]
fn long_chains_are_aligned_over_many_windows() {
    let x = numbers(0..70_000);
    let mut y = x.clone();
    y[60_000] = Step::Number(1);
    y.drain(30_000..30_003);
    y.insert(500, Step::Text("new".to_owned()));
    let chains = [&x, &y].map(|steps| record(steps, &Making::default(), true));
    let rest = diff(&chains[0], &chains[1], &Options::default()).rest.unwrap();
    assert_eq!(edits(&rest), ["+500x1 @500", "-30000x3 @30001", "60000~59998 args[0]"]);
    assert_eq!(rest.equal, 70_000 - 500 - 4 + 1);
}

#[test]
fn chains_with_nothing_in_common_are_not_aligned() {
    let x = numbers(0..30_000);
    let y = vec![Step::Clock(1); 40_000];
    let chains = [&x, &y].map(|steps| record(steps, &Making::default(), false));
    let rest = diff(&chains[0], &chains[1], &Options::default()).rest.unwrap();
    assert_eq!(rest.stopped, Some(Stopped::NothingAlike));
    assert_eq!(rest.not_aligned, [30_000, 40_000]);
    assert_eq!(edits(&rest), [""; 0]);
}

#[test]
fn a_deadline_limits_the_alignment_but_not_the_first_difference() {
    let (x, y) = (numbers(0..100), numbers((0..100).map(|at| if at < 40 { at } else { at + 7 })));
    let chains = [&x, &y].map(|steps| record(steps, &Making::default(), false));
    let late = Instant::now() - Duration::from_secs(1);
    let hurried = Options { deadline: Some(late), ..Options::default() };
    let patient = diff(&chains[0], &chains[1], &Options::default());
    let comparison = diff(&chains[0], &chains[1], &hurried);
    assert_eq!((comparison.first, comparison.equal), (patient.first, 40));
    let rest = comparison.rest.unwrap();
    assert_eq!((rest.stopped, rest.not_aligned), (Some(Stopped::Deadline), [60, 60]));
}

#[test]
fn lists_are_bounded_and_counts_are_not() {
    let (x, y) = (numbers(0..100), numbers((0..100).map(|at| at + at % 2 * 1000)));
    let chains = [&x, &y].map(|steps| record(steps, &Making::default(), false));
    let options = Options { edits_max: 3, ..Options::default() };
    let rest = diff(&chains[0], &chains[1], &options).rest.unwrap();
    assert_eq!(edits(&rest), ["1~1 args[0]", "3~3 args[0]", "5~5 args[0]"]);
    assert_eq!((rest.changed, rest.unlisted, rest.equal), (50, 47, 49));
}

#[test]
fn the_first_difference_can_be_all_that_is_wanted() {
    let chains = [numbers([1]), numbers([2])].map(|steps| record(&steps, &Making::default(), true));
    let options = Options { first_only: true, ..Options::default() };
    let comparison = diff(&chains[0], &chains[1], &options);
    assert_eq!(parted(&comparison), Some([Some(0), Some(0)]));
    assert_eq!(comparison.rest, None);
}

#[test]
fn shapes_can_be_compared_without_values() {
    let (x, mut y) = (numbers(0..9), numbers(5..14));
    let options = Options { shape_only: true, ..Options::default() };
    let chain = |steps: &[Step]| record(steps, &Making::default(), true);
    assert_eq!(diff(&chain(&x), &chain(&y), &options).first, None);
    y[4] = Step::Clock(0);
    let comparison = diff(&chain(&x), &chain(&y), &options);
    assert_eq!(parted(&comparison), Some([Some(4), Some(4)]));
    assert_eq!(comparison.first.unwrap().what, What::Shape);
}

#[test]
fn damage_is_told_from_difference() {
    let whole = record(&numbers(0..30), &Making::default(), true);
    let damaged = without_event(&whole, 12);
    let comparison = diff(&whole, &damaged, &Options::default());
    let first = comparison.first.unwrap();
    assert_eq!(first.after_gap, [false, true]);
    assert_eq!(edits(&comparison.rest.unwrap()), ["-12x1 @12"]);
}

#[test]
fn how_a_recording_was_set_up_is_told_but_makes_no_difference() {
    let making = Making { name: "other", ..Making::default() };
    let chains = [Making::default(), making].map(|making| record(&numbers(0..3), &making, true));
    let comparison = diff(&chains[0], &chains[1], &Options::default());
    assert_eq!(comparison.first, None);
    let [setup] = &comparison.setup[..] else { panic!("{:?}", comparison.setup) };
    assert_eq!((&*setup.name, setup.expected.as_deref()), ("name", Some("actor")));
    assert_eq!(setup.actual.as_deref(), Some("other"));
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error() {
    let chain = record(&numbers(0..30), &Making::default(), true);
    let other = record(&numbers(0..29), &Making { backwards: true, ..Making::default() }, true);
    let result = try_diff([&chain, &chain], [&chain, &other], &Options::default(), false);
    assert!(matches!(result, Err(DiffError::Changed { .. } | DiffError::Io { .. })));
}
