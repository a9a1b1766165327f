//! Everything that can be wrong with a path, in words that are the same on every machine.

use std::io;

use rustix::io::Errno;
use theater_record::Permission;

use super::super::decision;
use crate::host::Reason;

/// Why nothing was done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::services) enum Trouble {
    #[error("it leads out of the granted folder")]
    Outside,
    #[error("it is below none of the allowed paths")]
    NotAllowed,
    #[error("reading is not allowed")]
    NotReadable,
    #[error("writing is not allowed")]
    ReadOnly,
    #[error("the system does not permit it")]
    Refused,
    #[error("it is not there")]
    NotThere,
    #[error("it is no folder")]
    NotAFolder,
    #[error("it is a folder")]
    IsAFolder,
    #[error("it is neither a file nor a folder")]
    Special,
    #[error("something else is there already")]
    Taken,
    #[error("it names nothing in the granted folder")]
    Nameless,
    #[error("it is larger than 8 MiB")]
    TooLarge,
    #[error("it holds more than 10000 names")]
    TooMany,
    #[error("it is no path that the system can have")]
    NotAPath,
    #[error("it has too many links")]
    TooManyLinks,
    #[error("there is no space left")]
    NoSpace,
    #[error("the granted folder cannot be opened")]
    NoRoot,
    #[error("it was changed by somebody else meanwhile")]
    Changed,
    #[error("the system failed")]
    Failed,
}

impl Trouble {
    /// What the chain says: whether it was the permission that stood in the way.
    pub(in crate::services) fn reason(self) -> Reason {
        match self {
            Trouble::Outside => Reason::Outside,
            Trouble::NotAllowed | Trouble::NotReadable => Reason::NotGranted,
            Trouble::ReadOnly => Reason::ReadOnly,
            Trouble::Refused => Reason::System,
            Trouble::NotThere
            | Trouble::NotAFolder
            | Trouble::IsAFolder
            | Trouble::Special
            | Trouble::Taken
            | Trouble::Nameless
            | Trouble::TooLarge
            | Trouble::TooMany
            | Trouble::NotAPath
            | Trouble::TooManyLinks
            | Trouble::NoSpace
            | Trouble::NoRoot
            | Trouble::Changed
            | Trouble::Failed => Reason::Granted,
        }
    }

    /// The same as a decision about this path.
    pub(super) fn decision(self, capability: &str, path: &str) -> Permission {
        match self.reason() {
            Reason::Granted => decision(Reason::Granted, capability, path, ""),
            reason => decision(reason, capability, path, &self.to_string()),
        }
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Trouble {
        match error {
            Errno::XDEV => Trouble::Outside,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Trouble::Refused,
            Errno::NOENT => Trouble::NotThere,
            Errno::NOTDIR => Trouble::NotAFolder,
            Errno::ISDIR => Trouble::IsAFolder,
            Errno::EXIST => Trouble::Taken,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Trouble::NotAPath,
            Errno::LOOP => Trouble::TooManyLinks,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Trouble::NoSpace,
            Errno::NOTEMPTY | Errno::STALE | Errno::AGAIN => Trouble::Changed,
            Errno::NXIO | Errno::NODEV => Trouble::Special,
            _ => Trouble::Failed,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match (Errno::from_io_error(&error), error.kind()) {
            (Some(error), _) => error.into(),
            // What leads out of a directory has no number of the system's.
            (None, io::ErrorKind::PermissionDenied) => Trouble::Outside,
            (None, io::ErrorKind::InvalidInput) => Trouble::NotAPath,
            (None, _) => Trouble::Failed,
        }
    }
}
