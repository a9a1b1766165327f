//! Server-sent events, taken from a connection one after another.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Runtime;

use super::{Client, ClientError};

/// One event is not larger than this.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// What a server sends, until it has nothing more to send.
pub(crate) struct Events {
    client: Client,
    runtime: Runtime,
    body: Incoming,
    parser: Parser,
}

/// One thing that a server sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// What kind of thing it is.
    pub(crate) name: String,
    /// What there is to say of it.
    pub(crate) data: String,
}

/// Cuts bytes into lines, and puts events together of them.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    event: ServerEvent,
    ready: VecDeque<ServerEvent>,
}

impl Events {
    pub(super) fn new(client: Client, runtime: Runtime, body: Incoming) -> Events {
        Events { client, runtime, body, parser: Parser::default() }
    }
}

impl Iterator for Events {
    type Item = Result<ServerEvent, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.parser.ready.pop_front() {
                return Some(Ok(event));
            }
            let frame = match self.runtime.block_on(self.body.frame())? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(self.client.broken(error))),
            };
            let Some(bytes) = frame.data_ref() else { continue };
            if !self.parser.take(bytes) {
                return Some(Err(self.client.broken("it sends an event that is too large")));
            }
        }
    }
}

impl Parser {
    /// Takes in some bytes. `false` if an event grows too large.
    fn take(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.pop_if(|byte| *byte == b'\n').is_some() {
                let line = std::mem::take(&mut self.line);
                self.read_line(&String::from_utf8_lossy(&line));
            }
        }
        self.line.len() + self.event.data.len() <= EVENT_BYTES_MAX
    }

    fn read_line(&mut self, line: &str) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // Without data, there was only a sign of life.
            if !event.data.is_empty() {
                self.ready.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.name = value.to_owned(),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Parser, ServerEvent};

    fn event(name: &str, data: &str) -> ServerEvent {
        ServerEvent { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let bytes =
            ": hello\n\nid: 1\nevent: a\ndata: one\n\ndata:two\r\ndata: \u{e9}\r\n\r\ndata: cut"
                .as_bytes();
        let expected = [event("a", "one"), event("", "two\n\u{e9}")];
        for size in 1..bytes.len() {
            let mut parser = Parser::default();
            assert!(bytes.chunks(size).all(|piece| parser.take(piece)));
            assert!(parser.ready.iter().eq(&expected), "{size}: {:?}", parser.ready);
        }
    }
}
