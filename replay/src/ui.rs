//! Where subcommands print: results, messages, colours and progress.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
            paint: Paint { colour: false },
            shows_progress: io::stderr().is_terminal(),
        }
    }

    /// Buffers in memory, without colour and progress.
    #[must_use]
    pub fn captured() -> Ui {
        Ui {
            out: Sink::Memory(Vec::new()),
            err: Sink::Memory(Vec::new()),
            paint: Paint { colour: false },
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
        self.paint.colour = match (choice, &self.out) {
            (ColourChoice::Always, _) => true,
            (ColourChoice::Never, _) | (ColourChoice::Auto, Sink::Err(_) | Sink::Memory(_)) => {
                false
            }
            (ColourChoice::Auto, Sink::Out(out)) => {
                anstream::AutoStream::choice(out.get_ref()) != anstream::ColorChoice::Never
            }
        };
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

/// Puts colours around text, or leaves it alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    colour: bool,
}

impl Paint {
    /// No colours.
    pub(crate) const PLAIN: Paint = Paint { colour: false };

    /// Good news, and what comes back.
    pub(crate) fn good<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Green.on_default())
    }

    /// Bad news.
    pub(crate) fn bad<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Red.on_default().bold())
    }

    /// What deserves a second look.
    pub(crate) fn warn<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Yellow.on_default())
    }

    /// Names.
    pub(crate) fn name<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Cyan.on_default())
    }

    /// What may be overlooked.
    pub(crate) fn dim<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, Style::new().dimmed())
    }

    /// What should not be overlooked.
    pub(crate) fn strong<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, Style::new().bold())
    }

    fn with<T: Display>(self, text: T, style: Style) -> Painted<T> {
        Painted { text, style: if self.colour { style } else { Style::new() } }
    }
}

/// Text in its colour. Width and alignment apply to the text alone.
pub(crate) struct Painted<T> {
    text: T,
    style: Style,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.style.fmt(f)?;
        self.text.fmt(f)?;
        write!(f, "{:#}", self.style)
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
