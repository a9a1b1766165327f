//! The state as of each event, held against a model.

use proptest::prelude::*;
use theater_record::{BlobFrame, Frame, FrameKind, Outcome, Return, Tombstone, TrapCode, Value};
use theater_record::{Event, Reader};

use super::{Scene, ViewError, path_in, state, well};
use crate::chain_view::ChainView;
use crate::entry::json;

/// What a handler comes to.
#[derive(Debug, Clone)]
enum End {
    State(Option<Vec<u8>>),
    Error,
    Trap,
    /// Something else happens.
    Log,
}

fn ends() -> impl Strategy<Value = Vec<End>> {
    let end = prop_oneof![
        4 => (0_usize..9000, any::<u8>()).prop_map(|(len, byte)| End::State(Some(vec![byte; len]))),
        1 => Just(End::State(None)),
        1 => Just(End::Error),
        1 => Just(End::Trap),
        4 => Just(End::Log),
    ];
    prop::collection::vec(end, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_state_is_what_the_last_handler_gave_that_was_done_well(ends in ends()) {
        let mut scene = Scene::new();
        let mut now = Some(b"at first".to_vec());
        let mut expected = Vec::new();
        for end in ends {
            let number = match end {
                End::State(given) => {
                    now.clone_from(&given);
                    scene.give(&[well(given)])
                }
                End::Error => {
                    let error = Value::String("failed".to_owned());
                    scene.give(&[Value::Result(Err(Some(Box::new(error))))])
                }
                End::Trap => {
                    let outcome = Outcome::Trapped {
                        code: TrapCode::Unreachable,
                        detail: String::new(),
                    };
                    let function = scene.handler;
                    scene.add(&Event::ExportReturn(Return { function, outcome, fuel: None }))
                }
                End::Log => scene.log("something"),
            };
            expected.push((number, now.clone()));
        }
        let view = scene.view();
        prop_assert_eq!(view.state_at(0).unwrap(), Some(b"at first".to_vec()));
        for (number, state) in expected {
            prop_assert_eq!(view.state_at(number).unwrap(), state, "event {}", number);
        }
    }
}

#[test]
fn what_is_no_handler_gives_no_state() {
    let mut scene = Scene::new();
    let given = super::handler_types().1;
    let params = [("state", super::state_type())];
    let other = scene.recorder.function_id("demo:other/client", "handle-send", &params, &given);
    let function = other.unwrap();
    let outcome = Outcome::Returned(super::values(&[well(Some(b"other".to_vec()))]));
    let number = scene.add(&Event::ExportReturn(Return { function, outcome, fuel: None }));
    assert_eq!(scene.view().state_at(number).unwrap(), Some(b"at first".to_vec()));
    assert!(matches!(scene.view().state_at(9999), Err(ViewError::NoEvent { .. })));
    assert_eq!(state(None), Value::Option(None));
}

#[test]
fn a_state_that_was_removed_is_missed() {
    let mut scene = Scene::new();
    let number = scene.give(&[well(Some(vec![7; 5000]))]);
    drop(scene.view());
    let folder = scene.close();
    let mut reader = Reader::new(std::fs::File::open(path_in(&folder)).unwrap()).unwrap();
    let mut redacted = theater_record::MAGIC.to_vec();
    while let Some((_, frame)) = reader.read_frame().unwrap() {
        if frame.kind() != Some(FrameKind::Blob) {
            redacted.extend_from_slice(frame.bytes());
            continue;
        }
        let blob = BlobFrame::decode_body(frame.body()).unwrap();
        let mut body = Vec::new();
        let len = blob.content.len() as u64;
        Tombstone { digest: blob.digest, len }.encode_body(frame.tag(), &mut body);
        Frame::wrap(&body, &mut redacted);
    }
    let path = folder.path().join("redacted");
    std::fs::write(&path, redacted).unwrap();
    let view = ChainView::open(&path).unwrap();
    assert_eq!(
        view.state_at(number).unwrap_err().to_string(),
        format!("the state that event {number} gives was removed from the chain")
    );
    let shown = json::line(&view.shown(number).unwrap());
    assert!(shown.contains("\"removed\":true"), "{shown}");
}
