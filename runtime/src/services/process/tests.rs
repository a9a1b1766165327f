//! Processes of an actor that nobody hears: what they may, what they get, and how they end. That an actor
//! hears of them is shown where there are actors.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;
use theater_record::Value;

use super::Processes;
use crate::host::Service;
use crate::manifest::{self, Below, FilesystemHandler, Root};
use crate::services::filesystem::Folder;
use crate::services::trial::{Trial, fails, gives};

const SOON: Duration = Duration::from_secs(20);

/// What is asked for, with everything that does not matter filled in.
#[derive(Clone)]
struct Asked {
    program: String,
    args: Vec<String>,
    cwd: Option<String>,
    env: Vec<(String, String)>,
    buffer_bytes: u32,
    stdout: Value,
    timeout: Option<u64>,
}

impl Asked {
    fn run(program: &str, args: &[&str]) -> Asked {
        Asked {
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            cwd: None,
            env: Vec::new(),
            buffer_bytes: 4096,
            stdout: Value::Variant(0, None),
            timeout: None,
        }
    }

    /// A script that runs in the folder of the actor.
    fn script(text: &str) -> Asked {
        Asked { cwd: Some(".".to_owned()), ..Asked::run("/bin/sh", &["-c", text]) }
    }

    fn value(&self) -> Value {
        let text = |text: &String| Value::String(text.clone());
        let pair = |(name, value): &(String, String)| Value::Tuple(vec![text(name), text(value)]);
        Value::Record(vec![
            text(&self.program),
            Value::List(self.args.iter().map(text).collect()),
            Value::Option(self.cwd.as_ref().map(|cwd| Box::new(text(cwd)))),
            Value::List(self.env.iter().map(pair).collect()),
            Value::U32(self.buffer_bytes),
            self.stdout.clone(),
            Value::Variant(0, None),
            Value::Option(self.timeout.map(|ms| Box::new(Value::U64(ms)))),
        ])
    }
}

/// An actor that may run programs, with a folder.
struct Place {
    folder: TempDir,
    trial: Trial,
    processes: Processes,
}

impl Place {
    fn new() -> Place {
        Place::restricted(|_, _| {})
    }

    fn restricted(restrict: impl FnOnce(&mut manifest::Process, &Path)) -> Place {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut given = manifest::Process::default();
        restrict(&mut given, &folder.path().canonicalize().expect("it is there"));
        let restriction = manifest::Filesystem::default();
        let root = Root::At(folder.path().to_owned());
        let files = Folder::open(&FilesystemHandler { root, restriction }, Path::new("/"));
        let trial = Trial::new();
        let processes = Processes::new(&trial.served, &given, Some(Arc::new(files)));
        Place { folder, trial, processes }
    }

    fn spawn(&mut self, asked: &Asked) -> Value {
        self.trial.call(&mut self.processes, "os-spawn", vec![asked.value()])
    }

    #[track_caller]
    fn start(&mut self, asked: &Asked) -> u64 {
        match gives(self.spawn(asked)) {
            Value::U64(number) => number,
            other => panic!("{other:?}"),
        }
    }

    fn call(&mut self, function: &str, number: u64) -> Value {
        self.trial.call(&mut self.processes, function, vec![Value::U64(number)])
    }

    fn write(&mut self, number: u64, data: &[u8]) -> Value {
        let args = vec![Value::U64(number), Value::Bytes(data.to_vec())];
        self.trial.call(&mut self.processes, "os-write-stdin", args)
    }

    fn signal(&mut self, number: u64, signal: u32) -> Value {
        let args = vec![Value::U64(number), Value::U32(signal)];
        self.trial.call(&mut self.processes, "os-signal", args)
    }

    /// How a process ends, which it has to do soon.
    #[track_caller]
    fn end(&mut self, number: u64) -> String {
        let start = Instant::now();
        loop {
            match gives(self.call("os-status", number)) {
                Value::Variant(0, None) => assert!(start.elapsed() < SOON, "{number} goes on"),
                Value::Variant(1, Some(code)) => return format!("exited {code:?}"),
                Value::Variant(2, Some(signal)) => return format!("signaled {signal:?}"),
                Value::Variant(3, None) => return "timed out".to_owned(),
                other => panic!("{other:?}"),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What a script writes into a file, which it has to do soon.
    #[track_caller]
    fn written(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let mut text = String::new();
        soon(|| {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.ends_with('\n')
        });
        text.trim_end().to_owned()
    }
}

#[track_caller]
fn soon(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "it does not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process of the host runs. One that nobody has waited for yet does not.
fn runs(pid: &str) -> bool {
    let number = pid.parse().ok().and_then(Pid::from_raw).expect("it is the number of a process");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_dead = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    test_kill_process(number).is_ok() && !is_dead
}

#[test]
fn only_allowed_programs_are_started() {
    let mut place = Place::restricted(|given, _| {
        given.allowed_programs = Some(["true", "/bin/*"].map(|n| n.parse().unwrap()).to_vec());
    });
    let number = place.start(&Asked::run("true", &[]));
    assert_eq!((number, place.end(number).as_str()), (1, "exited S32(0)"));
    assert_eq!(place.trial.decided(), ["granted true"]);
    let number = place.start(&Asked::run("/bin/false", &[]));
    assert_eq!((number, place.end(number).as_str()), (2, "exited S32(1)"));
    assert_eq!(place.trial.decided(), ["granted /bin/false"]);
    for program in ["false", "/usr/bin/true", "sh", "", "../bin/true"] {
        let error = format!("cannot start {program:?}: the manifest does not allow it");
        fails(place.spawn(&Asked::run(program, &[])), &error);
        let decision = format!("not-granted {program}: the manifest does not allow it");
        assert_eq!(place.trial.decided(), [decision]);
    }
    let preload = ("LD_PRELOAD".to_owned(), "/tmp/other.so".to_owned());
    let other = Asked { env: vec![preload], ..Asked::run("true", &[]) };
    let reason =
        "the manifest allows single programs only, and LD_PRELOAD has a program load other code";
    fails(place.spawn(&other), &format!("cannot start \"true\": {reason}"));
    assert_eq!(place.trial.decided(), [format!("not-granted true: {reason}")]);
    let way = "/bin/../usr/bin/env";
    let error = "a program is named by its absolute path without `..`, or by its name alone";
    fails(place.spawn(&Asked::run(way, &[])), &format!("cannot start {way:?}: {error}"));
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let mut place = Place::new();
    let echo = Asked::run("echo", &["x"]);
    let pieces = |size| Value::Variant(3, Some(Box::new(Value::U32(size))));
    let env = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let unsized_ = |bytes| Asked { buffer_bytes: bytes, ..echo.clone() };
    let cases = [
        (unsized_(1023), "a buffer has 1024 to 1048576 bytes, not 1023"),
        (unsized_((1 << 20) + 1), "a buffer has 1024 to 1048576 bytes, not 1048577"),
        (Asked { stdout: pieces(0), ..echo.clone() }, "pieces have 1 to 4096 bytes, not 0"),
        (Asked { stdout: pieces(4097), ..echo.clone() }, "pieces have 1 to 4096 bytes, not 4097"),
        (Asked { args: vec!["a\0".into()], ..echo.clone() }, "an argument has a zero byte in it"),
        (Asked { env: env("", "x"), ..echo.clone() }, "\"\" is no name of a variable"),
        (Asked { env: env("A=B", "x"), ..echo.clone() }, "\"A=B\" is no name of a variable"),
        (Asked { env: env("A", "\0"), ..echo.clone() }, "the variable \"A\" has a zero byte in it"),
    ];
    for (asked, trouble) in cases {
        fails(place.spawn(&asked), &format!("cannot start \"echo\": {trouble}"));
        assert_eq!(place.trial.decided(), ["granted echo"], "the manifest has nothing against it");
    }
    for (function, args) in [
        ("os-spawn", vec![Value::Record(vec![Value::Bool(true)])]),
        ("os-spawn", vec![]),
        ("os-exec", vec![Value::U64(1)]),
        ("os-status", vec![Value::U32(1)]),
    ] {
        assert!(place.trial.try_call(&mut place.processes, function, args).is_err());
    }
}

#[test]
fn what_the_system_cannot_start_is_said_in_fixed_words() {
    let mut place = Place::new();
    let script = place.folder.path().join("script");
    fs::write(&script, "#!/none/at/all\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let plain = place.folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let long = Asked { args: vec!["x".repeat(4 << 20)], ..Asked::run("true", &[]) };
    for (asked, reason, trouble) in [
        (Asked::run("/none/at/all", &[]), "granted", "there is no such program"),
        (Asked::run(&text(&script), &[]), "granted", "there is no such program"),
        (
            Asked::run("no-such-tool", &[]),
            "granted",
            "none of the host's folders for programs has it",
        ),
        (Asked::run(&text(&plain), &[]), "system", "the system does not permit it"),
        (long, "granted", "its arguments and variables are too long"),
    ] {
        fails(place.spawn(&asked), &format!("cannot start {:?}: {trouble}", asked.program));
        let detail = if reason == "granted" { String::new() } else { format!(": {trouble}") };
        assert_eq!(place.trial.decided(), [format!("{reason} {}{detail}", asked.program)]);
    }
    let number = place.start(&Asked::run("true", &[]));
    assert_eq!(number, 1, "what was not started has no number");
}

#[test]
fn no_more_run_at_a_time_than_are_allowed() {
    for (max, most) in [(Some(2), 2), (None, 10), (Some(0), 0)] {
        let mut place = Place::restricted(|given, _| given.max_processes = max);
        let sleep = Asked::run("sleep", &["1000"]);
        for number in 1..=most {
            assert_eq!(place.start(&sleep), number);
        }
        let trouble = format!("there are {most} processes already, and no more are allowed");
        fails(place.spawn(&sleep), &format!("cannot start \"sleep\": {trouble}"));
        let decided = place.trial.decided();
        assert_eq!(decided.last(), Some(&format!("not-granted sleep: {trouble}")));
        if most > 0 {
            assert_eq!(place.call("os-kill", 1), Value::Result(Ok(None)));
            soon(|| matches!(place.spawn(&sleep), Value::Result(Ok(Some(_)))));
        }
    }
}

#[test]
fn the_folder_to_run_in_is_one_that_the_actor_may_use() {
    let mut place = Place::restricted(|given, root| {
        given.allowed_paths = Some(vec![Below(root.join("open"))]);
    });
    for folder in ["open", "closed"] {
        fs::create_dir(place.folder.path().join(folder)).unwrap();
    }
    std::os::unix::fs::symlink("../closed", place.folder.path().join("open/link")).unwrap();
    let pwd = |cwd: &str| Asked { cwd: Some(cwd.to_owned()), ..Asked::script("pwd -P > out") };
    let number = place.start(&pwd("open"));
    assert_eq!(place.end(number), "exited S32(0)");
    let real = place.folder.path().canonicalize().unwrap().join("open");
    assert_eq!(place.written("open/out"), real.to_str().unwrap());
    let denied = |path: &str| format!("the manifest does not allow it to run in {path:?}");
    for (cwd, reason, trouble) in [
        (".", "not-granted", denied(".")),
        ("closed", "not-granted", denied("closed")),
        ("open/link", "not-granted", denied("open/link")),
        ("..", "outside", "it cannot run in \"..\": it leads out of the granted folder".into()),
        ("/", "outside", "it cannot run in \"/\": it leads out of the granted folder".into()),
        ("open/out", "granted", "it cannot run in \"open/out\": it is no folder".into()),
        ("none", "granted", "it cannot run in \"none\": it is not there".into()),
    ] {
        place.trial.decided();
        fails(place.spawn(&pwd(cwd)), &format!("cannot start \"/bin/sh\": {trouble}"));
        let detail = if reason == "granted" { String::new() } else { format!(": {trouble}") };
        assert_eq!(place.trial.decided(), [format!("{reason} /bin/sh{detail}")]);
    }
    let given = manifest::Process::default();
    place.processes = Processes::new(&place.trial.served, &given, None);
    let trouble = "without the handler filesystem there is no folder to run in but its own";
    fails(place.spawn(&pwd("open")), &format!("cannot start \"/bin/sh\": {trouble}"));
}

#[test]
fn a_process_has_an_empty_folder_of_its_own_which_goes_with_it() {
    let mut place = Place::restricted(|given, _| given.allowed_paths = Some(Vec::new()));
    let out = place.folder.path().join("out");
    let script = format!("{{ pwd -P; ls -A; }} > {}; echo x > left", out.display());
    let number = place.start(&Asked::run("/bin/sh", &["-c", &script]));
    assert_eq!(place.end(number), "exited S32(0)");
    let own = PathBuf::from(place.written("out"));
    assert!(own.is_absolute() && !own.to_str().unwrap().contains('\n'), "{own:?}");
    soon(|| !own.exists());
}

#[test]
fn a_process_has_no_environment_but_what_it_is_given() {
    let mut place = Place::new();
    let mut asked = Asked::script("/usr/bin/env > out");
    asked.env = vec![("ONE".into(), "1".into()), ("TWO".into(), "a b".into())];
    let number = place.start(&asked);
    assert_eq!(place.end(number), "exited S32(0)");
    let written = place.written("out");
    // These are what a shell adds.
    let is_own =
        |line: &&str| !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|n| line.starts_with(n));
    let mut lines: Vec<&str> = written.lines().filter(is_own).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["ONE=1", "TWO=a b"]);
}

#[test]
fn how_a_process_ended_stays_known() {
    let mut place = Place::new();
    let three = place.start(&Asked::script("exit 3"));
    let killed = place.start(&Asked::script("kill -9 $$"));
    for _ in 0..3 {
        assert_eq!(place.end(three), "exited S32(3)");
        assert_eq!(place.end(killed), "signaled S32(9)");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(place.call("os-kill", three), Value::Result(Ok(None)));
    assert_eq!(place.call("os-close-stdin", three), Value::Result(Ok(None)));
    fails(place.signal(three, 15), "process 1 has ended");
    fails(place.write(three, b"x"), "process 1 has ended");
    for number in [0, 3, u64::MAX] {
        let error = format!("there is no process {number}");
        for function in ["os-status", "os-kill", "os-close-stdin"] {
            fails(place.call(function, number), &error);
        }
        fails(place.signal(number, 15), &error);
        fails(place.write(number, b"x"), &error);
    }
}

#[test]
fn what_takes_too_long_is_killed() {
    let mut place = Place::restricted(|given, _| given.timeout_ns = Some(300_000_000));
    let sleep = Asked::run("sleep", &["1000"]);
    let own = place.start(&Asked { timeout: Some(10), ..sleep.clone() });
    let longer = place.start(&Asked { timeout: Some(1_000_000), ..sleep.clone() });
    let silent = place.start(&sleep);
    assert_eq!(place.end(own), "timed out");
    assert_eq!(place.end(longer), "timed out");
    assert_eq!(place.end(silent), "timed out");
    let mut place = Place::new();
    let quick = place.start(&Asked { timeout: Some(10_000), ..Asked::run("true", &[]) });
    assert_eq!(place.end(quick), "exited S32(0)");
}

#[test]
fn signals_reach_a_process_and_some_it_can_ignore() {
    let mut place = Place::new();
    let script =
        "trap 'echo got > heard' USR1; trap '' TERM; echo ready > up; while :; do sleep 0.01; done";
    let number = place.start(&Asked::script(script));
    assert_eq!(place.written("up"), "ready");
    assert_eq!(place.signal(number, 15), Value::Result(Ok(None)));
    assert_eq!(place.signal(number, 10), Value::Result(Ok(None)));
    assert_eq!(place.written("heard"), "got", "it goes on after the first signal");
    for wrong in [0, 65, 4096, u32::MAX] {
        fails(place.signal(number, wrong), &format!("{wrong} is no signal"));
    }
    assert_eq!(place.call("os-kill", number), Value::Result(Ok(None)));
    assert_eq!(place.end(number), "signaled S32(9)");
    let stopped = place.start(&Asked::run("sleep", &["1000"]));
    assert_eq!(place.signal(stopped, 19), Value::Result(Ok(None)));
    assert_eq!(place.call("os-kill", stopped), Value::Result(Ok(None)));
    assert_eq!(place.end(stopped), "signaled S32(9)", "also one that was stopped");
}

#[test]
fn what_a_process_has_started_ends_with_it() {
    let mut place = Place::new();
    let script = "sleep 1000 & echo $! > child; wait";
    let killed = place.start(&Asked::script(script));
    let child = place.written("child");
    assert!(runs(&child));
    place.call("os-kill", killed);
    assert_eq!(place.end(killed), "signaled S32(9)");
    soon(|| !runs(&child));
    // Its output stays open in the child, which is no reason to wait for it.
    let mut leaves = Asked::script("sleep 1000 & echo $! > left; exit 5");
    leaves.stdout = Value::Variant(1, None);
    let left = place.start(&leaves);
    assert_eq!(place.end(left), "exited S32(5)");
    let child = place.written("left");
    soon(|| !runs(&child));
}

#[test]
fn processes_end_with_the_instance_that_started_them() {
    let mut place = Place::new();
    let mut asked = Asked::script("trap '' TERM HUP INT; echo $$ > up; while :; do echo; done");
    asked.stdout = Value::Variant(1, None);
    place.start(&asked);
    let pid = place.written("up");
    assert!(runs(&pid));
    let given = manifest::Process::default();
    let start = Instant::now();
    place.processes = Processes::new(&place.trial.served, &given, None);
    assert!(start.elapsed() < SOON, "nobody waits for them");
    soon(|| !runs(&pid));
}

#[test]
fn processes_end_with_the_system() {
    let mut place = Place::new();
    place.start(&Asked::script("echo $$ > up; exec sleep 1000"));
    let pid = place.written("up");
    let Place { trial, processes, folder: _folder } = place;
    drop(trial);
    soon(|| !runs(&pid));
    drop(processes);
}

#[test]
fn a_process_reads_what_it_is_written() {
    let mut place = Place::new();
    let number = place.start(&Asked::script("read a; read b; test \"$a$b\" = xy; exit $?"));
    assert_eq!(gives(place.write(number, b"x\n")), Value::U32(2));
    assert_eq!(gives(place.write(number, b"")), Value::U32(0));
    assert_eq!(gives(place.write(number, b"y\n")), Value::U32(2));
    assert_eq!(place.end(number), "exited S32(0)");
    let cat = place.start(&Asked::script("cat > out; echo >> out"));
    let much = vec![b'z'; 1 << 20];
    assert_eq!(gives(place.write(cat, &much)), Value::U32(1 << 20), "more than a pipe holds");
    assert_eq!(place.call("os-close-stdin", cat), Value::Result(Ok(None)));
    assert_eq!(place.call("os-close-stdin", cat), Value::Result(Ok(None)));
    assert_eq!(place.end(cat), "exited S32(0)");
    assert_eq!(place.written("out").len(), 1 << 20);
}

#[test]
fn who_does_not_read_takes_no_more_than_fits() {
    let mut place = Place::new();
    let sleeps = place.start(&Asked::run("sleep", &["1000"]));
    let Value::U32(taken) = gives(place.write(sleeps, &vec![0; 8 << 20])) else { panic!() };
    assert!((1..8 << 20).contains(&taken), "{taken}");
    assert_eq!(gives(place.write(sleeps, b"x")), Value::U32(0));
    place.call("os-close-stdin", sleeps);
    fails(place.write(sleeps, b"x"), "the input of process 1 is closed");
    let deaf = place.start(&Asked::script("exec 0<&-; echo x > up; sleep 1000"));
    assert_eq!(place.written("up"), "x");
    fails(place.write(deaf, b"x"), "process 2 has closed its input");
}

#[test]
fn who_waits_for_a_process_to_read_can_be_killed() {
    let mut place = Place::new();
    let sleeps = place.start(&Asked::run("sleep", &["1000"]));
    place.trial.served.shared.interrupt.raise();
    let args = vec![Value::U64(sleeps), Value::Bytes(vec![0; 8 << 20])];
    let written = place.trial.try_call(&mut place.processes, "os-write-stdin", args);
    assert_eq!(written.unwrap_err().code, theater_record::TrapCode::Killed);
}

#[test]
fn more_output_may_not_wait_than_is_allowed() {
    let mut place = Place::restricted(|given, _| given.max_output_bytes = Some(8192));
    let echo = Asked::run("echo", &[]);
    place.start(&Asked { buffer_bytes: 8192, ..echo.clone() });
    place.trial.decided();
    let trouble = "the buffer of 8193 bytes is larger than the 8192 that are allowed";
    fails(
        place.spawn(&Asked { buffer_bytes: 8193, ..echo }),
        &format!("cannot start \"echo\": {trouble}"),
    );
    assert_eq!(place.trial.decided(), [format!("not-granted echo: {trouble}")]);
}

#[test]
fn a_number_that_an_earlier_process_has_given_out_is_not_given_again() {
    let mut place = Place::new();
    let given = Value::Result(Ok(Some(Box::new(Value::U64(7)))));
    place.processes.remember("os-spawn", &[], &[given]);
    assert_eq!(place.start(&Asked::run("true", &[])), 8);
}
