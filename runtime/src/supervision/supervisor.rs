//! The supervisor as a state machine: events in, actions out.

use std::collections::{BTreeMap, VecDeque};

use super::{ChildSpec, Exit, Policy, Restart, Shutdown, Strategy};

/// The number of a child under its supervisor. Children are started in this order; a number is never
/// given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Child(pub u64);

/// What a supervisor is told. What makes no sense at the time has no effect, such as the end of a
/// child that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// All children that were never started are to be started.
    StartAsked,
    /// The whole supervisor is to stop.
    StopAsked,
    /// A child is to stop and not to be started again, unless with its group.
    ChildStopAsked(Child),
    /// A child is to be started: again, if it is up.
    ChildStartAsked(Child),
    /// A child that was to be started is up.
    Started(Child),
    /// A child that was to be started could not be.
    StartFailed(Child),
    /// A child is down: it ended by itself, was stopped or was killed.
    Exited(Child, Exit),
    /// It is as late as a supervisor wanted to wait. May come early or unasked.
    Timer,
}

/// What a supervisor wants done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start this child, and say [`Event::Started`] or [`Event::StartFailed`].
    Start(Child),
    /// Ask this child to stop. [`Event::Exited`] is awaited.
    Stop(Child, Shutdown),
    /// Kill this child. [`Event::Exited`] is awaited.
    Kill(Child),
    /// Say [`Event::Timer`] at this time. Replaces what was asked for before.
    WaitUntil(u64),
    /// Something for others to know. Nothing has to be done.
    Report(Report),
    /// All children are down, as was asked. The last action.
    Stopped,
    /// All children are down, and the supervisor has failed. The last action.
    Escalate(Escalation),
}

/// What others may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A child ended or could not be started, and will be started again, perhaps with others.
    Restarting {
        /// Which.
        child: Child,
        /// The earliest time of its start.
        not_before_ns: u64,
    },
    /// A child ended and will not be started again for that.
    Over(Child, Exit),
    /// A child that was asked for later on could not be started, and is not tried again.
    NotStarted(Child),
}

/// Why a supervisor gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escalation {
    /// This child could not be started for the first time.
    NotStarted(Child),
    /// With this child's end there would be more restarts within the period than tolerated.
    TooManyRestarts(Child),
}

/// Cares for an ordered list of children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    policy: Policy,
    children: BTreeMap<Child, Entry>,
    next_child: u64,
    phase: Phase,
    /// When the latest restarts were decided on, those within the period.
    restarts: VecDeque<u64>,
    /// The time that was last asked for.
    timer_ns: Option<u64>,
    /// The latest time that was told. Time does not go back.
    now_ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was started yet.
    New,
    Running,
    /// All children are being stopped, for a reason if nobody asked.
    Ending(Option<Escalation>),
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    spec: ChildSpec,
    state: State,
    /// Whether it has to go down, at its turn.
    must_stop: bool,
    /// Its next start, once it is down.
    pending: Option<Pending>,
    /// How often in a row it failed.
    failures: u32,
    /// Whether it was never started.
    is_new: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    Starting(Cause),
    Up { since_ns: u64 },
    Stopping { deadline_ns: Option<u64> },
}

/// A start that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    cause: Cause,
    /// Whether it waits for the starts of earlier children.
    is_ordered: bool,
    not_before_ns: u64,
}

/// What a start is for, which is to say what its failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    First,
    Again,
    /// Somebody asked for this very child while the supervisor was running.
    Asked,
}

impl Supervisor {
    /// A supervisor of these children, none of which is started yet.
    #[must_use]
    pub fn new(policy: Policy, children: impl IntoIterator<Item = ChildSpec>) -> Supervisor {
        let mut supervisor = Supervisor {
            policy,
            children: BTreeMap::new(),
            next_child: 0,
            phase: Phase::New,
            restarts: VecDeque::new(),
            timer_ns: None,
            now_ns: 0,
        };
        for spec in children {
            supervisor.add(spec);
        }
        supervisor
    }

    /// Adds a child after all others. It is started with them, or by [`Event::ChildStartAsked`].
    pub fn add(&mut self, spec: ChildSpec) -> Child {
        let child = Child(self.next_child);
        self.next_child += 1;
        let entry = Entry {
            spec,
            state: State::Down,
            must_stop: false,
            pending: None,
            failures: 0,
            is_new: true,
        };
        self.children.insert(child, entry);
        child
    }

    /// The children there are, in order. Temporary ones are gone once they are down.
    pub fn children(&self) -> impl Iterator<Item = (Child, &ChildSpec)> {
        self.children.iter().map(|(child, entry)| (*child, &entry.spec))
    }

    /// Whether a child is up.
    #[must_use]
    pub fn is_up(&self, child: Child) -> bool {
        self.children.get(&child).is_some_and(|entry| matches!(entry.state, State::Up { .. }))
    }

    /// Whether a child that is down will be started.
    #[must_use]
    pub fn will_start(&self, child: Child) -> bool {
        self.children.get(&child).is_some_and(|entry| {
            entry.pending.is_some() || matches!(entry.state, State::Starting(_))
        })
    }

    /// Whether the last action was given, so that nothing more will ever come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Tells what happened, and that it is `now_ns`, by a clock that does not go back.
    #[must_use]
    pub fn handle(&mut self, event: Event, now_ns: u64) -> Vec<Action> {
        self.now_ns = self.now_ns.max(now_ns);
        let mut actions = Vec::new();
        if self.phase == Phase::Ended {
            return actions;
        }
        match event {
            Event::StartAsked => self.start_all(),
            Event::StopAsked => self.end(None),
            Event::ChildStopAsked(child) => self.ask_to_stop(child, &mut actions),
            Event::ChildStartAsked(child) => self.ask_to_start(child),
            Event::Started(child) => self.started(child),
            Event::StartFailed(child) => self.start_failed(child, &mut actions),
            Event::Exited(child, exit) => self.exited(child, exit, &mut actions),
            // Whoever waited does so no longer, even if it was too short.
            Event::Timer => self.timer_ns = None,
        }
        self.stop_due(&mut actions);
        self.start_due(&mut actions);
        self.finish(&mut actions);
        self.set_timer(&mut actions);
        actions
    }

    fn start_all(&mut self) {
        match self.phase {
            Phase::New => self.phase = Phase::Running,
            Phase::Running => {}
            Phase::Ending(_) | Phase::Ended => return,
        }
        for entry in self.children.values_mut().filter(|entry| entry.is_new) {
            entry.pending =
                Some(Pending { cause: Cause::First, is_ordered: true, not_before_ns: 0 });
        }
    }

    /// Begins to stop everything.
    fn end(&mut self, escalation: Option<Escalation>) {
        if !matches!(self.phase, Phase::Ending(_)) {
            self.phase = Phase::Ending(escalation);
        }
        for entry in self.children.values_mut() {
            entry.pending = None;
            entry.must_stop = entry.is_alive();
        }
    }

    fn ask_to_stop(&mut self, child: Child, actions: &mut Vec<Action>) {
        let Some(entry) = self.children.get_mut(&child) else { return };
        let was_pending = entry.pending.take().is_some();
        entry.must_stop = entry.is_alive();
        if was_pending && !entry.is_alive() {
            actions.push(Action::Report(Report::Over(child, Exit::Stopped)));
            self.forget_if_temporary(child);
        }
    }

    fn ask_to_start(&mut self, child: Child) {
        let is_running = self.phase == Phase::Running;
        let Some(entry) = self.children.get_mut(&child).filter(|_| is_running) else { return };
        entry.must_stop = entry.is_alive();
        entry.failures = 0;
        let asked = Pending { cause: Cause::Asked, is_ordered: false, not_before_ns: 0 };
        entry.pending.get_or_insert(asked).not_before_ns = 0;
    }

    fn started(&mut self, child: Child) {
        let since_ns = self.now_ns;
        if let Some(entry) = self.children.get_mut(&child)
            && matches!(entry.state, State::Starting(_))
        {
            entry.state = State::Up { since_ns };
        }
    }

    fn start_failed(&mut self, child: Child, actions: &mut Vec<Action>) {
        let Some(entry) = self.children.get_mut(&child) else { return };
        match entry.state {
            State::Starting(cause) if !entry.must_stop => {
                entry.state = State::Down;
                self.lost_while_starting(child, cause, actions);
            }
            State::Starting(_) | State::Stopping { .. } => {
                self.went_down_at_will(child, Exit::Failed, actions);
            }
            State::Down | State::Up { .. } => {}
        }
    }

    fn exited(&mut self, child: Child, exit: Exit, actions: &mut Vec<Action>) {
        let period_ns = self.policy.period_ns;
        let now_ns = self.now_ns;
        let Some(entry) = self.children.get_mut(&child) else { return };
        match entry.state {
            State::Down => {}
            State::Starting(cause) if !entry.must_stop => {
                entry.state = State::Down;
                self.lost_while_starting(child, cause, actions);
            }
            State::Up { since_ns } if !entry.must_stop => {
                entry.state = State::Down;
                if now_ns - since_ns >= period_ns {
                    entry.failures = 0;
                }
                if entry.spec.restart.applies_to(exit) {
                    self.restart(child, actions);
                } else {
                    actions.push(Action::Report(Report::Over(child, exit)));
                    self.forget_if_temporary(child);
                }
            }
            State::Starting(_) | State::Up { .. } | State::Stopping { .. } => {
                self.went_down_at_will(child, exit, actions);
            }
        }
    }

    /// A child is down that had to go down, whichever way it did.
    fn went_down_at_will(&mut self, child: Child, exit: Exit, actions: &mut Vec<Action>) {
        let Some(entry) = self.children.get_mut(&child) else { return };
        entry.state = State::Down;
        entry.must_stop = false;
        if entry.pending.is_none() {
            actions.push(Action::Report(Report::Over(child, exit)));
            self.forget_if_temporary(child);
        }
    }

    /// A child did not make it from its start to being up.
    fn lost_while_starting(&mut self, child: Child, cause: Cause, actions: &mut Vec<Action>) {
        match cause {
            Cause::First => self.end(Some(Escalation::NotStarted(child))),
            Cause::Again => self.restart(child, actions),
            Cause::Asked => {
                actions.push(Action::Report(Report::NotStarted(child)));
                self.forget_if_temporary(child);
            }
        }
    }

    /// Starts a child that is down again, with whom its end concerns, or gives up.
    fn restart(&mut self, child: Child, actions: &mut Vec<Action>) {
        let (now_ns, period_ns) = (self.now_ns, self.policy.period_ns);
        self.restarts.retain(|decided_ns| now_ns - decided_ns <= period_ns);
        if self.restarts.len() >= self.policy.intensity as usize {
            return self.end(Some(Escalation::TooManyRestarts(child)));
        }
        self.restarts.push_back(now_ns);
        let failures = self.children.get_mut(&child).map_or(0, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures - 1
        });
        let not_before_ns = now_ns.saturating_add(self.policy.back_off.delay_ns(failures));
        actions.push(Action::Report(Report::Restarting { child, not_before_ns }));
        let strategy = self.policy.strategy;
        let is_concerned = |other: Child| match strategy {
            Strategy::OneForOne => other == child,
            Strategy::OneForAll => true,
            Strategy::RestForOne => other >= child,
        };
        for (_, entry) in self.children.iter_mut().filter(|(other, _)| is_concerned(**other)) {
            entry.must_stop = entry.is_alive();
            if entry.spec.restart == Restart::Temporary {
                continue;
            }
            // What is still to be started for the first time stays that.
            let (cause, due_ns) = match (entry.pending, entry.state) {
                (Some(pending), _) => (pending.cause, pending.not_before_ns),
                (None, State::Starting(cause)) => (cause, 0),
                (None, State::Down | State::Up { .. } | State::Stopping { .. }) => {
                    (Cause::Again, 0)
                }
            };
            entry.pending = Some(Pending {
                cause,
                is_ordered: strategy != Strategy::OneForOne,
                not_before_ns: not_before_ns.max(due_ns),
            });
        }
    }

    fn forget_if_temporary(&mut self, child: Child) {
        if self.children.get(&child).is_some_and(|e| e.spec.restart == Restart::Temporary) {
            self.children.remove(&child);
        }
    }

    /// Stops the last child that has to go down, if none is going down yet; kills who is too slow.
    fn stop_due(&mut self, actions: &mut Vec<Action>) {
        let now_ns = self.now_ns;
        for (child, entry) in &mut self.children {
            if let State::Stopping { deadline_ns: Some(deadline_ns) } = entry.state
                && deadline_ns <= now_ns
            {
                entry.state = State::Stopping { deadline_ns: None };
                actions.push(Action::Kill(*child));
            }
        }
        let is_busy = |entry: &Entry| matches!(entry.state, State::Stopping { .. });
        if self.children.values().any(is_busy) {
            return;
        }
        let last = self.children.iter_mut().rev().find(|(_, entry)| entry.must_stop);
        if let Some((child, entry)) = last {
            let deadline_ns = match entry.spec.shutdown {
                Shutdown::Within(time_ns) => Some(now_ns.saturating_add(time_ns)),
                Shutdown::Whenever | Shutdown::Kill => None,
            };
            entry.state = State::Stopping { deadline_ns };
            actions.push(match entry.spec.shutdown {
                Shutdown::Within(_) | Shutdown::Whenever => {
                    Action::Stop(*child, entry.spec.shutdown)
                }
                Shutdown::Kill => Action::Kill(*child),
            });
        }
    }

    /// Starts whose time has come.
    fn start_due(&mut self, actions: &mut Vec<Action>) {
        let now_ns = self.now_ns;
        let is_stopping = self.children.values().any(|entry| entry.must_stop);
        let mut must_wait = is_stopping;
        for (child, entry) in &mut self.children {
            if let Some(pending) = entry.pending
                && entry.state == State::Down
                && pending.not_before_ns <= now_ns
                && !(pending.is_ordered && must_wait)
            {
                entry.pending = None;
                entry.is_new = false;
                entry.state = State::Starting(pending.cause);
                actions.push(Action::Start(*child));
            }
            must_wait |= entry.pending.is_some_and(|pending| pending.is_ordered)
                || matches!(entry.state, State::Starting(_));
        }
    }

    fn finish(&mut self, actions: &mut Vec<Action>) {
        if let Phase::Ending(escalation) = self.phase
            && !self.children.values().any(Entry::is_alive)
        {
            self.phase = Phase::Ended;
            actions.push(escalation.map_or(Action::Stopped, Action::Escalate));
        }
    }

    /// Asks for the next time at which something is due, unless that was asked for already.
    fn set_timer(&mut self, actions: &mut Vec<Action>) {
        let due = self.children.values().filter_map(|entry| match (entry.state, entry.pending) {
            (State::Stopping { deadline_ns }, _) => deadline_ns,
            (State::Down, Some(pending)) => Some(pending.not_before_ns),
            (State::Down | State::Starting(_) | State::Up { .. }, _) => None,
        });
        let next_ns = due.filter(|due_ns| *due_ns > self.now_ns).min();
        if next_ns.is_some() && next_ns != self.timer_ns {
            actions.extend(next_ns.map(Action::WaitUntil));
        }
        self.timer_ns = next_ns;
    }
}

impl Entry {
    fn is_alive(&self) -> bool {
        self.state != State::Down
    }
}
