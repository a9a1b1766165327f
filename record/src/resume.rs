//! Goes on with the chain of a recorder that is gone.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::blob::Sealer;
use crate::event::Kind;
use crate::format::INLINE_BYTES_DEFAULT;
use crate::hash::Hash;
use crate::ledger::{Keys, Ledger};
use crate::linker::{Chain, Ready};
use crate::log::Log;
use crate::recorder::{Clock, QUEUE_BYTES_DEFAULT, RecordError, Recorder};
use crate::recover::{RecoverError, Recovery, recover_event};
use crate::sign::{IdentityKey, Seed};

/// How to go on recording. When checkpoints are written and whether they are signed is for the
/// chain's header to say.
pub struct ResumeOptions {
    /// As in [`crate::Options`].
    pub inline_bytes_max: usize,
    /// As in [`crate::Options`].
    pub queue_bytes_max: usize,
    /// The identity key named in the header. A signed chain cannot be resumed without it. Only
    /// used until the recorder is there.
    pub identity: Option<IdentityKey>,
}

impl Default for ResumeOptions {
    fn default() -> ResumeOptions {
        ResumeOptions {
            inline_bytes_max: INLINE_BYTES_DEFAULT,
            queue_bytes_max: QUEUE_BYTES_DEFAULT,
            identity: None,
        }
    }
}

/// Why a chain cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The chain could not be read, or is damaged.
    #[error(transparent)]
    Chain(#[from] RecoverError),
    /// The chain has an end.
    #[error("the chain is closed: nothing may follow event {seq}")]
    Closed {
        /// The number of the close record.
        seq: u64,
    },
    /// The last writer crashed in the middle of a record.
    #[error("the chain ends in {bytes} torn bytes, from byte {offset}: recover it first")]
    Torn {
        /// Where the last whole record ends.
        offset: u64,
        /// How many bytes follow it.
        bytes: u64,
    },
    /// The key in use was lost with the last writer, and nobody vouches for another.
    #[error(
        "the chain is signed: to go on takes the identity key that its header names, and none was \
         given"
    )]
    IdentityMissing,
    /// The given identity key is not the one in the header.
    #[error("the identity key is not the one that the header of the chain names")]
    IdentityWrong,
    /// The chain is signed, and its header names nobody who could vouch for a new key.
    #[error("the chain is signed and names no identity key, so nobody can vouch for a new key")]
    IdentityUnnamed,
    /// A type or a function does not have the next number.
    #[error("event {seq} names a type or a function by a number that is not the next one")]
    Misnumbered {
        /// The event that does.
        seq: u64,
    },
    /// The chain could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Recorder {
    /// Goes on with an open chain at its end, under the numbers that it has given to types and
    /// functions.
    ///
    /// The key that signs next was lost with the last writer. In a signed chain a recover record
    /// therefore comes first, in which the identity key vouches for a new one, and then a
    /// checkpoint. The secret behind the salts is lost as well, so payloads that the chain holds
    /// already may be stored again. The seed must be a new one, and no other recorder may be
    /// writing to the chain.
    pub fn resume(
        mut chain: impl Log + Read + Seek + 'static,
        options: ResumeOptions,
        mut seed: Seed,
        clock: Clock,
    ) -> Result<Recorder, ResumeError> {
        let plan = Recovery::plan(&mut chain)?;
        check(&plan, &options)?;
        let Recovery { header, interned, mut ledger, .. } = plan;
        chain.seek(SeekFrom::End(0)).map_err(failed)?;
        let sealer = Sealer::new(seed.draw());
        // In an unsigned chain there is nothing to vouch for.
        let identity = options.identity.filter(|_| header.first_key.is_some());
        let mut keys = if identity.is_some() { Keys::signing(seed) } else { Keys::unsigned(seed) };
        // What was written last may not be on disk yet, and must be before anything says so.
        chain.sync().map_err(failed)?;
        ledger.set_durable(ledger.records() - 1);
        if let Some(identity) = identity {
            let nothing = Hash(*blake3::hash(&[]).as_bytes());
            let event = recover_event(0, nothing, clock(), &keys, Some(&identity));
            let frame = ledger.signed_frame(&event, Some(identity.key()));
            write(&mut chain, &mut ledger, Kind::Recover, &frame)?;
            let frame = ledger.checkpoint_frame(clock(), &mut keys);
            write(&mut chain, &mut ledger, Kind::Checkpoint, &frame)?;
            chain.sync().map_err(failed)?;
            ledger.set_durable(ledger.records() - 1);
        }
        let limits = (options.inline_bytes_max, options.queue_bytes_max);
        let (log, ready) = (Box::new(chain), Ready::default());
        let chain = Chain { ledger, keys, sealer, clock };
        Ok(Recorder::start(log, chain, ready, &header, interned, limits))
    }
}

/// Refuses a chain that nothing may or can be appended to.
fn check(plan: &Recovery, options: &ResumeOptions) -> Result<(), ResumeError> {
    if plan.closed {
        return Err(ResumeError::Closed { seq: plan.events - 1 });
    }
    if plan.torn > 0 {
        return Err(ResumeError::Torn { offset: plan.keep, bytes: plan.torn });
    }
    if let Some(seq) = plan.misnumbered {
        return Err(ResumeError::Misnumbered { seq });
    }
    if plan.header.first_key.is_none() {
        return Ok(());
    }
    let given = options.identity.as_ref().map(IdentityKey::public);
    match (plan.header.identity, given) {
        (None, _) => Err(ResumeError::IdentityUnnamed),
        (Some(_), None) => Err(ResumeError::IdentityMissing),
        (Some(named), Some(given)) if named != given => Err(ResumeError::IdentityWrong),
        (Some(_), Some(_)) => Ok(()),
    }
}

fn write(
    chain: &mut impl Log,
    ledger: &mut Ledger,
    kind: Kind,
    frame: &[u8],
) -> Result<(), ResumeError> {
    chain.append(frame).map_err(failed)?;
    ledger.add_record(frame, kind);
    Ok(())
}

fn failed(error: io::Error) -> ResumeError {
    ResumeError::Record(RecordError::Log(Arc::new(error)))
}
