//! Takes the debug information out of a component or a module, and leaves every other byte as it is:
//! `strip INPUT OUTPUT`. Names of functions stay.

use std::process::ExitCode;

/// The magic and the version, which say whether it is a component or a module.
const PREAMBLE: usize = 8;
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Sections of a component that hold a whole module or component.
const NESTED: [u8; 2] = [1, 4];
/// Sections with a name and content of any kind.
const CUSTOM: u8 = 0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = &arguments[..] else {
        eprintln!("strip INPUT OUTPUT");
        return ExitCode::from(2);
    };
    let stripped = std::fs::read(input)
        .map_err(|error| error.to_string())
        .and_then(|bytes| strip(&bytes).ok_or_else(|| "not WebAssembly".to_owned()));
    let written = stripped.and_then(|bytes| {
        std::fs::write(output, bytes).map_err(|error| format!("to {output}: {error}"))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strip: {input}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The same without debug sections, at any depth; `None` if the bytes are not what they should be.
fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let (preamble, mut rest) = bytes.split_at_checked(PREAMBLE)?;
    if preamble != MODULE && preamble != COMPONENT {
        return None;
    }
    let mut stripped = preamble.to_vec();
    while let Some((&id, after_id)) = rest.split_first() {
        let (section, after) = with_length(after_id)?;
        let whole = &rest[..rest.len() - after.len()];
        if preamble == COMPONENT && NESTED.contains(&id) {
            let inner = strip(section)?;
            stripped.push(id);
            push_length(&mut stripped, inner.len());
            stripped.extend(inner);
        } else if id != CUSTOM || !with_length(section)?.0.starts_with(b".debug_") {
            stripped.extend(whole);
        }
        rest = after;
    }
    Some(stripped)
}

/// Takes as many bytes as the length before them says; those bytes, and what follows.
fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    for (place, &byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return bytes[place + 1..].split_at_checked(length);
        }
    }
    None
}

/// Writes a length in as few bytes as it needs.
fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with its length.
    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut section = vec![id];
        push_length(&mut section, content.len());
        section.extend(content);
        section
    }

    #[test]
    fn debug_sections_go_and_the_rest_stays() {
        let code = section(10, &[7; 300]);
        let names = section(0, b"\x04name\x01");
        let debug = section(0, b"\x0b.debug_line\x01\x02");
        let module = [MODULE, &code, &debug, &names].concat();
        let lean = [MODULE, &code, &names].concat();
        assert_eq!(strip(&module).unwrap(), lean);

        // In a component the number of the code section means something else.
        let types = section(10, b"\x0b.debug_type");
        let component = [COMPONENT, &section(1, &module), &types].concat();
        assert_eq!(strip(&component).unwrap(), [COMPONENT, &section(1, &lean), &types].concat());
    }

    #[test]
    fn what_is_cut_or_something_else_is_refused() {
        assert_eq!(strip(b"not WebAssembly"), None);
        assert_eq!(strip(&[MODULE, b"\x0a\x05\0"].concat()), None);
        assert_eq!(strip(&[MODULE, b"\x0a\xff\xff\xff\xff\xff\xff"].concat()), None);
    }
}
