//! What is ignored makes no difference, and nothing else is.

use proptest::prelude::*;
use theater_diff::{Comparison, Ignore, Options};

use crate::recordings::{Making, Step, diff, record};

fn compared(x: &[Step], y: &[Step], ignored: &[&str]) -> Comparison {
    let mut ignore = Ignore::default();
    ignored.iter().for_each(|text| ignore.add(text).unwrap());
    let options = Options { ignore, ..Options::default() };
    let chains = [x, y].map(|steps| record(steps, &Making::default(), true));
    diff(&chains[0], &chains[1], &options)
}

#[test]
fn time_leaves_out_clocks() {
    let x = [Step::Number(1), Step::Clock(1), Step::Number(2)];
    let y = [Step::Clock(2), Step::Number(1), Step::Clock(3), Step::Clock(4), Step::Number(2)];
    assert!(compared(&x, &y, &[]).first.is_some());
    assert!(compared(&x, &y, &["random", "ids"]).first.is_some());
    let comparison = compared(&x, &y, &["time"]);
    assert_eq!((comparison.first, comparison.equal), (None, 3));
    assert_eq!(comparison.ignored, [1, 3]);
}

#[test]
fn events_are_ignored_once_however_often_they_are_passed_by() {
    let steps = |last: u32| {
        let pairs = (0..2000).flat_map(|number| [Step::Clock(1), Step::Number(number)]);
        [Step::Number(last)].into_iter().chain(pairs).collect::<Vec<_>>()
    };
    let comparison = compared(&steps(1), &steps(2), &["time"]);
    assert_eq!(comparison.rest.unwrap().equal, 2001);
    assert_eq!(comparison.ignored, [2000, 2000]);
}

#[test]
fn ids_leave_out_the_numbers_of_resources() {
    assert!(compared(&[Step::Drop(1)], &[Step::Drop(2)], &[]).first.is_some());
    assert_eq!(compared(&[Step::Drop(1)], &[Step::Drop(2)], &["ids"]).first, None);
}

#[test]
fn paths_lead_to_what_is_ignored() {
    let (x, y) = ([Step::Number(1)], [Step::Number(2)]);
    for path in ["args", "args[0]", "args[*]", "args.what"] {
        assert_eq!(compared(&x, &y, &[path]).first, None, "{path}");
    }
    for path in ["args[1]", "args.other", "args[0].inner", "result", "detail"] {
        assert!(compared(&x, &y, &[path]).first.is_some(), "{path}");
    }
    assert_eq!(compared(&[Step::Clock(1)], &[Step::Clock(2)], &["result"]).first, None);
}

#[test]
fn what_is_no_class_and_no_path_is_refused() {
    let wrong =
        ["", "tim", "args[", "args[x]", "args..a", "args.", "[0]", "what", "args[0]x", ".args"];
    for text in wrong {
        let error = Ignore::default().add(text).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{text}` is neither")), "{error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-c.\\[\\]0-9*]{0,12}", root in "args|result|") {
        let _ = Ignore::default().add(&format!("{root}{text}"));
    }
}
