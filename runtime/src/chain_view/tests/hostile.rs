//! Chains that were damaged at random, and one that promises more than there is.

use proptest::prelude::*;
use theater_record::{BlobRef, Call, Encoder, Event, Values};

use super::{Scene, well};
use crate::chain_view::{ChainView, Filter, Order};
use crate::entry::json;

/// Asks everything that can be asked. Whether there is an answer does not matter.
fn ask_all(view: &ChainView) {
    let _ = (view.head(), view.header(), view.is_closed());
    let count = view.count().unwrap_or(70);
    for number in 0..count.min(200) {
        let _ = (view.event(number), view.state_at(number));
        if let Ok(shown) = view.shown(number) {
            let _ = (json::line(&shown), shown.log());
        }
    }
    let _ = view.events(0, u64::MAX, usize::MAX);
    let _ = view.select(&Filter::logs(), 0..u64::MAX, Order::NewestFirst, 10);
}

fn chain() -> Vec<u8> {
    let mut scene = Scene::new();
    for number in 0..70_u8 {
        scene.log(&format!("line {number}"));
        scene.give(&[well(Some(vec![number; 100 * usize::from(number)]))]);
    }
    drop(scene.view());
    std::fs::read(scene.path()).expect("the file is there")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damage_never_ends_in_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = chain();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let file = tempfile::NamedTempFile::new().expect("there is room for a file");
        std::fs::write(file.path(), &bytes).expect("there is room for a file");
        ask_all(&ChainView::open(file.path()).expect("the file is there"));
        // The same while it changes under the view.
        let view = ChainView::open(file.path()).expect("the file is there");
        let _ = view.count();
        bytes.rotate_left(3);
        std::fs::write(file.path(), &bytes).expect("there is room for a file");
        ask_all(&view);
    }
}

#[test]
fn many_references_to_one_payload_do_not_fill_the_memory() {
    let mut scene = Scene::new();
    let large = scene.log(&"x".repeat(900 << 10));
    let mut refs = Vec::new();
    let view = scene.view();
    let stored = view.event(large).unwrap();
    let at = stored.body.windows(3).position(|bytes| bytes == [0xd9, 0x74, 0x62]).unwrap();
    let mut input = theater_record::Decoder::new(&stored.body[at..]);
    let blob = BlobRef::decode(&mut input).unwrap();
    let mut out = Encoder(&mut refs);
    out.array(1);
    out.array(20_000);
    (0..20_000).for_each(|_| blob.encode(&mut out));
    let texts = theater_record::Type::List(Box::new(theater_record::Type::String));
    let function = scene.recorder.function_id("demo:hostile/it", "it", &[("texts", texts)], &[]);
    let args = Values::from_encoded(refs).unwrap();
    let call = Call { function: function.unwrap(), args, fuel: None };
    let number = scene.add(&Event::ImportCall(call));
    let shown = json::line(&scene.view().shown(number).unwrap());
    assert!(shown.len() < 16 << 20, "{} bytes", shown.len());
}
