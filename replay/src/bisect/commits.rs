//! Builds that are commits of a git repository, each built when it is its turn.
//!
//! All happens in a worktree of its own, so that nothing changes in the checkout of whoever asked.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, anyhow};
use theater_runtime::complaint::advised;

use crate::source::Located;

/// The variable that tells a build command where to put the component.
pub(crate) const VARIABLE: &str = "THEATER_BUILD";

/// What a git hook, or an outer git, says about another repository than ours.
const LOCAL_VARIABLES: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
];

/// How much of the end of a build's output is looked at, and how much of it is told.
const LOG_BYTES: u64 = 4096;
const LINE_CHARS_MAX: usize = 160;

/// The commits between a good one and a bad one, and what it takes to build them.
pub(crate) struct Commits {
    pub(crate) list: Vec<Commit>,
    command: String,
    worktree: Worktree,
}

/// One commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) id: String,
    /// The start of its id, as long as git finds it necessary.
    pub(crate) short: String,
    pub(crate) subject: String,
}

/// What came of building a commit.
pub(crate) enum Built {
    File(PathBuf),
    Failed(Failed),
}

/// Why there is no build of a commit.
pub(crate) struct Failed {
    pub(crate) reason: String,
    /// Whether the shell did not find the command, which is hardly the commit's fault.
    pub(crate) lacks_command: bool,
}

impl Commits {
    /// Lists the commits from the good one to the bad one along the first parents of the bad one,
    /// and makes a worktree to build them in.
    pub(crate) fn new(
        repository: &Path,
        command: &str,
        good: &str,
        bad: &str,
    ) -> anyhow::Result<Commits> {
        let shown = repository.display();
        run(git(repository).args(["rev-parse", "--git-dir"])).map_err(|error| match error {
            GitError::NotRun(error) => error,
            GitError::Failed(_) => advised(
                anyhow!("{shown} is not a git repository"),
                "name the folder of a checkout, such as .",
            ),
        })?;
        let list = listed(repository, good, bad)?;
        let worktree = Worktree::create(repository, &list[0].id)?;
        Ok(Commits { list, command: command.to_owned(), worktree })
    }

    /// Builds one of the commits. A build that fails is an answer.
    pub(crate) fn build(&self, at: usize) -> anyhow::Result<Built> {
        let tree = match self.checked_out(at) {
            Ok(tree) => tree,
            Err(GitError::NotRun(error)) => return Err(error),
            Err(GitError::Failed(line)) => {
                return Ok(failed(format!("git cannot check it out{}", quoted(&line))));
            }
        };
        let component = self.path(at);
        let log_path = self.worktree.folder.join("log");
        let log = File::create(&log_path).context("cannot keep what a build prints")?;
        let err = log.try_clone().context("cannot keep what a build prints")?;
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).current_dir(tree).env(VARIABLE, &component);
        forget_outer_git(&mut shell).stdin(Stdio::null()).stdout(log).stderr(err);
        let status = shell.status().context("cannot run sh, which runs the build command")?;
        let last = || quoted(&last_line(&log_path).unwrap_or_default());
        Ok(match status.code() {
            Some(0) if component.is_file() => Built::File(component),
            Some(0) => failed(format!("the build command made no file ${VARIABLE}")),
            Some(125) => failed("the build command ended with exit 125".to_owned()),
            Some(code @ (126 | 127)) => Built::Failed(Failed {
                reason: format!("the build command cannot be run, exit {code}{}", last()),
                lacks_command: true,
            }),
            Some(code) => failed(format!("the build failed with exit {code}{}", last())),
            None => failed(format!("the build was killed{}", last())),
        })
    }

    /// Where the build of a commit is, if it was built.
    pub(crate) fn built(&self, at: usize) -> Option<PathBuf> {
        Some(self.path(at)).filter(|path| path.is_file())
    }

    /// A folder with the sources of a commit, until the next one is asked for.
    pub(crate) fn sources(&self, at: usize) -> Option<PathBuf> {
        self.checked_out(at).ok()
    }

    /// Leaves the worktree, which is gone when somebody reads it, out of a place in the source.
    pub(crate) fn shorten(&self, located: &mut Located) {
        let tree = self.worktree.tree();
        for place in located.place.iter_mut().chain(&mut located.stack.places) {
            for path in [&mut place.file, &mut place.directory].into_iter().flatten() {
                if let Ok(rest) = Path::new(&*path).strip_prefix(&tree) {
                    *path = rest.display().to_string();
                }
            }
        }
    }

    fn path(&self, at: usize) -> PathBuf {
        self.worktree.folder.join("builds").join(format!("{}.wasm", self.list[at].id))
    }

    /// The worktree, with a commit in it.
    fn checked_out(&self, at: usize) -> Result<PathBuf, GitError> {
        let tree = self.worktree.tree();
        let checkout = ["checkout", "--quiet", "--detach", "--force", &self.list[at].id];
        run(git(&tree).args(checkout)).map(|_| tree)
    }
}

fn failed(reason: String) -> Built {
    Built::Failed(Failed { reason, lacks_command: false })
}

fn listed(repository: &Path, good: &str, bad: &str) -> anyhow::Result<Vec<Commit>> {
    let commit = |name: &str| {
        let name = format!("{name}^{{commit}}");
        let resolve = ["rev-parse", "--verify", "--quiet", "--end-of-options", &name];
        run(git(repository).args(resolve)).map(|id| id.trim().to_owned())
    };
    let named = |option: &str, name: &str| {
        commit(name).map_err(|_| {
            let error = anyhow!("{option} {name} is not a commit of {}", repository.display());
            advised(error, "name a commit, a branch or a tag")
        })
    };
    let (good_id, bad_id) = (named("--good", good)?, named("--bad", bad)?);
    let format = "--format=%H%x09%h%x09%P%x09%s";
    let log = ["log", "--no-show-signature", "--no-color", "--first-parent", "--reverse", format];
    let range = format!("{good_id}..{bad_id}");
    let first = run(git(repository).args(log).args(["-1", &good_id]));
    let rest = run(git(repository).args(log).arg(&range));
    let (first, rest) = (first.map_err(GitError::told)?, rest.map_err(GitError::told)?);
    let follows = rest.lines().next().and_then(|line| line.split('\t').nth(2));
    let parent = follows.map(|parents| parents.split(' ').next().unwrap_or_default());
    if parent != Some(&*good_id) {
        let error = match good_id == bad_id {
            true => anyhow!("the good commit and the bad commit are the same"),
            false => anyhow!("--good {good} is not among the first parents of --bad {bad}"),
        };
        let advice = format!("name one that this lists: git log --first-parent {bad}");
        return Err(advised(error, advice));
    }
    let commit = |line: &str| {
        let mut parts = line.splitn(4, '\t').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        let (id, short, _parents, subject) = (part(), part(), part(), part());
        Commit { id, short, subject }
    };
    Ok(first.lines().chain(rest.lines()).map(commit).collect())
}

/// A worktree in a folder of its own, which is gone when this is, and even if this program is killed.
struct Worktree {
    folder: PathBuf,
    /// A shell that waits for its input to end, and then tidies up.
    remover: Child,
}

/// The arguments are the repository, the worktree, and the folder around it.
const REMOVER: &str = r#"trap "" INT TERM HUP
cat
git -C "$1" worktree remove --force "$2"
rm -rf "$3"
git -C "$1" worktree prune"#;

impl Worktree {
    fn create(repository: &Path, commit: &str) -> anyhow::Result<Worktree> {
        let cannot = "cannot make a folder to build in";
        let folder = tempfile::Builder::new().prefix("theater-bisect-").tempdir();
        let folder = folder.context(cannot)?.keep();
        let tree = folder.join("tree");
        let arguments = [repository, &tree, &folder].map(Path::as_os_str);
        let mut remover = Command::new("sh");
        remover.args(["-c", REMOVER, "sh"].map(OsStr::new)).args(arguments);
        forget_outer_git(&mut remover).stdin(Stdio::piped());
        let remover = remover.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let remover = remover.context("cannot run sh, which runs the build command")?;
        let worktree = Worktree { folder, remover };
        fs::create_dir(worktree.folder.join("builds")).context(cannot)?;
        let add = ["worktree", "add", "--quiet", "--detach", "--no-checkout"];
        let added = run(git(repository).args(add).arg(worktree.tree()).arg(commit));
        added.map_err(GitError::told)?;
        Ok(worktree)
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        // If it was killed, there is nobody left to tidy up.
        let _ = self.remover.wait();
    }
}

/// Why git has no answer.
enum GitError {
    /// It could not be run.
    NotRun(anyhow::Error),
    /// It said no, and why.
    Failed(String),
}

impl GitError {
    fn told(self) -> anyhow::Error {
        match self {
            GitError::NotRun(error) => error,
            GitError::Failed(line) => anyhow!("git failed{}", quoted(&line)),
        }
    }
}

/// Git, working on a repository or a worktree, without the hooks of its owner.
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "core.hooksPath=/dev/null"]).env("LC_ALL", "C");
    forget_outer_git(&mut git);
    git
}

fn forget_outer_git(command: &mut Command) -> &mut Command {
    LOCAL_VARIABLES.iter().fold(command, |command, name| command.env_remove(name))
}

fn run(git: &mut Command) -> Result<String, GitError> {
    let output = git.stdin(Stdio::null()).output().map_err(|error| {
        GitError::NotRun(match error.kind() {
            io::ErrorKind::NotFound => advised(
                anyhow!("there is no program git"),
                "install it, or build the commits and name the files: theater-replay bisect --help",
            ),
            _ => anyhow!(error).context("cannot run git"),
        })
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(GitError::Failed(said.lines().next().unwrap_or_default().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What was said, behind a colon.
fn quoted(line: &str) -> String {
    let line: String = line.trim().chars().take(LINE_CHARS_MAX).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

/// The last line that says something.
fn last_line(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(LOG_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    Ok(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
}
