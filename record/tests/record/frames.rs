//! Frames: every event survives being stored, and there is one way only to store it.

use proptest::prelude::*;
use theater_record::{
    BODY_BYTES_MIN, Event, Frame, FrameKind, MAGIC, Place, ReadError, Reader, Record, Stored,
    check_body,
};

use crate::samples::{events, places};

/// What a stored record says; `None` if its body is malformed.
fn event_in(frame: Frame<'_>) -> Option<(Place, Event)> {
    let Some(FrameKind::Record { seq, kind }) = frame.kind() else { return None };
    let kind = theater_record::Kind::from_number(kind)?;
    let record = Record { offset: 0, seq, kind, frame };
    let place = Place { tag: frame.tag(), prev: record.prev(), seq };
    Some((place, record.event().ok()?))
}

/// A small change such as a faulty disk or a curious person makes.
#[derive(Debug, Clone)]
enum Change {
    Set(u8),
    Insert(u8),
    Delete,
    /// Cuts off the rest.
    Cut,
}

fn changes() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let change = prop_oneof![
        8 => any::<u8>().prop_map(Change::Set),
        4 => any::<u8>().prop_map(Change::Insert),
        2 => Just(Change::Delete),
        1 => Just(Change::Cut),
    ];
    (any::<prop::sample::Index>(), change)
}

fn apply(body: &mut Vec<u8>, (at, change): &(prop::sample::Index, Change)) {
    // The start of a body is fixed; a frame that differs there or lacks it is no frame at all.
    let at = 40 + at.index(body.len() - 40);
    match change {
        Change::Set(byte) => body[at] = *byte,
        Change::Insert(byte) => body.insert(at, *byte),
        Change::Delete if body.len() > BODY_BYTES_MIN => drop(body.remove(at)),
        Change::Cut | Change::Delete => body.truncate(at.max(BODY_BYTES_MIN)),
    }
}

proptest! {
    #[test]
    fn hold_what_was_put_in(event in events(), place in places()) {
        let bytes = place.frame(&event);
        let mut behind = b"before".to_vec();
        place.frame_into(&event, &mut behind);
        prop_assert_eq!(&behind[6..], &bytes[..]);
        let frame = Frame::parse(&bytes).expect("a whole frame");
        prop_assert_eq!(frame.bytes(), &bytes[..]);
        let expected = FrameKind::Record { seq: place.seq, kind: event.kind() as u64 };
        prop_assert_eq!(frame.kind(), Some(expected));
        prop_assert_eq!(check_body(frame.body()), Ok(event.kind()));
        prop_assert_eq!(event_in(frame), Some((place, event)));
    }

    #[test]
    fn are_found_by_the_reader_one_after_another(
        all in prop::collection::vec((events(), places()), 1..5),
        cut in 1..40usize,
    ) {
        let mut chain = MAGIC.to_vec();
        all.iter().for_each(|(event, place)| chain.extend(place.frame(event)));
        let whole = chain.len() as u64;
        let last = all.len() - 1;
        chain.extend(&all[last].1.frame(&all[last].0)[..cut]);
        let mut reader = Reader::new(&chain[..]).expect("the magic");
        for (event, place) in all {
            let Some(Stored::Record(record)) = reader.read().expect("a record") else {
                panic!("not a record");
            };
            prop_assert_eq!(record.prev(), place.prev);
            prop_assert_eq!(record.event().expect("well-formed"), event);
        }
        let end = reader.read().map(|stored| stored.is_some());
        prop_assert!(
            matches!(end, Err(ReadError::Torn { offset, bytes })
                if offset == whole && bytes == cut as u64),
            "{end:?}"
        );
    }

    #[test]
    fn have_one_form_only_and_the_strict_walk_accepts_just_what_decodes(
        event in events(),
        place in places(),
        changes in prop::collection::vec(changes(), 1..3),
    ) {
        let bytes = place.frame(&event);
        let mut body = Frame::parse(&bytes).expect("a whole frame").body().to_vec();
        changes.iter().for_each(|change| apply(&mut body, change));
        let mut changed = Vec::new();
        Frame::wrap(&body, &mut changed);
        let frame = Frame::parse(&changed).expect("its start is whole");
        let decoded = event_in(frame);
        prop_assert_eq!(check_body(frame.body()).ok(), decoded.as_ref().map(|(_, e)| e.kind()));
        if let Some((place, event)) = decoded {
            prop_assert_eq!(place.frame(&event), changed);
        }
    }
}
