//! `theater:simple/process`: programs of the operating system.

mod config;
mod cut;
mod program;
mod running;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use theater_record::{Permission, Value};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

use super::filesystem::{Folder, Trouble, shown};
use super::{Served, decision, done, given, unknown};
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest;
use crate::trap::Failure;

use config::Config;
use program::NotFound;
use running::{Place, Running, Start, Status, Unstarted};

/// How many processes an actor may have if its manifest does not say.
const PROCESSES_MAX: u64 = 10;

/// How long a process may take to read before it counts as one that does not read.
const STDIN_PATIENCE: Duration = Duration::from_secs(1);

/// The service for one instance of an actor, with all the processes it has started.
pub(super) struct Processes {
    served: Served,
    given: manifest::Process,
    /// The folder whose files the actor may use, if it may use any.
    folder: Option<Arc<Folder>>,
    /// Those of this life, by their numbers.
    started: BTreeMap<u64, Process>,
}

enum Process {
    /// It runs, or not all of it has been told.
    Running(Running),
    Ended(Status),
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the manifest does not allow it")]
    NotAllowed,
    #[error("the manifest allows single programs only, and {0} has a program load other code")]
    LoadsCode(String),
    #[error("there are {0} processes already, and no more are allowed")]
    TooMany(u64),
    #[error("the buffer of {asked} bytes is larger than the {max} that are allowed")]
    BufferTooLarge { asked: u64, max: u64 },
    #[error("without the handler filesystem there is no folder to run in but its own")]
    NoFolder,
    #[error("the manifest does not allow it to run in {0}")]
    FolderNotAllowed(String),
    #[error("it cannot run in {path}: {trouble}")]
    Folder { path: String, trouble: Trouble },
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    Unstarted(#[from] Unstarted),
}

impl Refusal {
    fn reason(&self) -> Reason {
        match self {
            Refusal::NotAllowed
            | Refusal::LoadsCode(_)
            | Refusal::TooMany(_)
            | Refusal::BufferTooLarge { .. }
            | Refusal::NoFolder
            | Refusal::FolderNotAllowed(_) => Reason::NotGranted,
            Refusal::Folder { trouble, .. } => trouble.reason(),
            Refusal::Unstarted(Unstarted::Refused) => Reason::System,
            Refusal::Config(_) | Refusal::NotFound(_) | Refusal::Unstarted(_) => Reason::Granted,
        }
    }
}

impl Service for Processes {
    fn call(&mut self, mut call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        self.let_go();
        let function = call.function;
        let mut args = std::mem::take(&mut call.args).into_iter();
        let answer = match (function, args.next(), args.next()) {
            ("os-spawn", Some(config), None) => {
                let config = Config::read(config).ok_or_else(|| unknown("process", function))?;
                given(self.spawn(&config, call.decisions).map(Value::U64))
            }
            ("os-write-stdin", Some(Value::U64(number)), Some(Value::Bytes(data))) => {
                given(self.write(number, &data)?.map(Value::U32))
            }
            ("os-close-stdin", Some(Value::U64(number)), None) => {
                done(self.find(number).map(|process| {
                    if let Process::Running(running) = process {
                        running.stdin = None;
                    }
                }))
            }
            ("os-status", Some(Value::U64(number)), None) => {
                given(self.find(number).map(|process| process.status().value()))
            }
            ("os-signal", Some(Value::U64(number)), Some(Value::U32(signal))) => {
                done(self.signal(number, signal))
            }
            ("os-kill", Some(Value::U64(number)), None) => done(self.find(number).map(|process| {
                if let Process::Running(running) = process {
                    running.life.kill();
                }
            })),
            (function, _, _) => return Err(unknown("process", function)),
        };
        Ok(vec![answer])
    }

    fn remember(&mut self, function: &str, _args: &[Value], results: &[Value]) {
        if let ("os-spawn", [Value::Result(Ok(Some(given)))]) = (function, results)
            && let Value::U64(number) = **given
        {
            self.served.numbers.processes.was_given(number);
        }
    }
}

impl Processes {
    pub(super) fn new(
        served: &Served,
        given: &manifest::Process,
        folder: Option<Arc<Folder>>,
    ) -> Processes {
        let (served, given) = (served.clone(), given.clone());
        Processes { served, given, folder, started: BTreeMap::new() }
    }

    fn spawn(&mut self, config: &Config, decisions: &mut Vec<Permission>) -> Result<u64, String> {
        let program = &config.program;
        match self.start(config) {
            Ok(running) => {
                decisions.push(decision(Reason::Granted, "process", program, ""));
                let number = running.life.number;
                self.served.numbers.processes.was_given(number);
                self.started.insert(number, Process::Running(running));
                Ok(number)
            }
            Err(refusal) => {
                let (reason, text) = (refusal.reason(), refusal.to_string());
                let detail = if reason == Reason::Granted { "" } else { &text };
                decisions.push(decision(reason, "process", program, detail));
                Err(format!("cannot start {}: {text}", shown(program)))
            }
        }
    }

    fn start(&self, config: &Config) -> Result<Running, Refusal> {
        if !self.given.allows_program(&config.program) {
            return Err(Refusal::NotAllowed);
        }
        config.check().map_err(Refusal::Config)?;
        if let (Some(_), Some(name)) = (&self.given.allowed_programs, config.loads_code()) {
            return Err(Refusal::LoadsCode(name.to_owned()));
        }
        let max = self.given.max_processes.unwrap_or(PROCESSES_MAX);
        let is_running = |process: &&Process| matches!(process, Process::Running(_));
        if self.started.values().filter(is_running).count() as u64 >= max {
            return Err(Refusal::TooMany(max));
        }
        let max = self.given.max_output_bytes.unwrap_or(u64::MAX);
        let asked = config.buffer_bytes as u64;
        if asked > max {
            return Err(Refusal::BufferTooLarge { asked, max });
        }
        let place = match &config.cwd {
            Some(path) => Place::At(self.folder(path)?),
            None => Place::Own,
        };
        let program = program::find(&config.program, std::env::var_os("PATH").as_deref())?;
        let most = self.given.timeout_ns.map(Duration::from_nanos);
        let timeout = config.timeout.into_iter().chain(most).min();
        let number = self.served.numbers.processes.last() + 1;
        let edge = self.edge().map_err(Refusal::Config)?;
        let start = Start { config, program: &program, place, timeout, number };
        Ok(start.run(&self.served, &edge)?)
    }

    /// Where a folder is in which programs may run.
    fn folder(&self, path: &str) -> Result<PathBuf, Refusal> {
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        let real = folder
            .locate_folder(path)
            .map_err(|trouble| Refusal::Folder { path: shown(path), trouble })?;
        match self.given.allows_folder(&real) {
            true => Ok(real),
            false => Err(Refusal::FolderNotAllowed(shown(path))),
        }
    }

    fn write(&mut self, number: u64, data: &[u8]) -> Result<Result<u32, String>, Failure> {
        let edge = match self.edge() {
            Ok(edge) => edge,
            Err(error) => return Ok(Err(error)),
        };
        let shared = Arc::clone(&self.served.shared);
        let running = match self.running(number) {
            Ok(running) => running,
            Err(error) => return Ok(Err(error)),
        };
        let Some(stdin) = &mut running.stdin else {
            return Ok(Err(format!("the input of process {number} is closed")));
        };
        let taken = shared.interrupt.wait(&edge, async {
            let mut taken = 0;
            while taken < data.len() {
                let write = stdin.write(&data[taken..]);
                match tokio::time::timeout(STDIN_PATIENCE, write).await {
                    Ok(Ok(bytes)) => taken += bytes,
                    Ok(Err(_)) if taken == 0 => return None,
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            Some(taken)
        })?;
        Ok(match taken {
            Some(taken) => Ok(u32::try_from(taken).unwrap_or(u32::MAX)),
            None => Err(format!("process {number} has closed its input")),
        })
    }

    fn signal(&mut self, number: u64, signal: u32) -> Result<(), String> {
        let named = i32::try_from(signal).ok().and_then(Signal::from_named_raw);
        let named = named.ok_or_else(|| format!("{signal} is no signal"))?;
        let life = Arc::clone(&self.running(number)?.life);
        match life.signal(named) {
            true => Ok(()),
            false if life.status() == Status::Running => {
                Err(format!("the system does not permit signal {signal} to process {number}"))
            }
            false => Err(ended(number)),
        }
    }

    fn running(&mut self, number: u64) -> Result<&mut Running, String> {
        match self.find(number)? {
            Process::Running(running) if running.life.status() == Status::Running => Ok(running),
            Process::Running(_) | Process::Ended(_) => Err(ended(number)),
        }
    }

    fn find(&mut self, number: u64) -> Result<&mut Process, String> {
        self.started.get_mut(&number).ok_or_else(|| format!("there is no process {number}"))
    }

    /// Lets go of what is held for processes of which all has been told.
    fn let_go(&mut self) {
        for process in self.started.values_mut() {
            if let Process::Running(running) = process
                && running.life.is_told()
            {
                *process = Process::Ended(running.life.status());
            }
        }
    }

    fn edge(&self) -> Result<Handle, String> {
        let edge = self.served.system.get()?.edge();
        edge.map_err(|_| "the system gives no threads to watch processes with".to_owned())
    }
}

impl Process {
    fn status(&self) -> Status {
        match self {
            Process::Running(running) => running.life.status(),
            Process::Ended(status) => *status,
        }
    }
}

fn ended(number: u64) -> String {
    format!("process {number} has ended")
}
