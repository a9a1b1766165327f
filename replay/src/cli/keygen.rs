//! `keygen`: makes an identity key, the long-term key that vouches for chains.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_record::IdentityKey;

use crate::cli::pack::with_suffix;
use crate::exit::Exit;
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::machine;

const EXAMPLES: &str = "\
Examples:
  theater-replay keygen                              writes identity.key and identity.key.pub
  theater-replay keygen -o ~/keys/agent.key
  theater-replay verify run.chain --key $(cat identity.key.pub)";

/// Makes an identity key: a recorder signs with it, and verify --key checks against it.
///
/// The secret goes to FILE, which only its owner can read; the public key goes to FILE.pub and is
/// printed. Existing files are never replaced.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to write the secret key.
    #[arg(short, long, value_name = "FILE", default_value = "identity.key")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let public_path = with_suffix(&args.out, ".pub");
    if public_path.symlink_metadata().is_ok() {
        return Err(exists(&public_path));
    }
    let key = IdentityKey::from_secret(machine::random()?);
    write_new(&args.out, &key.to_secret_text(), true)?;
    write_new(&public_path, &format!("{}\n", key.public()), false)?;
    writeln!(ui.out, "{}", key.public())?;
    let (secret, public) = (args.out.display(), public_path.display());
    writeln!(ui.err, "the secret key is in {secret}, the public key in {public}")?;
    Ok(Exit::Fine)
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, text: &str, secret: bool) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if secret {
        only_for_owner(&mut options);
    }
    let write = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    match options.open(path).and_then(write) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn exists(path: &Path) -> anyhow::Error {
    let error = anyhow!("{} exists already", path.display());
    advised(error, "name another file with -o: a key that was replaced is lost for ever")
}

#[cfg(unix)]
fn only_for_owner(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn only_for_owner(_options: &mut OpenOptions) {}
