//! One process: how it is started, watched, told of, and brought to its end.
//!
//! A task on the edge watches it until all of it was told. A process keeps its number on the host until it
//! was waited for, which is done under a lock: so no signal ever reaches another one.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use tempfile::TempDir;
use theater_record::Value;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::runtime::Handle;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

use super::config::Config;
use super::cut::{Cut, Cutter};
use super::tell::{Output, Teller};
use crate::actor::lock;
use crate::services::Served;

/// A process as the actor's service holds it. When that is dropped, the process is killed.
pub(super) struct Running {
    pub(super) life: Arc<Life>,
    pub(super) stdin: Option<ChildStdin>,
}

/// What is known of a process.
pub(super) struct Life {
    /// Its number within the actor.
    pub(super) number: u64,
    pid: Pid,
    status: Mutex<Status>,
    is_told: AtomicBool,
    /// Nobody wants to hear of it any more.
    is_left: watch::Sender<bool>,
}

/// What a process is doing, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Exited(i32),
    Signaled(i32),
    TimedOut,
}

/// The folder that a process runs in.
pub(super) enum Place {
    At(PathBuf),
    /// An empty one that goes with it.
    Own,
}

/// Everything there is to say about a process that is to be started.
pub(super) struct Start<'a> {
    pub(super) config: &'a Config,
    pub(super) program: &'a Path,
    pub(super) place: Place,
    pub(super) timeout: Option<Duration>,
    pub(super) number: u64,
}

/// Why the system did not start a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unstarted {
    #[error("there is no such program")]
    NotThere,
    #[error("the system does not permit it")]
    Refused,
    #[error("it is no program that this system can run")]
    NoProgram,
    #[error("its arguments and variables are too long")]
    TooLong,
    #[error("the system has no room for it")]
    NoRoom,
}

/// What the task that watches a process holds of it. When that is dropped, the process is killed.
struct Watched {
    child: Child,
    life: Arc<Life>,
    /// Comes whenever a process of the host may have ended.
    ends: unix::Signal,
}

/// A program's outputs, as far as somebody wants to hear of them.
struct Outputs {
    stdout: Option<Output<ChildStdout>>,
    stderr: Option<Output<ChildStderr>>,
}

impl Status {
    /// `process-status`.
    pub(super) fn value(self) -> Value {
        let number = |number| Some(Box::new(Value::S32(number)));
        match self {
            Status::Running => Value::Variant(0, None),
            Status::Exited(code) => Value::Variant(1, number(code)),
            Status::Signaled(signal) => Value::Variant(2, number(signal)),
            Status::TimedOut => Value::Variant(3, None),
        }
    }
}

impl Start<'_> {
    /// Starts the process and sees to it that it is watched.
    pub(super) fn run(self, served: &Served, edge: &Handle) -> Result<Running, Unstarted> {
        let (folder, own_folder) = match &self.place {
            Place::At(folder) => (folder.clone(), None),
            Place::Own => {
                let own = tempfile::Builder::new().prefix("theater-").tempdir()?;
                (own.path().to_owned(), Some(own))
            }
        };
        // What is made of the system's handles below belongs to the edge.
        let _entered = edge.enter();
        // From here on, so that no end is missed.
        let ends = unix::signal(SignalKind::child())?;
        let mut child = self.command(&folder).spawn()?;
        let (stdin, outputs) = match self.pipes(&mut child) {
            Ok(pipes) => pipes,
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(error.into());
            }
        };
        let life = Arc::new(Life::of(&child, self.number));
        let teller = Teller::new(served, self.number, life.is_left.subscribe());
        let watched = Watched { child, life: life.clone(), ends };
        edge.spawn(watched.attend(self.timeout, outputs, teller, own_folder));
        Ok(Running { life, stdin })
    }

    fn command(&self, folder: &Path) -> Command {
        let config = self.config;
        let output = |cut: Option<Cut>| if cut.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(self.program);
        command
            .args(&config.args)
            .env_clear()
            .envs(config.env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(output(config.stdout))
            .stderr(output(config.stderr))
            // A group of its own, so that all it starts can be killed with it.
            .process_group(0);
        command
    }

    fn pipes(&self, child: &mut Child) -> io::Result<(Option<ChildStdin>, Outputs)> {
        let stdin = child.stdin.take().map(ChildStdin::from_std).transpose()?;
        let stdout = child.stdout.take().map(ChildStdout::from_std).transpose()?;
        let stderr = child.stderr.take().map(ChildStderr::from_std).transpose()?;
        let Config { stdout: out, stderr: err, buffer_bytes, .. } = *self.config;
        let cutter = |cut: Option<Cut>| cut.map(|cut| Cutter::new(cut, buffer_bytes));
        let output = |(pipe, cutter)| Output { pipe, cutter };
        let stdout = stdout.zip(cutter(out)).map(output);
        let output = |(pipe, cutter)| Output { pipe, cutter };
        let stderr = stderr.zip(cutter(err)).map(output);
        Ok((stdin, Outputs { stdout, stderr }))
    }
}

impl From<io::Error> for Unstarted {
    fn from(error: io::Error) -> Unstarted {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Unstarted::NotThere,
            Some(Errno::ACCESS | Errno::PERM) => Unstarted::Refused,
            Some(Errno::TOOBIG) => Unstarted::TooLong,
            Some(Errno::NOEXEC | Errno::LIBBAD | Errno::ISDIR | Errno::LOOP) => {
                Unstarted::NoProgram
            }
            _ => Unstarted::NoRoom,
        }
    }
}

impl Life {
    fn of(child: &Child, number: u64) -> Life {
        Life {
            number,
            pid: Pid::from_child(child),
            status: Mutex::new(Status::Running),
            is_told: AtomicBool::new(false),
            is_left: watch::Sender::new(false),
        }
    }

    pub(super) fn status(&self) -> Status {
        *lock(&self.status)
    }

    /// Whether all it has printed was told, and its end.
    pub(super) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    /// Sends it a signal; whether that could be done.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        // As long as this is locked and says that it runs, nobody else can have its number.
        let status = lock(&self.status);
        *status == Status::Running && rustix::process::kill_process(self.pid, signal).is_ok()
    }

    /// Kills it and what it has started, unless it has ended.
    pub(super) fn kill(&self) {
        let status = lock(&self.status);
        if *status == Status::Running {
            self.kill_all();
        }
    }

    fn kill_all(&self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        // It may have gone over to another group.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.life.is_left.send_replace(true);
        self.life.kill();
    }
}

impl Watched {
    /// Watches the process until all was told of it.
    async fn attend(
        mut self,
        timeout: Option<Duration>,
        outputs: Outputs,
        teller: Teller,
        own_folder: Option<TempDir>,
    ) {
        let (end, ended) = watch::channel(false);
        let watch = async {
            self.wait(timeout).await;
            end.send_replace(true);
        };
        let stdout = teller.tell_output("handle-stdout", outputs.stdout, ended.clone());
        let stderr = teller.tell_output("handle-stderr", outputs.stderr, ended.clone());
        tokio::join!(watch, stdout, stderr);
        // To delete it may take a while.
        tokio::task::spawn_blocking(move || drop(own_folder));
        teller.tell("handle-exit", self.life.status().value()).await;
        self.life.is_told.store(true, Ordering::Release);
    }

    /// Waits until the process has ended, and kills it if it takes too long.
    async fn wait(&mut self, timeout: Option<Duration>) {
        let late = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let is_late = tokio::select! {
            biased;
            () = self.exited() => false,
            () = late => true,
        };
        if is_late {
            self.life.kill();
            self.exited().await;
        }
        let mut status = lock(&self.life.status);
        // Its number is taken until it was waited for, and so is that of its group.
        self.life.kill_all();
        *status = match self.child.wait() {
            _ if is_late => Status::TimedOut,
            Ok(ended) => match (ended.code(), ended.signal()) {
                (Some(code), _) => Status::Exited(code),
                (None, signal) => Status::Signaled(signal.unwrap_or_default()),
            },
            // Nobody else waits for it.
            Err(_) => Status::Signaled(Signal::KILL.as_raw()),
        };
    }

    /// Waits until the process has ended. It is not waited for as a child, so that it keeps its number.
    async fn exited(&mut self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Ok(None) = rustix::process::waitid(WaitId::Pid(self.life.pid), options) {
            if self.ends.recv().await.is_none() {
                // The edge is being taken down.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut status = lock(&self.life.status);
        if *status != Status::Running {
            return;
        }
        // The edge is being taken down, so somebody else has to wait for it.
        self.life.kill_all();
        *status = Status::Signaled(Signal::KILL.as_raw());
        let pid = self.life.pid;
        let wait = move || rustix::process::waitpid(Some(pid), WaitOptions::empty());
        let _ = std::thread::Builder::new().spawn(wait);
    }
}
