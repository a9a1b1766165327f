//! Sets of chains that were changed and hashed anew, so that each is good by itself: what was done is
//! found and named all the same.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;
use theater_record::{Event, Outcome, Reader, Stored, Value, Values};

use theater_verify::Verdict;
use theater_verify::set::{Held, Member, hold};

use crate::conversation::{Act, Chain, checked, converse, converse_as, id, permission};

/// An actor that sends two messages to another and then asks it something.
fn pair() -> Vec<Chain> {
    let acts = vec![
        Act::Send(1, b"one".to_vec()),
        Act::Send(1, b"two".to_vec()),
        Act::Ask(1, b"three".to_vec()),
    ];
    converse(2, &[(0, acts)])
}

/// Where each message stands in a chain that only receives: what says who sent it, its call, its end.
fn blocks(events: &[Event]) -> Vec<Range<usize>> {
    let starts = |at: &usize| matches!(events[*at], Event::Permission(_));
    (0..events.len()).filter(starts).map(|at| at..at + 3).collect()
}

/// The pair, with the receiver's chain told anew.
fn lie(change: impl FnOnce(&mut Vec<Event>)) -> Vec<Chain> {
    let [one, other] = pair().try_into().unwrap();
    let other = other.retold(change);
    vec![one, other]
}

#[track_caller]
fn finds(chains: &[Chain], expected: &[(usize, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
    assert_eq!(found(chains), expected);
}

/// The events of a chain that are calls of imports, which send messages.
fn calls(chain: &Chain) -> Vec<u64> {
    let mut reader = Reader::new(&chain.bytes[..]).unwrap();
    let mut calls = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        let Stored::Record(record) = stored else { continue };
        if matches!(record.event().unwrap(), Event::ImportCall(_)) {
            calls.push(record.seq);
        }
    }
    calls
}

fn subject(event: &mut Event) -> &mut String {
    match event {
        Event::Permission(decision) => &mut decision.subject,
        other => panic!("{other:?} says nothing of a sender"),
    }
}

/// Changes the last byte of what a call or a return holds: a byte of the message.
fn spoil(event: &mut Event) {
    let values = match event {
        Event::ExportCall(call) | Event::ImportCall(call) => &mut call.args,
        Event::ExportReturn(end) | Event::ImportReturn(end) => match &mut end.outcome {
            Outcome::Returned(values) => values,
            Outcome::Trapped { .. } => panic!("nothing was returned"),
        },
        other => panic!("{other:?} holds no message"),
    };
    let mut bytes = values.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *values = Values::from_encoded(bytes).unwrap();
}

/// Holds chains against each other, each of which is good by itself.
fn held(chains: &[Chain]) -> Held {
    let members: Vec<Member> = chains
        .iter()
        .map(|chain| {
            let checked = checked(&chain.bytes);
            let report = &checked.report;
            assert!(report.faults.is_empty(), "{:?}", report.faults);
            let is_whole = report.verdict() == Verdict::Complete;
            let chain = checked.good_prefix().unwrap_or_else(|report| panic!("{report:?}"));
            Member::of(&chain, is_whole).unwrap()
        })
        .collect();
    hold(&members)
}

/// What was found, each with the member it is about.
fn found(chains: &[Chain]) -> Vec<(usize, String)> {
    let found = held(chains).discrepancies.into_iter();
    found.map(|found| (found.at.member, found.what.to_string())).collect()
}

#[test]
fn what_was_sent_was_received() {
    let held = held(&pair());
    assert_eq!(held.discrepancies, []);
    assert!(held.is_sound());
    assert_eq!((held.messages, held.answers, held.outside, held.not_compared), (3, 1, 1, 0));
}

#[test]
fn other_bytes() {
    let chains = lie(|events| {
        let block = blocks(events)[1].clone();
        spoil(&mut events[block.start + 1]);
    });
    finds(&chains, &[(1, "the message is not the one that was sent")]);
    let found = held(&chains).discrepancies.remove(0);
    assert!(found.what.is_fault());
    // The call of the handler, and the call that sent it.
    let (at, sent) = (found.at, found.other.unwrap());
    let is_at = |chain: &Chain, seq: u64, offset: u64| {
        let frame = theater_record::Frame::parse(&chain.bytes[offset as usize..]).unwrap();
        matches!(frame.kind(), Some(theater_record::FrameKind::Record { seq: at, .. }) if at == seq)
    };
    assert!(is_at(&chains[1], at.seq, at.offset) && is_at(&chains[0], sent.seq, sent.offset));
}

#[test]
fn a_message_dropped() {
    let chains = lie(|events| drop(events.drain(blocks(events)[0].clone())));
    finds(&chains, &[(0, "the message was not received, but one that was sent later was")]);
    let chains = lie(|events| drop(events.drain(blocks(events)[2].clone())));
    finds(&chains, &[(0, "there is an answer to a message that was not received")]);
}

#[test]
fn a_message_reordered_or_duplicated() {
    let chains = lie(|events| {
        let blocks = blocks(events);
        events[blocks[0].start..blocks[1].end].rotate_left(3);
    });
    finds(&chains, &[(1, "the message was received after one that was sent later")]);
    let chains = lie(|events| {
        let block = blocks(events)[1].clone();
        let copy = events[block.clone()].to_vec();
        events.splice(block.end..block.end, copy);
    });
    finds(&chains, &[(1, "the message was received before")]);
}

#[test]
fn an_answer_changed() {
    let chains = lie(|events| {
        let block = blocks(events)[2].clone();
        spoil(&mut events[block.start + 2]);
    });
    finds(&chains, &[(0, "the answer is not the one that was given")]);
    let nothing = |events: &mut Vec<Event>| {
        let block = blocks(events)[2].clone();
        let Event::ExportReturn(end) = &mut events[block.start + 2] else { panic!("no return") };
        let given = vec![Value::Option(None), Value::Tuple(vec![Value::Option(None)])];
        let given = Value::Result(Ok(Some(Box::new(Value::Tuple(given)))));
        end.outcome = Outcome::Returned(Values::of(&[given]).unwrap());
    };
    finds(&lie(nothing), &[(0, "an answer came that was not given")]);
    let [one, other] = pair().try_into().unwrap();
    let settings = vec![("actor".to_owned(), id(1))];
    let open = other.retold_as(settings, false, nothing);
    let behind = "an answer came that is not in what there is of the other chain, which was cut off, or goes on after a crash";
    finds(&[one.clone(), open], &[(0, behind)]);
    let refused = one.retold(|events| {
        let last = events.iter_mut().rev().find_map(|event| match event {
            Event::ImportReturn(end) => Some(end),
            _ => None,
        });
        let refused = Value::Result(Err(Some(Box::new(Value::String("too late".to_owned())))));
        last.unwrap().outcome = Outcome::Returned(Values::of(&[refused]).unwrap());
    });
    let unheard = "an answer was given, and whoever asked has an error instead";
    finds(&[refused, other], &[(0, unheard)]);
}

#[test]
fn a_sender_forged() {
    let change = |at: usize, from: &'static str, to: &'static str| {
        lie(move |events| {
            let block = blocks(events)[at].start;
            let subject = subject(&mut events[block]);
            *subject = subject.replacen(from, to, 1);
        })
    };
    let words = |chains: &[Chain]| {
        let mut events = chains[1].events();
        let block = blocks(&events)[0].start;
        subject(&mut events[block]).split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let [actor, chain, event, link] = words(&pair()).try_into().unwrap();
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let (actor, chain, link) = (leak(actor), leak(chain), leak(link));
    let mut other_link = link.to_owned();
    other_link.replace_range(..1, if link.starts_with('0') { "1" } else { "0" });
    let lied = change(0, link, leak(other_link));
    finds(&lied, &[(1, "the event that sent the message has another hash")]);
    let event = leak(format!(" {event} "));
    let dropped = (0, "the message was not received, but one that was sent later was");
    let lied = change(0, event, " 2 ");
    finds(&lied, &[dropped, (1, "event 2 of the sender's chain sent no message")]);
    let lied = change(0, chain, "00000000000000000000000000000001");
    let unknown =
        "a message comes from chain 00000000000000000000000000000001, which is not in the set";
    finds(&lied, &[dropped, (1, unknown)]);
    let lied = change(0, actor, leak(id(7)));
    let other = format!("the sender named is actor {}, but the chain is another's", id(7));
    finds(&lied, &[dropped, (1, &other)]);
    let lied = change(0, actor, "somebody");
    finds(&lied, &[dropped, (1, "the sender named is actor somebody, but the chain is another's")]);
    let lied = change(0, chain, "ABC");
    assert!(found(&lied)[1].1.ends_with("does not say who sent the message"));
}

#[test]
fn nobody_said_to_have_sent_it() {
    let lied = lie(|events| drop(events.remove(blocks(events)[1].start)));
    let dropped = (0, "the message was not received, but one that was sent later was");
    finds(&lied, &[dropped, (1, "a message was handled and nothing says who sent it")]);
    let lied = lie(|events| {
        let block = blocks(events)[1].start;
        events[block] = permission("outside");
    });
    finds(&lied, &[dropped]);
}

#[test]
fn a_message_that_came_in_and_was_not_handled() {
    let lied = lie(|events| {
        let block = blocks(events)[0].clone();
        events.drain(block.start + 1..block.end);
    });
    finds(&lied, &[(1, "the message came in, but the call that handles it is not there")]);
}

#[test]
fn a_message_to_somebody_else() {
    let [one, other, third] =
        converse(3, &[(0, vec![Act::Send(1, b"one".to_vec()), Act::Send(1, b"two".to_vec())])])
            .try_into()
            .unwrap();
    let mut taken = Vec::new();
    let other = other.retold(|events| taken.extend(events.drain(blocks(events)[0].clone())));
    let third = third.retold(|events| events.extend(taken));
    let dropped = (0, "the message was not received, but one that was sent later was");
    let addressee = format!("the message was sent to {}", id(1));
    finds(&[one, other, third], &[dropped, (2, &addressee)]);
}

#[test]
fn a_message_received_as_something_else() {
    let lied = lie(|events| {
        let [send, _, ask] = blocks(events).try_into().unwrap();
        let mut copy = events[ask].to_vec();
        copy[0] = events[send.start].clone();
        events.splice(send, copy);
    });
    finds(&lied, &[(1, "the message was sent in another way than it was received")]);
}

#[test]
fn ends_that_are_cut_off_are_not_held_against_anybody() {
    let [one, other] = pair().try_into().unwrap();
    let settings = |actor: usize| vec![("actor".to_owned(), id(actor))];
    let cut = one.retold_as(settings(0), false, |events| {
        let call = |event: &Event| matches!(event, Event::ImportCall(_));
        events.truncate(events.iter().position(call).unwrap());
    });
    let held = held(&[cut, other.clone()]);
    assert!(held.is_sound());
    let texts: Vec<_> = held.discrepancies.iter().map(|found| found.what.to_string()).collect();
    assert_eq!(texts.len(), 3);
    assert!(texts[0].contains("is not in what there is of the other chain"), "{texts:?}");
    let cut = other.retold_as(settings(1), false, |events| {
        events.truncate(blocks(events)[0].start);
    });
    let last = calls(&one)[2];
    let not_yet = format!(
        "3 messages, from this event to event {last}, to actor {} were not received so far; \
         the end of its chain is missing",
        id(1)
    );
    finds(&[one, cut], &[(0, &not_yet)]);
}

#[test]
fn what_waits_at_the_end_is_not_held_against_anybody() {
    let acts = vec![Act::Send(1, b"one".to_vec())];
    let chains = converse_as(0, 2, &[(0, acts)], true);
    let unhandled =
        format!("a message to actor {} was not handled before it came to its end", id(1));
    finds(&chains, &[(0, &unhandled)]);
    assert!(held(&chains).is_sound());
}

#[test]
fn what_waits_is_told_once_for_each_chain_and_receiver() {
    let to = |receiver, count| (0..count).map(move |_| Act::Send(receiver, b"one".to_vec()));
    let chains =
        converse_as(0, 3, &[(0, to(1, 2).chain(to(2, 3)).chain(to(1, 2)).collect())], true);
    let calls = calls(&chains[0]);
    let waits = |receiver, count, last| {
        let id = id(receiver);
        format!(
            "{count} messages, from this event to event {last}, to actor {id} were not handled \
             before it came to its end"
        )
    };
    finds(&chains, &[(0, &waits(1, 4, calls[6])), (0, &waits(2, 3, calls[4]))]);
}

#[test]
fn chains_that_are_missing() {
    let [one, other] = pair().try_into().unwrap();
    let last = calls(&one)[2];
    let sent = format!("3 messages, from this event to event {last}, went to actor {}", id(1));
    finds(&[one], &[(0, &format!("{sent}, which is not in the set"))]);
    let found = found(&[other]);
    assert_eq!(found.len(), 1);
    let come = found[0].1.starts_with("3 messages, from this event to event ");
    let come = come && found[0].1.contains(", come from chain ");
    assert!(come && found[0].1.ends_with(", which is not in the set"), "{found:?}");
}

#[test]
fn lives_of_an_actor() {
    let [one, other] = pair().try_into().unwrap();
    let twice = [one.clone(), one.clone(), other.clone()];
    finds(&twice, &[(1, "this chain is in the set already")]);
    let [second] = converse_as(7, 1, &[], false).try_into().unwrap();
    let life = |follows: Option<String>| {
        let mut settings = vec![("actor".to_owned(), id(0))];
        settings.extend(follows.map(|event| ("follows".to_owned(), event)));
        [one.clone(), other.clone(), second.retold_as(settings, true, |_| {})]
    };
    let again =
        format!("another chain is of actor {} too, and neither says which was first", id(0));
    finds(&life(None), &[(2, &again)]);
    let records = crate::chains::records(&one.bytes);
    let (last, hash) =
        (records.len() - 1, crate::chains::hash_of(&one.bytes, *records.last().unwrap()));
    let chain = subject(&mut other.events()[blocks(&other.events())[0].start]).clone();
    let chain = chain.split(' ').nth(1).unwrap().to_owned();
    finds(&life(Some(format!("{chain} {last} {hash}"))), &[]);
    let elsewhere = "the life before does not end with the event that is named here";
    finds(&life(Some(format!("{chain} {} {hash}", last - 1))), &[(2, elsewhere)]);
    finds(&life(Some("nonsense".to_owned())), &[(2, elsewhere)]);
    let unknown = "ffffffffffffffffffffffffffffffff";
    let text = format!("the life before is in chain {unknown}, which is not in the set");
    finds(&life(Some(format!("{unknown} {last} {hash}"))), &[(2, &text)]);
}

#[test]
fn a_large_set() {
    let mut chains = Vec::new();
    for system in 0..100 {
        let acts = (1..20).map(|to| Act::Send(to, format!("to {to}").into_bytes())).collect();
        chains.extend(converse_as(20 * system, 20, &[(0, acts)], false));
    }
    let held = held(&chains);
    assert_eq!((chains.len(), held.messages, held.discrepancies.len()), (2_000, 1_900, 0));
}

/// What a liar changes in one chain of a conversation, and re-records.
#[derive(Debug, Clone, Copy)]
enum Lie {
    Spoil,
    Drop,
    Duplicate,
    Swap,
    Unsay,
    Relink,
    Redirect,
    Reanswer,
    Skip,
}

const LIES: [Lie; 9] = [
    Lie::Spoil,
    Lie::Drop,
    Lie::Duplicate,
    Lie::Swap,
    Lie::Unsay,
    Lie::Relink,
    Lie::Redirect,
    Lie::Reanswer,
    Lie::Skip,
];

/// Tells one lie about a message that came from an actor, or was sent to one. `false` if there is no
/// place for it.
fn tell(events: &mut Vec<Event>, lie: Lie, which: Index) -> bool {
    let from = |event: &Event| match event {
        Event::Permission(decision) if decision.subject != "outside" => {
            decision.subject.split(' ').next().map(str::to_owned)
        }
        _ => None,
    };
    let is_kind = |event: &Event| match lie {
        Lie::Redirect => matches!(event, Event::ImportCall(_)),
        Lie::Reanswer => match event {
            Event::ImportReturn(end) => matches!(&end.outcome, Outcome::Returned(values)
                if values.as_bytes().len() > 4),
            _ => false,
        },
        _ => from(event).is_some(),
    };
    let mut places: Vec<usize> = (0..events.len()).filter(|at| is_kind(&events[*at])).collect();
    if let Lie::Swap = lie {
        places.retain(|at| {
            events.get(at + 3).and_then(from).is_some_and(|next| Some(next) == from(&events[*at]))
        });
    }
    if places.is_empty() {
        return false;
    }
    let at = *which.get(&places);
    match lie {
        Lie::Spoil => spoil(&mut events[at + 1]),
        Lie::Drop => drop(events.drain(at..at + 3)),
        Lie::Duplicate => {
            let copy = events[at..at + 3].to_vec();
            events.splice(at..at, copy);
        }
        Lie::Swap => events[at..at + 6].rotate_left(3),
        Lie::Unsay => drop(events.remove(at)),
        Lie::Relink => {
            let subject = subject(&mut events[at]);
            let end = if subject.ends_with('0') { "1" } else { "0" };
            subject.replace_range(subject.len() - 1.., end);
        }
        Lie::Redirect => {
            let Event::ImportCall(call) = &mut events[at] else { panic!("not a call") };
            let mut bytes = call.args.as_bytes().to_vec();
            // The last digit of the id, behind the heads of the list and the text.
            bytes[2 + 36] ^= 8;
            call.args = Values::from_encoded(bytes).unwrap();
        }
        Lie::Reanswer => spoil(&mut events[at]),
        Lie::Skip => drop(events.drain(at + 1..at + 3)),
    }
    true
}

fn act(actors: usize) -> impl Strategy<Value = Act> {
    let bytes = prop::collection::vec(any::<u8>(), 1..80);
    (any::<bool>(), 0..actors, bytes).prop_map(|(asks, to, bytes)| match asks {
        true => Act::Ask(to, bytes),
        false => Act::Send(to, bytes),
    })
}

fn conversation() -> impl Strategy<Value = (usize, Vec<(usize, Vec<Act>)>)> {
    (2..6_usize).prop_flat_map(|actors| {
        let acts = prop::collection::vec(act(actors), 0..5);
        (Just(actors), prop::collection::vec((0..actors, acts), 1..8))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_conversation_holds_and_no_lie_about_it_does(
        (actors, moves) in conversation(),
        lies in prop::collection::vec((0..LIES.len(), any::<Index>(), any::<Index>()), 1..6),
    ) {
        let chains = converse(actors, &moves);
        let held = held(&chains);
        prop_assert_eq!(&held.discrepancies, &[]);
        for (lie, who, which) in lies {
            let (mut lied, who) = (chains.clone(), who.index(actors));
            let mut told = false;
            lied[who] = lied[who].retold(|events| told = tell(events, LIES[lie], which));
            if told {
                let found = found(&lied);
                prop_assert!(!found.is_empty(), "{:?} in chain {}: {:?}", LIES[lie], who, found);
            }
        }
    }
}
