//! The children of one life of an actor, cared for by a [`Supervisor`]: what it wants done is done here.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::actor::{EndedBy, lock};
use crate::actor_id::ActorId;
use crate::end::{End, ErrorKind, Status};
use crate::supervision::{
    Action, Child, ChildSpec, Escalation, Event, Exit, Policy, Report, Supervisor,
};
use crate::system::{System, WeakSystem};
use crate::threads::aside;

/// The children of one life of an actor.
pub(crate) struct Family {
    system: WeakSystem,
    parent: ActorId,
    members: Mutex<Members>,
    has_changed: Condvar,
    /// Held while something is decided and done about it, so that what is done is done in the order in which it
    /// was decided. Whoever holds it may wait for that of a child, never of a parent.
    acting: Mutex<()>,
}

struct Members {
    supervisor: Supervisor,
    /// In the order in which they were first started; those that ended stay until they are forgotten.
    all: Vec<Member>,
    /// Why all of them were stopped, if that was not asked for.
    reason: Option<String>,
    /// Whether the life of the parent that they belong to has ended. What becomes of them concerns no life
    /// after it.
    is_orphaned: bool,
}

#[derive(Clone)]
struct Member {
    id: ActorId,
    child: Child,
    spec: ChildSpec,
}

impl Family {
    /// A family without children, to which some can be added at any time.
    pub(crate) fn new(system: WeakSystem, parent: ActorId, policy: Policy) -> Family {
        let mut supervisor = Supervisor::new(policy, []);
        let actions = supervisor.handle(Event::StartAsked, 0);
        debug_assert!(actions.is_empty(), "there is nobody to start");
        let members = Members { supervisor, all: Vec::new(), reason: None, is_orphaned: false };
        let (members, has_changed) = (Mutex::new(members), Condvar::new());
        Family { system, parent, members, has_changed, acting: Mutex::new(()) }
    }

    /// Adds a child behind the others. It is started by [`Family::start`], or when it is asked for.
    pub(crate) fn add(&self, id: ActorId, spec: ChildSpec) {
        let mut members = lock(&self.members);
        let child = members.supervisor.add(spec.clone());
        members.all.push(Member { id, child, spec });
    }

    /// Starts all children that were never started, and waits until they are up. If one cannot be started, all
    /// are stopped, and the parent falls.
    pub(crate) fn start(&self) -> Result<(), String> {
        self.tell(Event::StartAsked);
        let mut members = lock(&self.members);
        loop {
            let Members { supervisor, all, reason, .. } = &*members;
            if supervisor.has_ended() {
                let stopped = || "it was stopped while its children were started".to_owned();
                let reason = reason.clone().unwrap_or_else(stopped);
                drop(members);
                self.wait_until_ended();
                return Err(reason);
            }
            if !all.iter().any(|member| supervisor.will_start(member.child)) {
                return Ok(());
            }
            members =
                aside(|| self.has_changed.wait(members)).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for all children to be stopped, the youngest first. The parent is stopped once they are down.
    pub(crate) fn stop(&self) {
        self.tell(Event::StopAsked);
    }

    /// Has all children stopped, as the parent's life has ended.
    pub(crate) fn orphan(&self) {
        lock(&self.members).is_orphaned = true;
        self.stop();
    }

    /// Whether the parent is in the life that they belong to, with children that may be up.
    pub(crate) fn is_in_charge(&self) -> bool {
        let members = lock(&self.members);
        !members.is_orphaned && !members.supervisor.has_ended()
    }

    /// Waits until all children are down for good.
    pub(crate) fn wait_until_ended(&self) {
        let mut members = lock(&self.members);
        while !members.supervisor.has_ended() {
            members =
                aside(|| self.has_changed.wait(members)).unwrap_or_else(PoisonError::into_inner);
        }
        drop(members);
        // Those who are down for the supervisor may still be about to write so.
        let Ok(system) = self.system.get() else { return };
        for child in self.children().into_iter().filter_map(|id| system.find(id).ok()) {
            child.wait_while(Duration::MAX, |status| {
                matches!(status, Status::Starting | Status::Running)
            });
        }
    }

    /// Whether no child is there any more, nor ever will be.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.members).supervisor.has_ended()
    }

    /// Asks for a child to be started: again, if it is up.
    pub(crate) fn start_child(&self, id: ActorId) {
        let mut members = lock(&self.members);
        let Members { supervisor, all, .. } = &mut *members;
        let Some(member) = all.iter_mut().find(|member| member.id == id) else { return };
        // The supervisor has forgotten a temporary child that is down.
        if !supervisor.children().any(|(child, _)| child == member.child) {
            member.child = supervisor.add(member.spec.clone());
        }
        let child = member.child;
        drop(members);
        self.tell(Event::ChildStartAsked(child));
    }

    /// Asks for a child to be stopped, and not to be started again.
    pub(crate) fn stop_child(&self, id: ActorId) {
        if let Some(member) = self.find(id) {
            self.tell(Event::ChildStopAsked(member.child));
        }
    }

    /// Has a child killed, and not started again.
    pub(crate) fn kill_child(&self, id: ActorId) {
        let Some(Member { child, .. }) = self.find(id) else { return };
        let at_once = |action| match action {
            Action::Stop(stopped, _) if stopped == child => Action::Kill(child),
            other => other,
        };
        let _acting = lock(&self.acting);
        let actions = self.handle(Event::ChildStopAsked(child));
        self.perform(actions.into_iter().map(at_once).collect());
    }

    /// A child that was to be started is up.
    pub(crate) fn has_started(&self, id: ActorId) {
        if let Some(member) = self.find(id) {
            self.tell(Event::Started(member.child));
        }
    }

    /// A child is down.
    pub(crate) fn has_ended_child(&self, id: ActorId, exit: Exit) {
        if let Some(member) = self.find(id) {
            self.tell(Event::Exited(member.child, exit));
        }
    }

    /// Whether a child that is down will be started again.
    pub(crate) fn will_start(&self, id: ActorId) -> bool {
        let Some(member) = self.find(id) else { return false };
        lock(&self.members).supervisor.will_start(member.child)
    }

    /// How long a child may take to stop.
    pub(crate) fn grace(&self, id: ActorId) -> Duration {
        self.find(id).map_or(Duration::ZERO, |member| member.spec.shutdown.grace())
    }

    /// The children's ids, in the order in which they were first started.
    pub(crate) fn children(&self) -> Vec<ActorId> {
        lock(&self.members).all.iter().map(|member| member.id).collect()
    }

    /// The children that the manifest names, with their names.
    pub(crate) fn named(&self) -> Vec<(String, ActorId)> {
        let members = lock(&self.members);
        members.all.iter().map(|member| (member.spec.name.clone(), member.id)).collect()
    }

    /// Takes a child off the list.
    pub(crate) fn forget(&self, id: ActorId) {
        lock(&self.members).all.retain(|member| member.id != id);
    }

    /// Takes a child off the list that has ended, unless it may have to be started again. Whether it is off.
    pub(crate) fn lets_go(&self, id: ActorId) -> bool {
        let mut members = lock(&self.members);
        let Members { supervisor, all, .. } = &mut *members;
        // A supervisor forgets temporary children that are down.
        let is_known = |child| supervisor.children().any(|(known, _)| known == child);
        all.retain(|member| member.id != id || is_known(member.child));
        all.iter().all(|member| member.id != id)
    }

    fn find(&self, id: ActorId) -> Option<Member> {
        lock(&self.members).all.iter().find(|member| member.id == id).cloned()
    }

    fn tell(&self, event: Event) {
        let _acting = lock(&self.acting);
        let actions = self.handle(event);
        self.perform(actions);
    }

    fn handle(&self, event: Event) -> Vec<Action> {
        let Ok(system) = self.system.get() else { return Vec::new() };
        let mut members = lock(&self.members);
        let actions = members.supervisor.handle(event, system.uptime_ns());
        if let Some(Action::Escalate(escalation)) = actions.last() {
            members.reason = Some(members.reason_for(*escalation));
        }
        drop(members);
        self.has_changed.notify_all();
        actions
    }

    /// Does what the supervisor wants done. Nothing here waits.
    fn perform(&self, actions: Vec<Action>) {
        let Ok(system) = self.system.get() else { return };
        for action in actions {
            match action {
                Action::Start(child) => self.with(child, |id| system.begin_later(id)),
                Action::Stop(child, _) => {
                    self.with(child, |id| system.stop_later(id, EndedBy::Parent));
                }
                Action::Kill(child) => {
                    self.with(child, |id| system.fall(id, End::Killed, EndedBy::Parent));
                }
                Action::WaitUntil(at_ns) => self.wake_at(&system, at_ns),
                Action::Report(Report::Restarting { .. }) => {}
                Action::Report(Report::Over(child, _) | Report::NotStarted(child)) => {
                    self.with(child, |id| system.is_over(id));
                }
                Action::Stopped => {
                    self.all_are_over(&system);
                    if !lock(&self.members).is_orphaned {
                        system.stop_alone(self.parent);
                    }
                }
                Action::Escalate(_) => {
                    self.all_are_over(&system);
                    let members = lock(&self.members);
                    let (reason, is_orphaned) = (members.reason.clone(), members.is_orphaned);
                    drop(members);
                    if !is_orphaned {
                        let end = End::failed(ErrorKind::Escalated, reason.unwrap_or_default());
                        system.fall(self.parent, end, EndedBy::Other);
                    }
                }
            }
        }
    }

    fn all_are_over(&self, system: &System) {
        self.children().into_iter().for_each(|id| system.is_over(id));
    }

    fn with(&self, child: Child, act: impl FnOnce(ActorId)) {
        let members = lock(&self.members);
        let id = members.all.iter().find(|member| member.child == child).map(|member| member.id);
        drop(members);
        if let Some(id) = id {
            act(id);
        }
    }

    fn wake_at(&self, system: &System, at_ns: u64) {
        let Ok(edge) = system.edge() else { return };
        let wait = Duration::from_nanos(at_ns.saturating_sub(system.uptime_ns()));
        let (system, parent) = (self.system.clone(), self.parent);
        edge.spawn(async move {
            tokio::time::sleep(wait).await;
            if let Ok(system) = system.get() {
                system.tick(parent);
            }
        });
    }

    /// It is as late as the supervisor wanted to wait.
    pub(crate) fn tick(&self) {
        self.tell(Event::Timer);
    }
}

impl Members {
    fn reason_for(&self, escalation: Escalation) -> String {
        let name = |child: Child| {
            let member = self.all.iter().find(|member| member.child == child);
            member.map(|member| member.spec.name.clone()).unwrap_or_default()
        };
        match escalation {
            Escalation::NotStarted(child) => {
                format!("its child {} could not be started", name(child))
            }
            Escalation::TooManyRestarts(child) => {
                format!("its child {} failed more often than is tolerated", name(child))
            }
        }
    }
}
