//! One thing happens, and then what OTP would do.

use super::stage::{Doing, MS, PERIOD_NS, Stage, policy, spec};
use crate::supervision::{
    Action, BackOff, Child, Event, Exit, Policy, Report, Restart, Shutdown, Strategy,
};

use Restart::{Permanent, Temporary, Transient};
use Strategy::{OneForAll, OneForOne, RestForOne};

const FIVE: [Restart; 5] = [Permanent; 5];

#[test]
fn children_start_in_order_each_once_the_one_before_is_up() {
    let specs = vec![spec(Permanent, Shutdown::Kill); 3];
    let mut stage = Stage::new(policy(OneForOne, 1), &specs);
    stage.tell(Event::StartAsked);
    assert_eq!(stage.story(), "+0");
    stage.get_on(Child(0));
    assert_eq!(stage.story(), "+0 +1");
    stage.settle();
    assert_eq!(stage.story(), "+0 +1 +2");
}

#[test]
fn children_stop_in_reverse_order_each_once_the_one_after_is_down() {
    let mut stage = Stage::up(policy(OneForOne, 1), &FIVE[..3]);
    stage.tell(Event::StopAsked);
    assert_eq!(stage.story(), "-2");
    stage.settle();
    assert_eq!(stage.story(), "-2 -1 -0 stopped");
    assert!(stage.supervisor.has_ended());
}

#[test]
fn whoever_does_not_stop_in_time_is_killed() {
    let whenever = spec(Permanent, Shutdown::Whenever);
    let slow = spec(Permanent, Shutdown::Within(100 * MS));
    let doomed = spec(Permanent, Shutdown::Kill);
    let mut stage = Stage::new(policy(OneForOne, 1), &[whenever, slow, doomed]);
    stage.tell(Event::StartAsked);
    stage.settle();
    stage.log.clear();
    stage.tell(Event::StopAsked);
    assert_eq!(stage.story(), "x2");
    stage.exit(2, Exit::Killed);
    assert_eq!(stage.story(), "x2 -1");
    assert_eq!(stage.timer_ns, Some(100 * MS));
    stage.now_ns = 100 * MS - 1;
    stage.timer_ns = None;
    stage.tell(Event::Timer);
    assert_eq!(stage.story(), "x2 -1");
    assert_eq!(stage.timer_ns, Some(100 * MS), "a timer that was early is set again");
    assert!(stage.pass());
    assert_eq!(stage.story(), "x2 -1 x1");
    stage.exit(1, Exit::Killed);
    assert_eq!(stage.story(), "x2 -1 x1 -0");
    assert_eq!(stage.timer_ns, None, "the first may take as long as it likes");
}

#[test]
fn each_strategy_starts_its_group_again() {
    let after = |strategy| {
        let mut stage = Stage::up(policy(strategy, 1), &FIVE);
        stage.exit(2, Exit::Failed);
        stage.settle();
        stage.story()
    };
    assert_eq!(after(OneForOne), "+2");
    assert_eq!(after(OneForAll), "-4 -3 -1 -0 +0 +1 +2 +3 +4");
    assert_eq!(after(RestForOne), "-4 -3 +2 +3 +4");
}

#[test]
fn each_restart_type_says_who_comes_back() {
    for (restart, exit, story) in [
        (Permanent, Exit::Completed, "+0"),
        (Permanent, Exit::Stopped, "+0"),
        (Permanent, Exit::Failed, "+0"),
        (Permanent, Exit::Killed, "+0"),
        (Transient, Exit::Completed, ""),
        (Transient, Exit::Stopped, ""),
        (Transient, Exit::Failed, "+0"),
        (Transient, Exit::Killed, "+0"),
        (Temporary, Exit::Completed, ""),
        (Temporary, Exit::Failed, ""),
    ] {
        let mut stage = Stage::up(policy(OneForAll, 1), &[restart]);
        stage.exit(0, exit);
        stage.settle();
        assert_eq!(stage.story(), story, "{restart:?} {exit:?}");
        let left = stage.supervisor.children().count();
        assert_eq!(left, usize::from(restart != Temporary), "{restart:?}");
    }
}

#[test]
fn with_their_group_the_transient_come_back_and_the_temporary_go() {
    let mut stage = Stage::up(policy(OneForAll, 1), &[Permanent, Transient, Temporary]);
    stage.exit(1, Exit::Completed);
    assert_eq!(stage.story(), "");
    stage.exit(0, Exit::Failed);
    stage.settle();
    assert_eq!(stage.story(), "-2 +0 +1");
    let left: Vec<Child> = stage.supervisor.children().map(|(child, _)| child).collect();
    assert_eq!(left, [Child(0), Child(1)]);
}

#[test]
fn one_restart_more_than_tolerated_escalates_once_all_are_down() {
    let mut stage = Stage::up(policy(OneForOne, 2), &FIVE[..2]);
    for _ in 0..2 {
        stage.exit(0, Exit::Failed);
        stage.settle();
    }
    assert_eq!(stage.story(), "+0 +0");
    stage.exit(0, Exit::Failed);
    assert_eq!(stage.story(), "+0 +0 -1");
    stage.settle();
    assert_eq!(stage.story(), "+0 +0 -1 TooManyRestarts(Child(0))");
}

#[test]
fn restarts_of_long_ago_do_not_count() {
    let mut stage = Stage::up(policy(OneForOne, 1), &FIVE[..1]);
    for _ in 0..3 {
        stage.exit(0, Exit::Failed);
        stage.settle();
        stage.now_ns += PERIOD_NS + 1;
    }
    assert_eq!(stage.story(), "+0 +0 +0");
    stage.exit(0, Exit::Failed);
    stage.settle();
    stage.now_ns += PERIOD_NS;
    stage.exit(0, Exit::Failed);
    assert_eq!(stage.story(), "+0 +0 +0 +0 TooManyRestarts(Child(0))");
}

#[test]
fn none_tolerated_means_that_the_first_failure_escalates() {
    let mut stage = Stage::up(policy(OneForOne, 0), &FIVE[..1]);
    stage.exit(0, Exit::Completed);
    assert_eq!(stage.story(), "TooManyRestarts(Child(0))");
}

#[test]
fn a_first_start_that_fails_undoes_the_others() {
    let specs = vec![spec(Permanent, Shutdown::Kill); 3];
    let mut stage = Stage::new(policy(OneForOne, 9), &specs);
    stage.tell(Event::StartAsked);
    stage.get_on(Child(0));
    stage.doing.remove(&Child(1));
    stage.tell(Event::StartFailed(Child(1)));
    stage.settle();
    assert_eq!(stage.story(), "+0 +1 x0 NotStarted(Child(1))");
}

#[test]
fn a_restart_that_fails_is_one_more_failure() {
    let mut stage = Stage::up(policy(OneForOne, 2), &FIVE[..1]);
    stage.exit(0, Exit::Failed);
    stage.doing.remove(&Child(0));
    stage.tell(Event::StartFailed(Child(0)));
    assert_eq!(stage.story(), "+0 +0");
    stage.exit(0, Exit::Killed);
    assert_eq!(stage.story(), "+0 +0 TooManyRestarts(Child(0))");
}

#[test]
fn waits_double_up_to_the_longest_and_begin_anew_after_a_quiet_period() {
    let back_off = BackOff { first_ns: 100 * MS, max_ns: 300 * MS };
    let mut stage = Stage::up(Policy { back_off, ..policy(OneForOne, 9) }, &FIVE[..1]);
    let mut waited = Vec::new();
    for quiet_ns in [0, 0, 0, PERIOD_NS - 1, PERIOD_NS] {
        stage.now_ns += quiet_ns;
        let failed_ns = stage.now_ns;
        stage.exit(0, Exit::Failed);
        assert!(!stage.doing.contains_key(&Child(0)), "it does not wait");
        stage.settle();
        waited.push((stage.now_ns - failed_ns) / MS);
    }
    assert_eq!(waited, [100, 200, 300, 300, 100]);
    let none = BackOff { first_ns: 0, max_ns: u64::MAX };
    let long = BackOff { first_ns: 3, max_ns: u64::MAX };
    assert_eq!([none.delay_ns(64), long.delay_ns(1), long.delay_ns(64)], [0, 6, u64::MAX]);
}

#[test]
fn a_child_that_waits_keeps_nobody_else_waiting() {
    let back_off = BackOff { first_ns: 100 * MS, max_ns: 300 * MS };
    let mut stage = Stage::up(Policy { back_off, ..policy(OneForOne, 9) }, &FIVE[..2]);
    stage.exit(0, Exit::Failed);
    stage.now_ns = 50 * MS;
    stage.exit(1, Exit::Failed);
    assert_eq!(stage.timer_ns, Some(100 * MS));
    assert!(stage.pass());
    assert_eq!(stage.story(), "+0");
    assert!(stage.pass());
    assert_eq!(stage.story(), "+0 +1");
}

#[test]
fn a_failure_within_a_group_restart_widens_it() {
    let mut stage = Stage::up(policy(RestForOne, 9), &FIVE[..4]);
    stage.exit(2, Exit::Failed);
    assert_eq!(stage.story(), "-3");
    stage.exit(1, Exit::Failed);
    stage.settle();
    assert_eq!(stage.story(), "-3 +1 +2 +3");
}

#[test]
fn one_child_can_be_stopped_and_started_by_hand() {
    let mut stage = Stage::up(policy(OneForOne, 1), &FIVE[..2]);
    stage.tell(Event::ChildStopAsked(Child(0)));
    stage.settle();
    assert_eq!(stage.story(), "-0");
    assert!(!stage.supervisor.is_up(Child(0)));
    stage.tell(Event::ChildStartAsked(Child(0)));
    stage.settle();
    assert_eq!(stage.story(), "-0 +0");
    stage.tell(Event::ChildStartAsked(Child(0)));
    stage.settle();
    assert_eq!(stage.story(), "-0 +0 -0 +0");
    assert!(stage.supervisor.is_up(Child(0)));
    assert!(stage.restarts().is_empty(), "what is asked for is no failure");
}

#[test]
fn a_child_can_be_added_and_its_failed_start_harms_nobody() {
    let mut stage = Stage::up(policy(OneForAll, 1), &FIVE[..1]);
    let child = stage.supervisor.add(spec(Temporary, Shutdown::Kill));
    stage.tell(Event::ChildStartAsked(child));
    assert_eq!(stage.story(), "+1");
    stage.doing.remove(&child);
    stage.tell(Event::StartFailed(child));
    assert_eq!(stage.story(), "+1");
    assert_eq!(stage.log.last().unwrap().1, Action::Report(Report::NotStarted(child)));
    assert_eq!(stage.supervisor.children().count(), 1);
}

#[test]
fn what_makes_no_sense_has_no_effect() {
    let mut stage = Stage::up(policy(OneForOne, 1), &FIVE[..1]);
    let before = stage.supervisor.clone();
    for event in [
        Event::StartAsked,
        Event::Started(Child(0)),
        Event::StartFailed(Child(0)),
        Event::Exited(Child(7), Exit::Failed),
        Event::ChildStopAsked(Child(7)),
        Event::ChildStartAsked(Child(7)),
        Event::Timer,
    ] {
        stage.tell(event);
        assert_eq!(stage.supervisor, before, "{event:?}");
    }
    assert_eq!(stage.doing[&Child(0)], Doing::Running);
    assert!(stage.log.is_empty());
}
