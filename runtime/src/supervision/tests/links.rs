//! Links and monitors.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::supervision::{Bonds, Effect, Exit};

#[test]
fn the_linked_fall_and_watchers_are_told() {
    let mut bonds = Bonds::default();
    bonds.link("b", "a");
    bonds.link("a", "c");
    bonds.link("a", "a");
    bonds.monitor("d", 1, "a");
    bonds.monitor("b", 1, "a");
    bonds.monitor("b", 2, "a");
    let effects = bonds.ended("a", Exit::Failed);
    assert_eq!(
        effects,
        [
            Effect::IsTold { watcher: "b", monitor: 1 },
            Effect::IsTold { watcher: "b", monitor: 2 },
            Effect::IsTold { watcher: "d", monitor: 1 },
            Effect::Falls { actor: "b" },
            Effect::Falls { actor: "c" },
        ]
    );
    assert!(bonds.is_empty());
    assert_eq!(bonds.ended("a", Exit::Failed), []);
}

#[test]
fn a_normal_end_makes_nobody_fall_but_ends_the_link() {
    for exit in [Exit::Completed, Exit::Stopped] {
        let mut bonds = Bonds::default();
        bonds.link(1, 2);
        bonds.monitor(2, 7, 1);
        assert_eq!(bonds.ended(1, exit), [Effect::IsTold { watcher: 2, monitor: 7 }]);
        assert!(bonds.is_empty());
    }
}

#[test]
fn what_is_taken_back_has_no_effect() {
    let mut bonds = Bonds::default();
    bonds.link(1, 2);
    bonds.unlink(2, 1);
    bonds.monitor(1, 3, 2);
    assert!(bonds.demonitor(1, 3));
    assert!(!bonds.demonitor(1, 3), "there is none any more");
    assert!(bonds.is_empty());
    assert_eq!(bonds.ended(2, Exit::Killed), []);
}

proptest! {
    /// When one falls, exactly those fall who are reachable by links, each once.
    #[test]
    fn a_fall_takes_all_that_hang_together(
        links in prop::collection::vec((0..12_u8, 0..12_u8), 0..20),
        first in 0..12_u8,
    ) {
        let mut bonds = Bonds::default();
        for (one, other) in &links {
            bonds.link(*one, *other);
        }
        let mut fallen = BTreeSet::from([first]);
        let mut due = vec![first];
        while let Some(actor) = due.pop() {
            for effect in bonds.ended(actor, Exit::Failed) {
                let Effect::Falls { actor } = effect else { panic!("nobody watches") };
                if fallen.insert(actor) {
                    due.push(actor);
                }
            }
        }
        let mut reached = BTreeSet::from([first]);
        for _ in 0..12 {
            for (one, other) in &links {
                if reached.contains(one) || reached.contains(other) {
                    reached.extend([*one, *other]);
                }
            }
        }
        prop_assert_eq!(fallen, reached);
    }
}
