//! The corpus: chains of format v1 that are kept for ever, sound ones and broken ones.
//!
//! Every chain is made by this code from a fixed seed and a fixed clock, and compared byte by byte
//! with the file that was committed when the format was young. `UPDATE_CORPUS=1` adds files that
//! are not there yet. Nothing here ever overwrites a chain: if a chain comes out differently, the
//! format has changed, and old readers are about to meet bytes they do not know.

pub(crate) mod broken;
pub(crate) mod chains;
mod guests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use theater_verify::{Options, Report, Verdict, verify};

/// One chain of the corpus.
pub(crate) struct Sample {
    /// Its path below `corpus/`, without an ending.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Sample {
    pub(crate) fn new(folder: &str, name: &str, bytes: Vec<u8>) -> Sample {
        Sample { name: format!("{folder}/{name}"), bytes }
    }

    pub(crate) fn path(&self) -> PathBuf {
        corpus().join(format!("{}.cbor", self.name))
    }

    /// What is expected of a verifier: the verdict, the first bad event or `-`, the findings.
    pub(crate) fn expected(&self) -> String {
        let path = corpus().join(format!("{}.expect", self.name));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

/// Every chain of the corpus, made anew; and, if that was asked for, written where none was.
pub(crate) fn samples() -> &'static [Sample] {
    static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
        let sound = chains::all().into_iter().chain(guests::all());
        let samples: Vec<Sample> = sound.chain(broken::all()).collect();
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            add_missing(&samples).expect("the corpus can be written");
        }
        samples
    });
    &SAMPLES
}

fn add_missing(samples: &[Sample]) -> std::io::Result<()> {
    for sample in samples {
        let path = sample.path();
        fs::create_dir_all(path.parent().expect("samples are in folders"))?;
        write_new(&path, &sample.bytes)?;
        write_new(&path.with_extension("expect"), outcome(&check(&sample.bytes)).as_bytes())?;
    }
    let digests: String =
        samples.iter().map(|sample| digest_line(sample, &sample.path())).collect();
    fs::write(corpus().join("DIGESTS"), digests)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if path.exists() { Ok(()) } else { fs::write(path, bytes) }
}

/// A line as `b3sum` writes it.
fn digest_line(sample: &Sample, path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    format!("{}  {}.cbor\n", blake3::hash(&bytes).to_hex(), sample.name)
}

/// Whether the chain has a close record, whatever else is wrong with it.
pub(crate) fn is_closed(chain: &[u8]) -> bool {
    check(chain).closed
}

fn check(chain: &[u8]) -> Report {
    verify(chain, &Options::default()).expect("there is no file to fail")
}

/// A report in the words of an `.expect` file.
fn outcome(report: &Report) -> String {
    let verdict = match report.verdict() {
        Verdict::Complete => "complete",
        Verdict::Open => "open",
        Verdict::Damaged => "damaged",
        Verdict::Unmet => "unmet",
    };
    let first = report.faults.first().and_then(theater_verify::Fault::seq);
    let first = first.map_or("-".to_owned(), |seq| seq.to_string());
    let as_json = |fault| serde_json::to_string(fault).expect("findings are plain data") + "\n";
    let faults: String = report.faults.iter().map(as_json).collect();
    format!("{verdict}\n{first}\n{faults}")
}

#[test]
fn chains_come_out_byte_for_byte_as_they_were_committed() {
    for sample in samples() {
        let path = sample.path();
        let committed = fs::read(&path).unwrap_or_else(|_| {
            panic!("{} is missing; UPDATE_CORPUS=1 adds what is missing", path.display())
        });
        assert!(
            committed == sample.bytes,
            "{} comes out differently now. It stands for what old versions wrote and is never \
             rewritten. If the new bytes are meant, give them a new name and keep the old file",
            path.display()
        );
    }
}

#[test]
fn committed_chains_are_judged_as_expected() {
    for sample in samples() {
        let committed = fs::read(sample.path()).expect("the chain was committed");
        assert_eq!(outcome(&check(&committed)), sample.expected(), "{}", sample.name);
    }
}

#[test]
fn sound_chains_are_sound_and_broken_ones_are_not() {
    for sample in samples() {
        let report = check(&sample.bytes);
        let sound = matches!(report.verdict(), Verdict::Complete | Verdict::Open);
        let clean = sound && report.faults.is_empty();
        assert_eq!(clean, sample.name.starts_with("chains/"), "{}", sample.name);
    }
}

#[test]
fn committed_files_have_the_digests_that_are_listed_and_none_was_forgotten() {
    let listed = fs::read_to_string(corpus().join("DIGESTS")).expect("the list of digests");
    let found: String =
        samples().iter().map(|sample| digest_line(sample, &sample.path())).collect();
    assert_eq!(found, listed);
    let known: Vec<PathBuf> = samples().iter().map(Sample::path).collect();
    for folder in ["chains", "broken"] {
        for entry in fs::read_dir(corpus().join(folder)).expect("the folder") {
            let path = entry.expect("an entry").path();
            assert!(known.contains(&path.with_extension("cbor")), "{}", path.display());
        }
    }
}
