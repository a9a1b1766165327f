//! `server`: runs actors until it is told to stop.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, anyhow};

use crate::complaint::advised;
use crate::escape::{argument, plain};
use crate::home::Home;
use crate::machine;
use crate::server::{Farewell, PORT, Server, ServerError, Stopped, Token};
use crate::store::Store;
use crate::system::{Resumed, System, SystemOptions};

use super::Exit;
use super::at_server::{ADDRESS, TOKEN, set};
use super::console::Console;

/// How long actors get to finish what they are doing when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long it is waited for actors to be back before others are served. Who takes longer comes later.
const RESUME_PATIENCE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  theater server                                   for this machine, at 127.0.0.1:9000
  theater server -a 127.0.0.1:9001 --chains ./chains
  theater server -a 0.0.0.0:9000 --token-file ~/.theater-token
  curl http://127.0.0.1:9000/v1/actors             what it says; /openapi.json describes it all

Once interrupted or terminated, it takes no more requests, lets actors finish what they are doing,
and pauses them; the next server with the same chains goes on with them. A second signal ends it at
once.";

/// Runs actors and answers the other commands of theater, and everybody else who speaks HTTP.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where to listen; port 0 is any that is free [default: $THEATER_ADDRESS, else 127.0.0.1:9000].
    #[arg(short, long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// The file with the token that clients have to show; made if there is none [default: the token
    /// itself in $THEATER_TOKEN]. Needed where other machines can reach the server.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The folder for chains [default: chains in the theater home].
    #[arg(long, value_name = "DIR")]
    chains: Option<PathBuf>,
    /// Do not print what actors log.
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let (address, token) = (args.address()?, args.token()?);
    let home = Home::find().map_err(|error| {
        advised(error.into(), "set THEATER_HOME to a folder for chains, store and cache")
    })?;
    let chains = args.chains.clone().unwrap_or_else(|| home.chains());
    let _lock = lock(&chains)?;
    let console = Console::new();
    let log = if args.quiet { Box::new(|_, _: &str| {}) } else { console.log() };
    let system = System::new(options(&home, chains.clone(), log)?);
    let system = system.with_context(|| format!("cannot use the folder {}", argument(&chains)))?;
    let server = Server::bind(system.clone(), address, token).map_err(no_server)?;
    let address = server.address().context("cannot tell the address")?;
    let resumed = system.resume_all(RESUME_PATIENCE);
    report(&resumed.with_context(|| format!("cannot read {}", argument(&chains)))?, err)?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "theater {version} serves http://{address}")?;
    writeln!(out, "chains: {}", argument(&chains))?;
    out.flush()?;
    let stopped = server.run(|system, farewell| match farewell {
        Farewell::Suspend => drop(system.suspend(GRACE)),
        Farewell::End => system.shutdown(GRACE),
    })?;
    match stopped {
        Stopped::InOrder => {
            drop(system);
            console.finish();
            writeln!(out, "stopped")?;
            Ok(Exit::Fine)
        }
        // What a shell says of a program that was interrupted.
        Stopped::AtOnce => Ok(Exit::Status(130)),
    }
}

/// What actors are run with.
pub(super) fn options(
    home: &Home,
    chains: PathBuf,
    log: crate::system::Log,
) -> anyhow::Result<SystemOptions> {
    // So that it is known now whether there are any.
    machine::random::<32>()?;
    Ok(SystemOptions {
        chains,
        stores: home.stores(),
        store: Some(Store::open(home.store())?),
        cache: Some(home.cache()),
        clock: machine::clock(),
        random: Box::new(|| machine::random().expect("the system has given random bytes before")),
        log,
    })
}

/// Two servers that go on with the same chains would write into each other's.
fn lock(chains: &Path) -> anyhow::Result<File> {
    let path = chains.join("server.lock");
    let opened = fs::create_dir_all(chains).and_then(|()| File::create(&path));
    let file = opened.with_context(|| format!("cannot write in {}", argument(chains)));
    let file = file.map_err(|error| advised(error, "name another folder with --chains"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(advised(
            anyhow!("another server has the chains in {}", argument(chains)),
            "stop it, or name another folder with --chains",
        )),
        Err(TryLockError::Error(error)) => {
            Err(Error::new(error).context(format!("cannot lock {}", argument(&path))))
        }
    }
}

/// Says which actors go on, and which do not.
fn report(resumed: &[Resumed], err: &mut dyn Write) -> anyhow::Result<()> {
    for Resumed { id, name, outcome } in resumed {
        // Without its chain it has no name.
        let name = if name.is_empty() { "an actor".to_owned() } else { plain(name) };
        match outcome {
            Ok(notes) => {
                writeln!(err, "{name} goes on: {id}")?;
                for note in notes {
                    writeln!(err, "  note: {}", plain(note))?;
                }
            }
            Err(reason) => writeln!(err, "{name} does not go on: {id}: {}", plain(reason))?,
        }
    }
    Ok(())
}

fn no_server(error: ServerError) -> Error {
    let advice = match &error {
        ServerError::Address { .. } => {
            "name another address with -a HOST:PORT; port 0 is any free one"
        }
        ServerError::NoToken(_) => "add --token-file FILE, which is made if there is none",
        ServerError::Threads(_) => return error.into(),
    };
    advised(error.into(), advice)
}

impl Args {
    fn address(&self) -> anyhow::Result<SocketAddr> {
        let address = self.address.clone().or_else(|| set(ADDRESS));
        let address = address.unwrap_or_else(|| format!("127.0.0.1:{PORT}"));
        let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
        found.ok_or_else(|| {
            let error = anyhow!("{address:?} is no address to listen on");
            advised(error, "name a host and a port, as in -a 127.0.0.1:9000")
        })
    }

    fn token(&self) -> anyhow::Result<Option<Token>> {
        match (&self.token_file, set(TOKEN)) {
            (Some(path), _) => Ok(Some(Token::read_or_make(path)?)),
            (None, Some(token)) => {
                Token::new(&token).map(Some).with_context(|| format!("{TOKEN} holds no token"))
            }
            (None, None) => Ok(None),
        }
    }
}
