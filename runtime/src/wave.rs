//! Calls and values as people type them, in WAVE: `demo:shop/cart#add("pear", 3)`.
//!
//! WAVE is the component model's text for values. The types lead: the same `{a}` is a set of flags
//! or a mistake, depending on what the function takes. One thing is added to it, because WAVE has
//! no text for a resource: `@7` is the resource to which the recording gave the number 7.
//!
//! What [`write_value`] prints, [`parse_value`] reads back to the same value. Two things get lost:
//! which NaN it was, and whatever a payload out of line held.

mod cursor;
mod error;
mod parse;
mod path;
mod print;
mod strings;
mod wit;

use theater_record::{Type, TypeTable, Value, Values};

use crate::world::World;
use parse::Parser;

pub use error::{Position, WaveError};
pub use path::{FindError, FunctionPath};
pub use print::write_value;
pub use wit::{params_text, type_text};

/// A call, read as far as that goes without knowing the function.
///
/// What the arguments mean depends on the parameters' types. So the caller looks for the function
/// that [`Invocation::path`] means and then asks for [`Invocation::args`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    path: FunctionPath,
    text: String,
    args_at: usize,
}

/// Why a component does not take a call.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// There is no such function.
    #[error(transparent)]
    Function(#[from] FindError),
    /// Those are no arguments for it.
    #[error(transparent)]
    Args(#[from] WaveError),
    /// They are nested deeper than a chain can hold.
    #[error(transparent)]
    Nesting(#[from] theater_record::CborError),
}

impl Invocation {
    /// Takes a call such as `add(1, 2)` or `demo:shop/cart@1.0.0#[method]cart.add(@1, "pear")`.
    pub fn parse(text: &str) -> Result<Invocation, WaveError> {
        let args_at = text.find('(').unwrap_or(text.len());
        let path = FunctionPath::parse_in(text, args_at)?;
        if args_at == text.len() {
            return Err(WaveError::expected("`(` and the arguments", text, args_at));
        }
        Ok(Invocation { path, text: text.to_owned(), args_at })
    }

    /// Which function is called.
    #[must_use]
    pub fn path(&self) -> &FunctionPath {
        &self.path
    }

    /// The same as a component takes it: the export, by its position, and the arguments.
    pub fn encoded(&self, world: &World) -> Result<(usize, Values), InvocationError> {
        let names = world.exports.iter().map(|f| (f.interface.as_str(), f.name.as_str()));
        let export = self.path.find(names)?;
        let args = self.args(&world.exports[export].params, &world.type_table())?;
        Ok((export, Values::of(&args)?))
    }

    /// The arguments as they were typed, in their parentheses.
    #[must_use]
    pub fn args_text(&self) -> &str {
        &self.text[self.args_at..]
    }

    /// The arguments. Options at the end may be left out: they are none.
    pub fn args(
        &self,
        params: &[(String, Type)],
        types: &TypeTable,
    ) -> Result<Vec<Value>, WaveError> {
        let mut parser = Parser::new(&self.text, self.args_at, types);
        let args = parser.args(params)?;
        parser.end()?;
        Ok(args)
    }
}

/// Reads one value of this type.
pub fn parse_value(text: &str, ty: &Type, types: &TypeTable) -> Result<Value, WaveError> {
    let mut parser = Parser::new(text, 0, types);
    let value = parser.value(ty)?;
    parser.end()?;
    Ok(value)
}
