//! What a component printed, as its calls say.

use theater_record::{Decoder, Event, FunctionType, Outcome};

/// Where a component printed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

type Listener = Box<dyn FnMut(Stream, &[u8]) + Send>;

/// Picks out of the crossings what was written to standard output and standard error.
#[derive(Default)]
pub struct Console {
    stdout: Vec<u64>,
    stderr: Vec<u64>,
    listener: Option<Listener>,
}

impl Console {
    /// Has `listener` called for everything that is printed.
    pub fn listening(listener: impl FnMut(Stream, &[u8]) + Send + 'static) -> Console {
        Console { listener: Some(Box::new(listener)), ..Console::default() }
    }

    /// Looks at a crossing.
    pub fn see(&mut self, event: &Event, function: impl FnOnce() -> Option<FunctionType>) {
        if self.listener.is_none() {
            return;
        }
        match event {
            Event::ImportCall(call) => {
                if let Some(function) = function()
                    && is_write(&function)
                {
                    self.print(call.args.as_bytes());
                }
            }
            Event::ImportReturn(end) => {
                if let Outcome::Returned(values) = &end.outcome
                    && let Some(function) = function()
                {
                    self.note_stream(&function, values.as_bytes());
                }
            }
            _ => {}
        }
    }

    fn note_stream(&mut self, function: &FunctionType, results: &[u8]) {
        let streams = match function.name.as_str() {
            "get-stdout" if function.interface.starts_with("wasi:cli/stdout@") => &mut self.stdout,
            "get-stderr" if function.interface.starts_with("wasi:cli/stderr@") => &mut self.stderr,
            _ => return,
        };
        let mut input = Decoder::new(results);
        if input.array().is_ok()
            && let Ok(stream) = input.uint()
        {
            streams.push(stream);
        }
    }

    fn print(&mut self, args: &[u8]) {
        let mut input = Decoder::new(args);
        if input.array().is_err() {
            return;
        }
        let (Ok(stream), Ok(bytes)) = (input.uint(), input.bytes()) else { return };
        let stream = if self.stdout.contains(&stream) {
            Stream::Stdout
        } else if self.stderr.contains(&stream) {
            Stream::Stderr
        } else {
            return;
        };
        if let Some(listener) = &mut self.listener {
            listener(stream, bytes);
        }
    }
}

fn is_write(function: &FunctionType) -> bool {
    function.interface.starts_with("wasi:io/streams@")
        && matches!(
            function.name.as_str(),
            "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush"
        )
}
