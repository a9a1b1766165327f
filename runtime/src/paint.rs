//! Colours around text, or none.

use std::fmt::{Display, Formatter, Result};

use anstyle::{AnsiColor, Style};

/// Puts colours around text, or leaves it alone.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    colour: bool,
}

impl Paint {
    /// No colours.
    pub const PLAIN: Paint = Paint { colour: false };

    /// Colours, if they are wanted.
    #[must_use]
    pub fn new(colour: bool) -> Paint {
        Paint { colour }
    }

    /// Good news, and what comes back.
    pub fn good<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Green.on_default())
    }

    /// Bad news.
    pub fn bad<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Red.on_default().bold())
    }

    /// What deserves a second look.
    pub fn warn<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Yellow.on_default())
    }

    /// Names.
    pub fn name<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, AnsiColor::Cyan.on_default())
    }

    /// What may be overlooked.
    pub fn dim<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, Style::new().dimmed())
    }

    /// What should not be overlooked.
    pub fn strong<T: Display>(self, text: T) -> Painted<T> {
        self.with(text, Style::new().bold())
    }

    fn with<T: Display>(self, text: T, style: Style) -> Painted<T> {
        Painted { text, style: if self.colour { style } else { Style::new() } }
    }
}

/// Text in its colour. Width and alignment apply to the text alone.
#[derive(Debug)]
pub struct Painted<T> {
    text: T,
    style: Style,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.style.fmt(f)?;
        self.text.fmt(f)?;
        write!(f, "{:#}", self.style)
    }
}
