//! How two recordings were set up: what their headers say, apart from what is each chain's own.

use std::collections::BTreeMap;

use theater_record::{Header, Origin};

use crate::compare::SetupDifference;

/// What the headers say differently; nothing if one is missing.
pub(crate) fn differences(headers: [Option<&Header>; 2]) -> Vec<SetupDifference> {
    let [Some(expected), Some(actual)] = headers else { return Vec::new() };
    let (mut expected, mut actual) = (fields(expected), fields(actual));
    let names: Vec<_> = expected.keys().chain(actual.keys()).cloned().collect();
    let mut differences: Vec<_> = names
        .into_iter()
        .map(|name| {
            let (expected, actual) = (expected.remove(&name), actual.remove(&name));
            SetupDifference { name, expected, actual }
        })
        .filter(|difference| difference.expected != difference.actual)
        .collect();
    differences.sort_by(|a, b| a.name.cmp(&b.name));
    differences
}

fn fields(header: &Header) -> BTreeMap<String, String> {
    let origin = match header.origin {
        Origin::Recorded => "recorded",
        Origin::Synthetic => "synthetic",
    };
    let bytes =
        |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let own = [
        ("origin", Some(origin.to_owned())),
        ("recorder", Some(header.recorder.clone())),
        ("name", Some(header.name.clone())),
        ("component", header.component.map(|digest| digest.to_string())),
        ("manifest", header.manifest.clone()),
        ("state", header.state.as_ref().map(bytes)),
        ("world", header.world.clone()),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let settings = header.settings.iter();
    own.chain(settings.map(|(name, value)| (format!("settings.{name}"), value.clone()))).collect()
}
