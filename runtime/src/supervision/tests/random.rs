//! What holds whatever happens. Much of it is checked by the stage, action by action.

// Both libraries have a `Strategy`.
use proptest::prelude::{Strategy as Choice, *};

use super::stage::{Doing, MS, Stage, policy, spec};
use crate::supervision::{
    Action, BackOff, Child, ChildSpec, Event, Exit, Policy, Restart, Shutdown, Strategy,
};

/// Something that happens. Numbers choose among those to whom it can happen.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    ExitOf(usize, Exit),
    GetOn(usize),
    FailToStart(usize),
    Timer,
    StopChild(u64),
    StartChild(u64),
    AddChild(Restart),
    Stop,
}

fn restart() -> impl Choice<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn exit() -> impl Choice<Value = Exit> {
    prop_oneof![Just(Exit::Completed), Just(Exit::Failed), Just(Exit::Stopped), Just(Exit::Killed)]
}

fn strategy() -> impl Choice<Value = Strategy> {
    prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)]
}

fn child() -> impl Choice<Value = ChildSpec> {
    let shutdown = prop_oneof![
        (1..300_u64).prop_map(|ms| Shutdown::Within(ms * MS)),
        Just(Shutdown::Whenever),
        Just(Shutdown::Kill)
    ];
    (restart(), shutdown).prop_map(|(restart, shutdown)| spec(restart, shutdown))
}

fn any_policy() -> impl Choice<Value = Policy> {
    (strategy(), 0..6_u32, 0..2_000_u64, 0..9_000_u64).prop_map(
        |(strategy, intensity, first, max)| {
            let back_off = BackOff { first_ns: first * MS, max_ns: max * MS };
            Policy { back_off, ..policy(strategy, intensity) }
        },
    )
}

fn step() -> impl Choice<Value = Step> {
    prop_oneof![
        4 => (0..4_000_u64).prop_map(|ms| Step::Pass(ms * MS)),
        6 => (any::<usize>(), exit()).prop_map(|(which, exit)| Step::ExitOf(which, exit)),
        8 => any::<usize>().prop_map(Step::GetOn),
        2 => any::<usize>().prop_map(Step::FailToStart),
        4 => Just(Step::Timer),
        1 => (0..9_u64).prop_map(Step::StopChild),
        1 => (0..9_u64).prop_map(Step::StartChild),
        1 => restart().prop_map(Step::AddChild),
        1 => Just(Step::Stop),
    ]
}

fn of(stage: &Stage, which: usize, is_meant: impl Fn(Doing) -> bool) -> Option<Child> {
    let meant: Vec<Child> = stage
        .doing
        .iter()
        .filter(|(_, doing)| is_meant(**doing))
        .map(|(child, _)| *child)
        .collect();
    (!meant.is_empty()).then(|| meant[which % meant.len()])
}

fn take(stage: &mut Stage, step: Step) {
    match step {
        Step::Pass(time_ns) => stage.now_ns += time_ns,
        Step::ExitOf(which, exit) => {
            if let Some(child) = of(stage, which, |_| true) {
                stage.exit(child.0, exit);
            }
        }
        Step::GetOn(which) => {
            if let Some(child) = of(stage, which, |doing| doing != Doing::Running) {
                stage.get_on(child);
            }
        }
        Step::FailToStart(which) => {
            if let Some(child) = of(stage, which, |doing| doing == Doing::Starting) {
                stage.doing.remove(&child);
                stage.tell(Event::StartFailed(child));
            }
        }
        Step::Timer => stage.tell(Event::Timer),
        Step::StopChild(child) => stage.tell(Event::ChildStopAsked(Child(child))),
        Step::StartChild(child) => stage.tell(Event::ChildStartAsked(Child(child))),
        Step::AddChild(restart) => {
            let child = stage.supervisor.add(spec(restart, Shutdown::Kill));
            stage.tell(Event::ChildStartAsked(child));
        }
        Step::Stop => stage.tell(Event::StopAsked),
    }
}

fn play(policy: Policy, children: &[ChildSpec], steps: &[Step]) -> Stage {
    let mut stage = Stage::new(policy, children);
    stage.tell(Event::StartAsked);
    for step in steps {
        take(&mut stage, *step);
    }
    stage.settle();
    stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No child runs twice, intensity holds, stops at the end are in reverse order: the stage says so.
    /// In the end all is quiet, and whoever has to be up is.
    #[test]
    fn every_schedule_ends_in_a_stable_state(
        policy in any_policy(),
        children in prop::collection::vec(child(), 0..6),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut stage = play(policy, &children, &steps);
        if stage.supervisor.has_ended() {
            prop_assert!(stage.doing.is_empty());
        } else {
            for child in stage.due.clone() {
                prop_assert_eq!(stage.doing.get(&child), Some(&Doing::Running), "{:?}", child);
                prop_assert!(stage.supervisor.is_up(child));
            }
            let before = stage.supervisor.clone();
            stage.now_ns += 1_000_000 * MS;
            stage.tell(Event::Timer);
            prop_assert_eq!(stage.supervisor.children().count(), before.children().count());
        }
        stage.tell(Event::StopAsked);
        stage.settle();
        prop_assert!(stage.supervisor.has_ended() && stage.doing.is_empty());
    }

    #[test]
    fn equal_events_give_equal_actions(
        policy in any_policy(),
        children in prop::collection::vec(child(), 0..6),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let (one, other) = (play(policy, &children, &steps), play(policy, &children, &steps));
        prop_assert_eq!(one.log, other.log);
        prop_assert_eq!(one.supervisor, other.supervisor);
    }

    /// The order of stops and starts after one failure, computed the other way round: from the list
    /// of children, as OTP's documentation says it.
    #[test]
    fn one_failure_has_the_order_of_otp(
        strategy in strategy(),
        restarts in prop::collection::vec(restart(), 1..7),
        which in any::<prop::sample::Index>(),
        exit in exit(),
    ) {
        let mut stage = Stage::up(policy(strategy, 1), &restarts);
        let failing = which.index(restarts.len());
        stage.exit(failing as u64, exit);
        stage.settle();
        let group = match strategy {
            _ if !restarts[failing].applies_to(exit) => 0..0,
            Strategy::OneForOne => failing..failing + 1,
            Strategy::OneForAll => 0..restarts.len(),
            Strategy::RestForOne => failing..restarts.len(),
        };
        let stops = group.clone().rev().filter(|child| *child != failing);
        let starts = group.filter(|child| restarts[*child] != Restart::Temporary);
        let words: Vec<String> = stops
            .map(|child| format!("-{child}"))
            .chain(starts.map(|child| format!("+{child}")))
            .collect();
        prop_assert_eq!(stage.story(), words.join(" "));
    }

    /// Without anybody who asks, a permanent child is up again after every storm that does not escalate.
    #[test]
    fn a_storm_escalates_or_passes(
        policy in any_policy(),
        count in 1..5_usize,
        kills in prop::collection::vec((any::<usize>(), 0..3_000_u64), 0..40),
    ) {
        let children = vec![spec(Restart::Permanent, Shutdown::Within(50 * MS)); count];
        let steps: Vec<Step> = kills
            .iter()
            .flat_map(|(which, ms)| [Step::Pass(ms * MS), Step::Timer, Step::GetOn(*which), Step::ExitOf(*which, Exit::Killed)])
            .collect();
        let stage = play(policy, &children, &steps);
        let has_escalated =
            stage.log.iter().any(|(_, action)| matches!(action, Action::Escalate(_)));
        prop_assert_eq!(stage.supervisor.has_ended(), has_escalated);
        prop_assert_eq!(stage.doing.len(), if has_escalated { 0 } else { count });
    }
}
