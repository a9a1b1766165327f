//! Pretended children, which do what a supervisor wants, and check that it makes sense.

use std::collections::{BTreeMap, BTreeSet};

use crate::supervision::{
    Action, BackOff, Child, ChildSpec, Event, Exit, Policy, Report, Restart, Shutdown, Strategy,
    Supervisor,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const PERIOD_NS: u64 = 5_000 * MS;

/// What a child is doing in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Starting,
    Running,
    Stopping,
}

/// A supervisor with its children and a clock.
pub(super) struct Stage {
    pub(super) supervisor: Supervisor,
    pub(super) policy: Policy,
    pub(super) now_ns: u64,
    pub(super) doing: BTreeMap<Child, Doing>,
    pub(super) timer_ns: Option<u64>,
    /// Every action with its time.
    pub(super) log: Vec<(u64, Action)>,
    /// Which permanent children have to be up once all is quiet.
    pub(super) due: BTreeSet<Child>,
    is_ending: bool,
}

pub(super) fn spec(restart: Restart, shutdown: Shutdown) -> ChildSpec {
    ChildSpec { name: String::new(), restart, shutdown }
}

/// A policy without back-off.
pub(super) fn policy(strategy: Strategy, intensity: u32) -> Policy {
    let back_off = BackOff { first_ns: 0, max_ns: 0 };
    Policy { strategy, intensity, period_ns: PERIOD_NS, back_off }
}

impl Stage {
    /// Children that are not started yet.
    pub(super) fn new(policy: Policy, children: &[ChildSpec]) -> Stage {
        let supervisor = Supervisor::new(policy, children.iter().cloned());
        let is_permanent = |spec: &ChildSpec| spec.restart == Restart::Permanent;
        let permanent = supervisor.children().filter(|(_, spec)| is_permanent(spec));
        let due = permanent.map(|(child, _)| child).collect();
        let (doing, log) = Default::default();
        let (now_ns, timer_ns, is_ending) = (0, None, false);
        Stage { supervisor, policy, now_ns, doing, timer_ns, log, due, is_ending }
    }

    /// Children of these kinds that are all up, with an empty log.
    pub(super) fn up(policy: Policy, restarts: &[Restart]) -> Stage {
        let specs: Vec<_> =
            restarts.iter().map(|restart| spec(*restart, Shutdown::Within(100 * MS))).collect();
        let mut stage = Stage::new(policy, &specs);
        stage.tell(Event::StartAsked);
        stage.settle();
        stage.log.clear();
        stage
    }

    /// A child that is there ends by itself.
    pub(super) fn exit(&mut self, child: u64, exit: Exit) {
        let child = Child(child);
        assert!(self.doing.remove(&child).is_some(), "{child:?} is not there");
        self.tell(Event::Exited(child, exit));
    }

    /// Tells the supervisor something, and takes note of what it wants.
    pub(super) fn tell(&mut self, event: Event) {
        let had_ended = self.supervisor.has_ended();
        match event {
            Event::StopAsked => self.is_ending = true,
            Event::ChildStopAsked(child) => drop(self.due.remove(&child)),
            _ => {}
        }
        for action in self.supervisor.handle(event, self.now_ns) {
            assert!(!had_ended, "after the end: {action:?}");
            self.log.push((self.now_ns, action));
            self.take(action);
        }
    }

    /// Does what is wanted, if that makes sense.
    fn take(&mut self, action: Action) {
        match action {
            Action::Start(child) => {
                assert_eq!(self.doing.insert(child, Doing::Starting), None, "{child:?} runs twice");
                assert!(!self.is_ending, "{child:?} is started at the end");
                let mut children = self.supervisor.children();
                let spec = children.find(|(known, _)| *known == child).expect("it is a child").1;
                if spec.restart == Restart::Permanent {
                    self.due.insert(child);
                }
            }
            Action::Stop(child, _) | Action::Kill(child) => {
                let doing = self.doing.insert(child, Doing::Stopping);
                assert!(doing.is_some(), "{child:?} is not there");
                // Whoever is too slow is killed out of turn.
                let is_in_turn = self.doing.keys().all(|other| *other <= child);
                let is_late = doing == Some(Doing::Stopping);
                assert!(!self.is_ending || is_in_turn || is_late, "{child:?} stops too early");
            }
            Action::WaitUntil(time_ns) => {
                assert!(time_ns > self.now_ns, "a time that is past");
                self.timer_ns = Some(time_ns);
            }
            Action::Report(Report::NotStarted(child)) => drop(self.due.remove(&child)),
            Action::Report(_) => self.check_intensity(),
            Action::Stopped | Action::Escalate(_) => {
                assert!(self.doing.is_empty(), "{:?} are left", self.doing);
            }
        }
    }

    fn check_intensity(&self) {
        let restarts = self.restarts();
        let recent = restarts.iter().filter(|at_ns| self.now_ns - **at_ns <= PERIOD_NS).count();
        assert!(recent <= self.policy.intensity as usize, "{recent} restarts");
    }

    /// When restarts were decided on.
    pub(super) fn restarts(&self) -> Vec<u64> {
        let is_restart =
            |action: &Action| matches!(action, Action::Report(Report::Restarting { .. }));
        self.log.iter().filter(|(_, action)| is_restart(action)).map(|(at_ns, _)| *at_ns).collect()
    }

    /// Lets a child get on: it is up, or down.
    pub(super) fn get_on(&mut self, child: Child) {
        match self.doing.get(&child) {
            Some(Doing::Starting) => {
                self.doing.insert(child, Doing::Running);
                self.tell(Event::Started(child));
            }
            Some(Doing::Stopping) => {
                self.doing.remove(&child);
                self.tell(Event::Exited(child, Exit::Stopped));
            }
            Some(Doing::Running) | None => {}
        }
    }

    /// Lets the time pass until the timer.
    pub(super) fn pass(&mut self) -> bool {
        let Some(time_ns) = self.timer_ns.take() else { return false };
        self.now_ns = self.now_ns.max(time_ns);
        self.tell(Event::Timer);
        true
    }

    /// Lets everybody get on and time pass until there is nothing left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = self.doing.iter().find(|(_, doing)| **doing != Doing::Running);
            match busy.map(|(child, _)| *child) {
                Some(child) => self.get_on(child),
                None if self.pass() => {}
                None => return,
            }
        }
        panic!("it never settles");
    }

    /// The starts, stops and ends of the log, in short.
    pub(super) fn story(&self) -> String {
        let words: Vec<String> =
            self.log.iter().filter_map(|(_, action)| in_short(*action)).collect();
        words.join(" ")
    }
}

fn in_short(action: Action) -> Option<String> {
    Some(match action {
        Action::Start(Child(child)) => format!("+{child}"),
        Action::Stop(Child(child), _) => format!("-{child}"),
        Action::Kill(Child(child)) => format!("x{child}"),
        Action::Stopped => "stopped".to_owned(),
        Action::Escalate(escalation) => format!("{escalation:?}"),
        Action::WaitUntil(_) | Action::Report(_) => return None,
    })
}
