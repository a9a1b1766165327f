//! What actors are given of the machine they run on: the time, chance, the environment, files, programs.
//! What the guest does with a line of a message is said in `corpus/guests/rust/handyman/src/lib.rs`.

use std::path::Path;
use std::time::{Duration, Instant};

use theater_record::{Event, Stored};
use theater_runtime::manifest::{
    Environment, Filesystem, FilesystemHandler, Handlers, MessageUse, Process, Random,
    RandomHandler, Root, Timing,
};
use theater_runtime::{ActorId, Backend, End, Spec, System, SystemOptions};
use theater_verify::VerifiedChain;

use crate::stage::{component, replay, verified};

const SOON: Duration = Duration::from_secs(20);

/// An actor with a folder, which is `data` in the folder of the stage.
struct Stage {
    system: System,
    actor: ActorId,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Handlers)) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let system = System::new(SystemOptions {
            chains: folder.path().join("chains"),
            stores: folder.path().join("stores"),
            store: None,
            cache: Some(crate::stage::cache()),
            clock: theater_runtime::machine::clock(),
            random: Box::new(|| theater_runtime::machine::random().unwrap()),
            log: Box::new(|_, _| {}),
        });
        let system = system.unwrap();
        let mut spec = Spec::new("handyman", std::fs::read(component("handyman")).unwrap());
        spec.base_dir = folder.path().to_owned();
        let names = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
        spec.handlers = Handlers {
            message_server: Some(MessageUse),
            timing: Some(Timing { max_sleep_ns: Some(60_000_000_000) }),
            random: Some(RandomHandler { seed: Some(7), restriction: Random::default() }),
            environment: Some(Environment {
                allowed_vars: names(&["PATH"]),
                ..Environment::default()
            }),
            filesystem: Some(FilesystemHandler {
                root: Root::At("data".into()),
                restriction: Filesystem::default(),
            }),
            process: Some(Process {
                allowed_programs: names(&["/bin/sh", "echo"]),
                ..Process::default()
            }),
            ..Handlers::default()
        };
        change(&mut spec.handlers);
        let actor = system.spawn(spec, None).unwrap();
        Stage { system, actor, folder }
    }

    /// The answers to lines of a message.
    #[track_caller]
    fn ask(&self, lines: &[&str]) -> Vec<String> {
        let message = lines.join("\n").into_bytes();
        let answer = self.system.request(self.actor, message, SOON).unwrap();
        String::from_utf8(answer).unwrap().split('\n').map(str::to_owned).collect()
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// What the actor hears of processes until one of them ends, as words.
    #[track_caller]
    fn hears(&self, exit: &str) -> Vec<String> {
        let mut heard = Vec::new();
        soon(|| {
            let answer = self.ask(&["heard"]).join("\n");
            heard.extend(answer.split(' ').filter(|word| !word.is_empty()).map(str::to_owned));
            heard.iter().any(|word| word.starts_with(exit))
        });
        heard
    }

    /// Stops the actor, takes away all it was given, and holds its chain against its component.
    #[track_caller]
    fn ends_and_replays(self) -> VerifiedChain {
        self.system.stop(self.actor, SOON).unwrap();
        let chain = verified(&std::fs::read(self.system.chain_path(self.actor).unwrap()).unwrap());
        drop(self);
        for backend in [Backend::Cranelift, Backend::Pulley] {
            replay(&chain, &component("handyman"), backend);
        }
        chain
    }
}

/// What was decided about capabilities, but for messages: the capability, the number of the reason, and
/// the subject.
fn decisions(chain: &VerifiedChain) -> Vec<String> {
    let mut reader = chain.reader().unwrap();
    let mut decisions = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        let Stored::Record(record) = stored else { continue };
        if let Event::Permission(decision) = record.event().unwrap()
            && decision.capability != "message"
        {
            let (capability, reason) = (decision.capability, decision.reason);
            decisions.push(format!("{capability} {reason} {}", decision.subject));
        }
    }
    decisions
}

#[track_caller]
fn soon(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process of the host runs. One that nobody has waited for yet does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    let state = stat.ok().and_then(|stat| stat.rsplit(')').next()?.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[test]
fn an_actor_uses_all_it_is_given_and_replays_when_all_of_that_is_gone() {
    let stage = Stage::new();
    let now: u64 = stage.ask(&["now"])[0].parse().unwrap();
    assert!(now > 1_700_000_000_000);
    let deadline = format!("deadline {now}");
    assert_eq!(stage.ask(&["sleep 5", &deadline]), ["done", "done"]);
    assert_eq!(
        stage.ask(&["sleep 60001"]),
        ["error: waiting for 60001 ms is not allowed: the longest wait is 60000 ms"]
    );
    let drawn = stage.ask(&["bytes 4", "range 10 12", "float", "uuid", "range 2 2"]);
    assert_eq!(drawn[0].len(), 8);
    assert!(["10", "11"].contains(&drawn[1].as_str()) && drawn[3].len() == 36, "{drawn:?}");
    let path = std::env::var("PATH").unwrap();
    let asked = stage.ask(&["var PATH", "var HOME", "exists PATH", "exists HOME", "vars"]);
    assert_eq!(asked, [&path, "none", "true", "false", &format!("PATH={path}")]);
    let files = [
        ("mkdir notes", "done"),
        ("write notes/one as it was", "done"),
        ("read notes/one", "as it was"),
        ("list .", "notes"),
        ("there notes/two", "false"),
        ("read ../chains", "error: read-file \"../chains\": it leads out of the granted folder"),
        ("rmdir notes", "done"),
    ];
    let (lines, answers): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    assert_eq!(stage.ask(&lines), answers);
    assert_eq!(
        stage.ask(&["run lines echo hello you", "run lines false"]),
        ["1", "error: cannot start \"false\": the manifest does not allow it"]
    );
    assert_eq!(stage.hears("1:exit"), ["1:out:hello", "you", "1:exit:exited-0"]);
    assert_eq!(stage.ask(&["script raw read x; echo \"got $x\" >&2; exit 7"]), ["2"]);
    assert_eq!(stage.ask(&["stdin 2 this"]), ["5"]);
    assert_eq!(stage.hears("2:exit"), ["2:err:got", "this\n", "2:exit:exited-7"]);
    assert_eq!(stage.system.state(stage.actor).unwrap(), Some(b"4".to_vec()));
    let chain = stage.ends_and_replays();
    assert_eq!(
        decisions(&chain),
        [
            "timing 0 5 ms",
            "timing 0 0 ms",
            "timing 1 60001 ms",
            "random 0 4 bytes",
            "environment 0 PATH",
            "environment 1 HOME",
            "environment 0 PATH",
            "environment 1 HOME",
            "environment 0 *",
            "filesystem 0 notes",
            "filesystem 0 notes/one",
            "filesystem 0 notes/one",
            "filesystem 0 .",
            "filesystem 0 notes/two",
            "filesystem 3 ../chains",
            "filesystem 0 notes",
            "process 0 echo",
            "process 1 false",
            "process 0 /bin/sh",
        ]
    );
}

#[test]
fn without_handlers_nothing_is_given_and_all_attempts_are_recorded() {
    let stage = Stage::with(|handlers| {
        *handlers = Handlers { message_server: Some(MessageUse), ..Handlers::default() };
    });
    let lines = ["sleep 1", "bytes 1", "var PATH", "vars", "exists PATH", "read a", "run raw echo"];
    let denied = |what: &str| format!("error: {what} is denied: the manifest has no such handler");
    assert_eq!(
        stage.ask(&lines),
        [
            &denied("timing#sleep"),
            &denied("random#random-bytes"),
            "none",
            "",
            "false",
            &denied("filesystem#read-file"),
            &denied("process#os-spawn"),
        ]
    );
    let chain = stage.ends_and_replays();
    assert_eq!(
        decisions(&chain),
        [
            "timing 1 sleep",
            "random 1 random-bytes",
            "environment 1 get-var",
            "environment 1 list-vars",
            "environment 1 exists",
            "filesystem 1 read-file",
            "process 1 os-spawn",
        ]
    );
}

#[test]
fn output_comes_in_the_pieces_asked_for_and_the_end_after_all_of_it() {
    let stage = Stage::new();
    let script = "printf 'ab\\n\\ncdef\\ng'; printf x >&2";
    for (number, mode) in (1..).zip(["lines", "3", "raw", "discard"]) {
        let started = stage.ask(&[&format!("script {mode} {script}")]);
        assert_eq!(started, [number.to_string()]);
        let heard = stage.hears(&format!("{number}:exit"));
        let (exit, output) = heard.split_last().unwrap();
        assert_eq!(*exit, format!("{number}:exit:exited-0"), "it is told last");
        let of = |name: &str| -> Vec<&str> {
            let prefix = format!("{number}:{name}:");
            output.iter().filter_map(|word| word.strip_prefix(&prefix)).collect()
        };
        match mode {
            "lines" => assert_eq!(of("out"), ["ab", "", "cdef", "g"]),
            "3" => assert_eq!(of("out"), ["ab\n", "\ncd", "ef\n", "g"]),
            "raw" => assert_eq!(of("out").concat(), "ab\n\ncdef\ng"),
            _ => assert_eq!(of("out"), [""; 0]),
        }
        assert_eq!(of("err").concat(), if mode == "discard" { "" } else { "x" });
    }
    stage.ends_and_replays();
}

#[test]
fn long_output_is_told_whole_and_long_lines_are_cut() {
    let stage = Stage::new();
    let script = "script lines i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done";
    assert_eq!(stage.ask(&[script]), ["1"]);
    let heard = stage.hears("1:exit");
    assert_eq!(heard.len(), 20_001);
    assert!((0..).zip(&heard[..20_000]).all(|(n, word)| *word == format!("1:out:{n}")));
    let script = "script lines head -c 10000 /dev/zero | tr '\\000' z; echo; echo end";
    assert_eq!(stage.ask(&[script]), ["2"]);
    let heard = stage.hears("2:exit");
    let lengths: Vec<usize> = heard.iter().map(|word| word.len() - "2:out:".len()).collect();
    assert_eq!(lengths[..4], [4096, 4096, 1808, 3]);
    stage.ends_and_replays();
}

#[test]
fn a_program_that_prints_more_than_is_taken_has_to_wait() {
    let stage = Stage::new();
    let script = "script raw head -c 1000000 /dev/zero; echo x > done";
    // The actor takes nothing while it is at work.
    let asked = stage.ask(&[script, "sleep 300", "there done", "status 1"]);
    assert_eq!(asked, ["1", "done", "false", "running"]);
    let heard = stage.hears("1:exit");
    let told: usize =
        heard.iter().filter_map(|word| word.strip_prefix("1:out:")).map(str::len).sum();
    assert_eq!(told, 1_000_000);
    assert_eq!(stage.ask(&["there done"]), ["true"]);
    stage.ends_and_replays();
}

#[test]
fn a_flood_of_output_harms_nobody_and_is_ended() {
    let stage = Stage::new();
    let flood = "script raw trap '' TERM; yes & exec yes >&2";
    assert_eq!(stage.ask(&[flood]), ["1"]);
    soon(|| stage.ask(&["heard"])[0].len() > 1);
    assert_eq!(stage.ask(&["signal 1 15", "status 1"]), ["done", "running"], "it ignores that");
    assert_eq!(stage.ask(&["kill 1"]), ["done"]);
    let heard = stage.hears("1:exit");
    assert_eq!(heard.last().map(String::as_str), Some("1:exit:signaled-9"));
    assert_eq!(stage.ask(&["status 1", "kill 1"]), ["signaled-9", "done"]);
    stage.ends_and_replays();
}

#[test]
fn no_process_outlives_its_actor_however_it_ends() {
    for is_killed in [false, true] {
        let stage = Stage::new();
        let script =
            "script raw trap '' TERM; sleep 1000 & echo $! > child; echo $$ > up; wait; wait";
        assert_eq!(stage.ask(&[script]), ["1"]);
        soon(|| !text(&stage.data().join("up")).is_empty());
        let pids = ["up", "child"].map(|name| text(&stage.data().join(name)));
        assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
        if is_killed {
            stage.system.send(stage.actor, b"spin".to_vec(), SOON).unwrap();
            let end = stage.system.stop(stage.actor, Duration::from_millis(50)).unwrap();
            assert_eq!(end, End::Killed);
        }
        stage.ends_and_replays();
        soon(|| !pids.iter().any(|pid| runs(pid)));
    }
}

#[test]
fn a_new_life_hears_nothing_of_the_processes_of_the_last() {
    let stage = Stage::new();
    let up = stage.data().join("up");
    for _ in 0..3 {
        assert_eq!(stage.ask(&["script raw echo $$ > up; exec yes"]), ["1"]);
        soon(|| !text(&up).is_empty());
        let pid = text(&up);
        stage.system.restart(stage.actor).unwrap();
        assert_eq!(stage.ask(&["heard", "status 1"]), ["", "error: there is no process 1"]);
        soon(|| !runs(&pid));
        std::fs::remove_file(&up).unwrap();
    }
    assert_eq!(stage.ask(&["heard"]), [""]);
    stage.ends_and_replays();
}

#[test]
fn an_actor_that_sleeps_can_be_killed_and_its_chain_replays() {
    let stage = Stage::new();
    stage.system.send(stage.actor, b"sleep 50000".to_vec(), SOON).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    let end = stage.system.stop(stage.actor, Duration::from_millis(20)).unwrap();
    assert_eq!(end, End::Killed);
    assert!(start.elapsed() < SOON);
    stage.ends_and_replays();
}

#[test]
fn a_seed_gives_every_actor_the_same() {
    let lines = ["bytes 16", "range 0 1000000", "float", "uuid"];
    let drawn: Vec<_> = (0..2)
        .map(|_| {
            let stage = Stage::new();
            let drawn = stage.ask(&lines);
            stage.ends_and_replays();
            drawn
        })
        .collect();
    assert_eq!(drawn[0], drawn[1]);
}
