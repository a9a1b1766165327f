//! Where a recording ends because somebody killed the component: from there, it is not asked what it
//! would do.

use theater_record::{Event, Kind, Lifecycle, Outcome, Return, TrapCode};

use super::{Stop, Tape};
use crate::recording::instantiation_failed;
use crate::trap::Failure;

impl Tape {
    /// How the world ended what the component is doing, if that is what comes next. The component
    /// itself would go on, perhaps for ever.
    pub(crate) fn killed(&mut self) -> Result<Option<Failure>, Stop> {
        if !self.was_killable {
            return Ok(None);
        }
        let kind = self.peek().map_err(Stop::Failed)?;
        if !matches!(kind, Some(Kind::ExportReturn | Kind::Lifecycle)) {
            return Ok(None);
        }
        let (_, event) = self.cursor.event().map_err(Stop::Failed)?;
        let killed = Failure { code: TrapCode::Killed, detail: String::new() };
        Ok(match event {
            Event::ExportReturn(Return {
                outcome: Outcome::Trapped { code: code @ TrapCode::Killed, detail },
                ..
            }) => Some(Failure { code, detail }),
            Event::Lifecycle(Lifecycle { detail, .. })
                if detail == instantiation_failed(&killed) =>
            {
                Some(killed)
            }
            _ => None,
        })
    }
}
