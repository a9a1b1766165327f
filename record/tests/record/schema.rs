//! `chain.cddl`, the normative description of the format: whatever the encoder writes conforms to
//! it, and whatever it does not allow is refused.

use std::collections::BTreeSet;

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use ciborium::Value as Item;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use theater_record::{
    BlobFrame, Frame, FrameKind, Hash, Kind, LifecycleState, MAGIC, Tombstone, TrapCode, check_body,
};

use crate::samples::{events, events_of, places};

struct Schema(BasicContext);

impl Schema {
    fn read() -> Schema {
        let text = without_tags(include_str!("../../chain.cddl"));
        Schema(BasicContext::new(flatten_from_str(&text).expect("the schema is CDDL")))
    }

    /// Whether this item is what the rule says.
    fn allows(&self, rule: &str, item: Item) -> bool {
        let rule = self.0.rules.get(rule).unwrap_or_else(|| panic!("no rule {rule}"));
        validate_cbor(rule, &without_item_tags(item), &self.0).is_ok()
    }
}

/// The schema with `#6.N(x)` written as `["tag", N, x]`, because the validator knows no tags.
fn without_tags(schema: &str) -> String {
    let Some((before, tagged)) = schema.split_once("#6.") else { return schema.to_owned() };
    let (number, rest) = tagged.split_once('(').expect("a tag has content");
    let mut open = 1;
    let closes = |byte: &u8| {
        open += i32::from(*byte == b'(') - i32::from(*byte == b')');
        open == 0
    };
    let end = rest.as_bytes().iter().position(closes).expect("parentheses come in pairs");
    let (content, after) = (without_tags(&rest[..end]), without_tags(&rest[end + 1..]));
    format!("{before}[\"tag\", {number}, {content}]{after}")
}

/// The same for what is to be validated, down into the bodies of frames.
fn without_item_tags(item: Item) -> Item {
    match item {
        Item::Tag(24, body) => {
            let body = parsed(&body.into_bytes().expect("tag 24 is around a byte string"));
            let body = Item::Bytes(written(&without_item_tags(body)));
            Item::Array(vec!["tag".into(), 24.into(), body])
        }
        Item::Tag(number, content) => {
            Item::Array(vec!["tag".into(), number.into(), without_item_tags(*content)])
        }
        Item::Array(items) => Item::Array(items.into_iter().map(without_item_tags).collect()),
        other => other,
    }
}

fn parsed(body: &[u8]) -> Item {
    ciborium::from_reader(body).expect("well-formed CBOR")
}

fn written(item: &Item) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(item, &mut bytes).expect("memory does not fail");
    bytes
}

/// A body of every kind, as an array of its fields.
fn one_body_of(kind: Kind) -> Vec<Item> {
    let strategy = (events_of(kind), places());
    let (event, place) =
        strategy.new_tree(&mut TestRunner::deterministic()).expect("a sample").current();
    let frame = place.frame(&event);
    fields(parsed(Frame::parse(&frame).expect("a frame").body()))
}

fn fields(item: Item) -> Vec<Item> {
    item.into_array().expect("a body is an array")
}

#[test]
fn every_event_conforms_to_the_rule_of_its_kind() {
    let schema = Schema::read();
    let all = (events(), places());
    // No file for failures: this runner does not know where its source is.
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&all, |(event, place)| {
            let frame = place.frame(&event);
            let body = parsed(Frame::parse(&frame).expect("a frame").body());
            for kind in Kind::ALL {
                let allowed = schema.allows(kind.name(), body.clone());
                prop_assert_eq!(allowed, kind == event.kind(), "{}", kind.name());
            }
            prop_assert!(schema.allows("body", body));
            prop_assert!(schema.allows("frame", parsed(&frame)));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// The bodies of a chain of the corpus, each with the rule it must conform to.
fn recorded(name: &str) -> Vec<(&'static str, Item)> {
    let path = format!("{}/../corpus/chains/{name}.cbor", env!("CARGO_MANIFEST_DIR"));
    let chain = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut rest = chain.strip_prefix(&MAGIC).expect("the magic");
    let mut bodies = Vec::new();
    while let Some(frame) = Frame::parse(rest) {
        let rule = match frame.kind().expect("a kind of frame") {
            FrameKind::Record { kind, .. } => Kind::from_number(kind).expect("a kind").name(),
            FrameKind::Blob => "blob",
            FrameKind::Tombstone => "tombstone",
        };
        bodies.push((rule, parsed(frame.body())));
        rest = &rest[frame.bytes().len()..];
    }
    assert!(rest.is_empty());
    bodies
}

#[test]
fn recorded_chains_conform_and_between_them_hold_every_kind() {
    let schema = Schema::read();
    let magic = ciborium::from_reader(&MAGIC[..]).expect("the magic is CBOR");
    assert!(schema.allows("magic", magic));
    let mut seen = BTreeSet::new();
    for name in ["all-kinds", "signed", "blobs", "redacted", "recovered"] {
        for (rule, body) in recorded(name) {
            assert!(schema.allows(rule, body), "{rule} in {name}");
            seen.insert(rule);
        }
    }
    assert_eq!(seen.len(), Kind::ALL.len() + 2, "{seen:?}");
}

#[test]
fn blobs_and_tombstones_conform() {
    let schema = Schema::read();
    let (mut blob, mut tombstone) = (Vec::new(), Vec::new());
    BlobFrame::seal([7; 16], b"content").encode_body([1; 4], &mut blob);
    Tombstone { digest: Hash([9; 32]), len: 7 }.encode_body([1; 4], &mut tombstone);
    let bodies = [("blob", blob), ("tombstone", tombstone)];
    for (rule, body) in &bodies {
        for (other, _) in &bodies {
            assert_eq!(schema.allows(other, parsed(body)), rule == other, "{rule} as {other}");
        }
        assert!(schema.allows("body", parsed(body)));
        let mut longer = fields(parsed(body));
        longer.push(Item::Null);
        assert!(!schema.allows("body", Item::Array(longer.clone())), "{rule}");
        let longer = written(&Item::Array(longer));
        assert!(
            BlobFrame::decode_body(&longer).is_err() && Tombstone::decode_body(&longer).is_err()
        );
    }
}

#[test]
fn bodies_with_another_number_of_fields_are_refused() {
    let schema = Schema::read();
    for kind in Kind::ALL {
        let body = one_body_of(kind);
        assert!(check_body(&written(&Item::Array(body.clone()))).is_ok());
        let mut longer = body.clone();
        // Two more, because calls have room for one.
        longer.extend([Item::from(0), Item::from(0)]);
        for wrong in [&body[..body.len() - 2], &longer] {
            let wrong = Item::Array(wrong.to_vec());
            assert!(check_body(&written(&wrong)).is_err(), "{}", kind.name());
            assert!(!schema.allows("body", wrong), "{}", kind.name());
        }
    }
}

#[test]
fn fields_of_another_type_are_refused() {
    let schema = Schema::read();
    for kind in Kind::ALL {
        let body = one_body_of(kind);
        for at in 0..body.len() {
            // Fits nowhere: every byte string has a fixed length, and no field is negative.
            for wrong in [Item::Bytes(vec![0; 5]), Item::from(-1), Item::Float(0.5)] {
                let may_be_any_bytes = kind == Kind::Header && at == 4 + 11;
                if may_be_any_bytes && wrong.is_bytes() {
                    continue;
                }
                let mut body = body.clone();
                body[at] = wrong;
                let body = Item::Array(body);
                assert!(check_body(&written(&body)).is_err(), "field {at} of {}", kind.name());
                assert!(!schema.allows("body", body), "field {at} of {}", kind.name());
            }
        }
    }
}

#[test]
fn numbers_end_where_the_schema_says() {
    let schema = Schema::read();
    let trapped = |code: usize| {
        let outcome = vec![1.into(), (code as u64).into(), "".into()];
        (Kind::ImportReturn, 5, Item::Array(outcome))
    };
    let number = |kind, at, number: usize| (kind, at, Item::from(number as u64));
    let reasons = theater_record::CloseReason::ALL.len();
    let last = [
        (number(Kind::Lifecycle, 4, LifecycleState::ALL.len() - 1), true),
        (number(Kind::Lifecycle, 4, LifecycleState::ALL.len()), false),
        (number(Kind::Close, 4, reasons - 1), true),
        (number(Kind::Close, 4, reasons), false),
        (number(Kind::Header, 8, 1), true),
        (number(Kind::Header, 8, 2), false),
        (trapped(TrapCode::ALL.len() - 1), true),
        (trapped(TrapCode::ALL.len()), false),
        (number(Kind::Type, 6, 12), true),
        (number(Kind::Type, 6, 13), false),
        (number(Kind::ResourceDrop, 4, u32::MAX as usize), true),
        (number(Kind::ResourceDrop, 4, u32::MAX as usize + 1), false),
    ];
    for ((kind, at, item), allowed) in last {
        let mut body = one_body_of(kind);
        body[at] = item;
        let what = format!("{:?} in field {at} of {}", body[at], kind.name());
        let body = Item::Array(body);
        assert_eq!(check_body(&written(&body)).is_ok(), allowed, "{what}");
        assert_eq!(schema.allows(kind.name(), body), allowed, "{what}");
    }
}
