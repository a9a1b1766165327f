//! What replays came to, kept in the theater home, so that no build has to be replayed twice on one
//! recording.
//!
//! A file begins with the digest of the rest of it. One that is damaged counts for nothing, and so does
//! a folder that cannot be written to: then builds are replayed again.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use theater_record::Hash;
use theater_runtime::{Backend, ENGINE, Home};
use theater_verify::VerifiedChain;

use super::outcome::Kept;

/// What a file holds, and how outcomes come about. A change of either is a new number.
const VERSION: u32 = 1;

/// How much of a chain is read at a time.
const READ_BYTES: usize = 256 << 10;

/// Outcomes on one recording, replayed in one way.
pub(crate) struct Cache {
    folder: PathBuf,
    /// All that an outcome depends on, but for the build.
    setting: Hash,
}

impl Cache {
    /// The cache for a recording; `None` if there is no home, or if the recording cannot be read.
    ///
    /// The head would not do to name the recording: it stays when payloads are removed, which may
    /// hide a difference.
    pub(crate) fn open(
        chain: &VerifiedChain,
        backend: Backend,
        until: Option<u64>,
    ) -> Option<Cache> {
        let folder = Home::find().ok()?.outcomes();
        let mut digest = blake3::Hasher::new();
        let until = until.map_or_else(|| "the end".to_owned(), |event| event.to_string());
        let program = env!("CARGO_PKG_VERSION");
        let backend = backend.name();
        let setting = format!("{VERSION}\n{program}\n{ENGINE}\n{backend}\n{until}\n");
        digest.update(setting.as_bytes());
        let mut buffer = vec![0; READ_BYTES];
        let mut at = 0;
        while at < chain.bytes() {
            let left = usize::try_from(chain.bytes() - at).unwrap_or(usize::MAX);
            let part = &mut buffer[..left.min(READ_BYTES)];
            chain.source().read_at(part, at).ok()?;
            digest.update(part);
            at += part.len() as u64;
        }
        Some(Cache { folder, setting: Hash(*digest.finalize().as_bytes()) })
    }

    /// What the replay of a build came to, if that is known.
    pub(crate) fn get(&self, build: &Hash) -> Option<Kept> {
        let content = fs::read_to_string(self.path(build)).ok()?;
        let (digest, kept) = content.split_once('\n')?;
        let is_whole = digest == blake3::hash(kept.as_bytes()).to_hex().as_str();
        is_whole.then(|| serde_json::from_str(kept).ok())?
    }

    /// Notes what the replay of a build came to.
    pub(crate) fn put(&self, build: &Hash, kept: &Kept) {
        // It is but a cache. What cannot be noted is found out again.
        let _ = self.try_put(build, kept);
    }

    fn try_put(&self, build: &Hash, kept: &Kept) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let kept = serde_json::to_string(kept)?;
        let mut file = tempfile::Builder::new().prefix(".unfinished-").tempfile_in(&self.folder)?;
        writeln!(file, "{}", blake3::hash(kept.as_bytes()).to_hex())?;
        file.write_all(kept.as_bytes())?;
        file.persist(self.path(build))?;
        Ok(())
    }

    fn path(&self, build: &Hash) -> PathBuf {
        let name = blake3::hash(&[self.setting.0, build.0].concat());
        self.folder.join(format!("{}.json", name.to_hex()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use theater_record::Hash;

    use super::Cache;
    use crate::bisect::origin::{Crossed, Origin, Spot};
    use crate::bisect::outcome::{Kept, Outcome, Summary};
    use crate::divergence::DivergenceKind;

    fn cache(folder: &Path, setting: u8) -> Cache {
        Cache { folder: folder.to_owned(), setting: Hash([setting; 32]) }
    }

    fn same() -> Kept {
        Kept { outcome: Outcome::Same, seen: None }
    }

    fn diverged() -> Kept {
        let spot = Spot { function: 7, name: None, offset: Some(100), function_offset: Some(3) };
        let outcome = Outcome::Diverged(Summary {
            event: 54,
            kind: DivergenceKind::EarlyEnd,
            function: None,
            path: Some("args[0]".to_owned()),
            told: vec!["told\n".to_owned()],
            origin: Origin { frames: vec![spot.clone()], crossed: Crossed::Out(None) },
            recorded: Crossed::Export("a".to_owned(), "b".to_owned()),
        });
        Kept { outcome, seen: Some((54, vec![spot])) }
    }

    #[test]
    fn what_was_noted_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let cache_1 = cache(&folder.path().join("new"), 1);
        let (build, other) = (Hash([3; 32]), Hash([4; 32]));
        assert_eq!(cache_1.get(&build), None);
        cache_1.put(&build, &diverged());
        cache_1.put(&other, &same());
        assert_eq!(cache_1.get(&build), Some(diverged()));
        assert_eq!(cache_1.get(&other), Some(same()));
        // Another recording, another backend, another end.
        assert_eq!(cache(&folder.path().join("new"), 2).get(&build), None);
    }

    #[test]
    fn what_is_damaged_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, build) = (cache(folder.path(), 1), Hash([3; 32]));
        cache.put(&build, &diverged());
        let whole = fs::read(cache.path(&build)).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(cache.path(&build), &damaged).unwrap();
            assert_eq!(cache.get(&build), None, "byte {at}");
            fs::write(cache.path(&build), &whole[..at]).unwrap();
            assert_eq!(cache.get(&build), None, "up to byte {at}");
        }
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let (cache, build) = (cache(&file, 1), Hash([3; 32]));
        cache.put(&build, &same());
        assert_eq!(cache.get(&build), None);
    }
}
