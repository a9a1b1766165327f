//! Where subcommands print: results, messages, colours and progress.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) use theater_runtime::paint::Paint;

/// Work that is done sooner than this shows no progress bar.
const PROGRESS_AFTER: Duration = Duration::from_millis(500);

/// The standard streams of one run, or buffers that stand in for them in tests.
pub struct Ui {
    /// Where results go.
    pub(crate) out: Sink,
    /// Where messages go.
    pub(crate) err: Sink,
    paint: Paint,
    shows_progress: bool,
}

/// Something to write to.
pub(crate) enum Sink {
    Out(BufWriter<io::Stdout>),
    Err(io::Stderr),
    Memory(Vec<u8>),
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Ui {
    /// The real standard streams.
    #[must_use]
    pub fn terminal() -> Ui {
        Ui {
            out: Sink::Out(BufWriter::with_capacity(64 << 10, io::stdout())),
            err: Sink::Err(io::stderr()),
            paint: Paint::PLAIN,
            shows_progress: io::stderr().is_terminal(),
        }
    }

    /// Buffers in memory, without colour and progress.
    #[must_use]
    pub fn captured() -> Ui {
        Ui {
            out: Sink::Memory(Vec::new()),
            err: Sink::Memory(Vec::new()),
            paint: Paint::PLAIN,
            shows_progress: false,
        }
    }

    /// What was printed to the buffers of [`Ui::captured`]: results and messages.
    #[must_use]
    pub fn into_captured(self) -> (String, String) {
        (self.out.into_text(), self.err.into_text())
    }

    /// Decides about colours, once the arguments are known.
    pub(crate) fn set_colour(&mut self, choice: ColourChoice) {
        let colour = match (choice, &self.out) {
            (ColourChoice::Always, _) => true,
            (ColourChoice::Never, _) | (ColourChoice::Auto, Sink::Err(_) | Sink::Memory(_)) => {
                false
            }
            (ColourChoice::Auto, Sink::Out(out)) => {
                anstream::AutoStream::choice(out.get_ref()) != anstream::ColorChoice::Never
            }
        };
        self.paint = Paint::new(colour);
    }

    /// The colours of results.
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Says what is being done, on a terminal only.
    pub(crate) fn status(&mut self, text: &str) -> io::Result<()> {
        if self.shows_progress { writeln!(self.err, "{text}") } else { Ok(()) }
    }

    /// A progress bar over this many bytes. It shows only on a terminal, and only when the work
    /// turns out to be long.
    pub(crate) fn progress(&self, bytes: u64) -> Progress {
        self.bar(
            bytes,
            "{wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        )
    }

    /// The same over this many cases.
    pub(crate) fn progress_of_cases(&self, cases: u64) -> Progress {
        self.bar(cases, "{wide_bar} {pos}/{len} cases {per_sec} {eta}")
    }

    fn bar(&self, total: u64, template: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        bar.set_style(style);
        Progress { bar, shown: self.shows_progress, start: Instant::now() }
    }
}

/// The progress of some work. Threads may share it.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Whether it may be shown at all.
    shown: bool,
    start: Instant,
}

impl Progress {
    /// Says how many bytes or cases are done so far.
    pub(crate) fn set(&self, bytes: u64) {
        if self.shown && self.bar.is_hidden() && self.start.elapsed() > PROGRESS_AFTER {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Sink {
    fn into_text(self) -> String {
        match self {
            Sink::Memory(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Sink::Out(_) | Sink::Err(_) => String::new(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Sink::Out(out) => out,
            Sink::Err(err) => err,
            Sink::Memory(bytes) => bytes,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}
