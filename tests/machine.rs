//! What actors are given of the machine they run on: the time, chance, the environment, files, programs.
//! What the guest does with a line of a message is said in `corpus/guests/rust/handyman/src/lib.rs`.

use std::path::Path;
use std::time::{Duration, Instant};

use theater_runtime::manifest::{
    Environment, Filesystem, FilesystemHandler, Handlers, MessageUse, Process, Random,
    RandomHandler, Root, Timing,
};
use theater_runtime::{ActorId, End};
use theater_verify::VerifiedChain;

use crate::stage::actors::{SOON, Stage};
use crate::stage::history::History;
use crate::stage::replays;

/// An actor with a folder, which is `data` in the folder of its stage.
struct Workshop {
    stage: Stage,
    actor: ActorId,
}

impl Workshop {
    fn new() -> Workshop {
        Workshop::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Handlers)) -> Workshop {
        let stage = Stage::new();
        std::fs::create_dir(stage.path("data")).unwrap();
        let actor = stage.spawn_of("handyman", |spec| {
            spec.base_dir = stage.path("");
            spec.handlers = given();
            change(&mut spec.handlers);
        });
        Workshop { stage, actor }
    }

    /// The answers to lines of a message.
    #[track_caller]
    fn ask(&self, lines: &[&str]) -> Vec<String> {
        let answer = self.stage.ask(self.actor, &lines.join("\n"));
        answer.split('\n').map(str::to_owned).collect()
    }

    fn data(&self) -> std::path::PathBuf {
        self.stage.path("data")
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
        let chain = self.stage.ended(self.actor);
        drop(self);
        replays(&chain, "handyman");
        chain
    }
}

/// What the actor is given of the machine.
fn given() -> Handlers {
    let names = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
    Handlers {
        message_server: Some(MessageUse),
        timing: Some(Timing { max_sleep_ns: Some(60_000_000_000) }),
        random: Some(RandomHandler { seed: Some(7), restriction: Random::default() }),
        environment: Some(Environment { allowed_vars: names(&["PATH"]), ..Environment::default() }),
        filesystem: Some(FilesystemHandler {
            root: Root::At("data".into()),
            restriction: Filesystem::default(),
        }),
        process: Some(Process {
            allowed_programs: names(&["/bin/sh", "echo"]),
            ..Process::default()
        }),
        ..Handlers::default()
    }
}

/// What was decided about capabilities, but for messages: the capability, the number of the reason, and
/// the subject.
fn decisions(chain: &VerifiedChain) -> Vec<String> {
    let history = History::of(chain);
    let others = history.permissions().into_iter().filter(|it| it.capability != "message");
    others.map(|it| format!("{} {} {}", it.capability, it.reason, it.subject)).collect()
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
    let workshop = Workshop::new();
    let now: u64 = workshop.ask(&["now"])[0].parse().unwrap();
    assert!(now > 1_700_000_000_000);
    let deadline = format!("deadline {now}");
    assert_eq!(workshop.ask(&["sleep 5", &deadline]), ["done", "done"]);
    assert_eq!(
        workshop.ask(&["sleep 60001"]),
        ["error: waiting for 60001 ms is not allowed: the longest wait is 60000 ms"]
    );
    let drawn = workshop.ask(&["bytes 4", "range 10 12", "float", "uuid", "range 2 2"]);
    assert_eq!(drawn[0].len(), 8);
    assert!(["10", "11"].contains(&drawn[1].as_str()) && drawn[3].len() == 36, "{drawn:?}");
    let path = std::env::var("PATH").unwrap();
    let asked = workshop.ask(&["var PATH", "var HOME", "exists PATH", "exists HOME", "vars"]);
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
    assert_eq!(workshop.ask(&lines), answers);
    assert_eq!(
        workshop.ask(&["run lines echo hello you", "run lines false"]),
        ["1", "error: cannot start \"false\": the manifest does not allow it"]
    );
    assert_eq!(workshop.hears("1:exit"), ["1:out:hello", "you", "1:exit:exited-0"]);
    assert_eq!(workshop.ask(&["script raw read x; echo \"got $x\" >&2; exit 7"]), ["2"]);
    assert_eq!(workshop.ask(&["stdin 2 this"]), ["5"]);
    assert_eq!(workshop.hears("2:exit"), ["2:err:got", "this\n", "2:exit:exited-7"]);
    assert_eq!(workshop.stage.system.state(workshop.actor).unwrap(), Some(b"4".to_vec()));
    let chain = workshop.ends_and_replays();
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
    let workshop = Workshop::with(|handlers| {
        *handlers = Handlers { message_server: Some(MessageUse), ..Handlers::default() };
    });
    let lines = ["sleep 1", "bytes 1", "var PATH", "vars", "exists PATH", "read a", "run raw echo"];
    let denied = |what: &str| format!("error: {what} is denied: the manifest has no such handler");
    assert_eq!(
        workshop.ask(&lines),
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
    let chain = workshop.ends_and_replays();
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
    let workshop = Workshop::new();
    let script = "printf 'ab\\n\\ncdef\\ng'; printf x >&2";
    for (number, mode) in (1..).zip(["lines", "3", "raw", "discard"]) {
        let started = workshop.ask(&[&format!("script {mode} {script}")]);
        assert_eq!(started, [number.to_string()]);
        let heard = workshop.hears(&format!("{number}:exit"));
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
    workshop.ends_and_replays();
}

#[test]
fn long_output_is_told_whole_and_long_lines_are_cut() {
    let workshop = Workshop::new();
    let script = "script lines i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done";
    assert_eq!(workshop.ask(&[script]), ["1"]);
    let heard = workshop.hears("1:exit");
    assert_eq!(heard.len(), 20_001);
    assert!((0..).zip(&heard[..20_000]).all(|(n, word)| *word == format!("1:out:{n}")));
    let script = "script lines head -c 10000 /dev/zero | tr '\\000' z; echo; echo end";
    assert_eq!(workshop.ask(&[script]), ["2"]);
    let heard = workshop.hears("2:exit");
    let lengths: Vec<usize> = heard.iter().map(|word| word.len() - "2:out:".len()).collect();
    assert_eq!(lengths[..4], [4096, 4096, 1808, 3]);
    workshop.ends_and_replays();
}

#[test]
fn a_program_that_prints_more_than_is_taken_has_to_wait() {
    let workshop = Workshop::new();
    let script = "script raw head -c 1000000 /dev/zero; echo x > done";
    // The actor takes nothing while it is at work.
    let asked = workshop.ask(&[script, "sleep 300", "there done", "status 1"]);
    assert_eq!(asked, ["1", "done", "false", "running"]);
    let heard = workshop.hears("1:exit");
    let told: usize =
        heard.iter().filter_map(|word| word.strip_prefix("1:out:")).map(str::len).sum();
    assert_eq!(told, 1_000_000);
    assert_eq!(workshop.ask(&["there done"]), ["true"]);
    workshop.ends_and_replays();
}

#[test]
fn a_flood_of_output_harms_nobody_and_is_ended() {
    let workshop = Workshop::new();
    let flood = "script raw trap '' TERM; yes & exec yes >&2";
    assert_eq!(workshop.ask(&[flood]), ["1"]);
    soon(|| workshop.ask(&["heard"])[0].len() > 1);
    assert_eq!(workshop.ask(&["signal 1 15", "status 1"]), ["done", "running"], "it ignores that");
    assert_eq!(workshop.ask(&["kill 1"]), ["done"]);
    let heard = workshop.hears("1:exit");
    assert_eq!(heard.last().map(String::as_str), Some("1:exit:signaled-9"));
    assert_eq!(workshop.ask(&["status 1", "kill 1"]), ["signaled-9", "done"]);
    workshop.ends_and_replays();
}

#[test]
fn no_process_outlives_its_actor_however_it_ends() {
    for is_killed in [false, true] {
        let workshop = Workshop::new();
        let script =
            "script raw trap '' TERM; sleep 1000 & echo $! > child; echo $$ > up; wait; wait";
        assert_eq!(workshop.ask(&[script]), ["1"]);
        soon(|| !text(&workshop.data().join("up")).is_empty());
        let pids = ["up", "child"].map(|name| text(&workshop.data().join(name)));
        assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
        if is_killed {
            workshop.stage.system.send(workshop.actor, b"spin".to_vec(), SOON).unwrap();
            let end =
                workshop.stage.system.stop(workshop.actor, Duration::from_millis(50)).unwrap();
            assert_eq!(end, End::Killed);
        }
        workshop.ends_and_replays();
        soon(|| !pids.iter().any(|pid| runs(pid)));
    }
}

#[test]
fn a_new_life_hears_nothing_of_the_processes_of_the_last() {
    let workshop = Workshop::new();
    let up = workshop.data().join("up");
    for number in 1..=3 {
        let started = workshop.ask(&["script raw echo $$ > up; exec yes"]);
        assert_eq!(started, [number.to_string()], "no number is used again");
        soon(|| !text(&up).is_empty());
        let pid = text(&up);
        workshop.stage.system.restart(workshop.actor).unwrap();
        let asked = workshop.ask(&["heard", &format!("status {number}")]);
        assert_eq!(asked, ["", &format!("error: there is no process {number}")]);
        soon(|| !runs(&pid));
        std::fs::remove_file(&up).unwrap();
    }
    assert_eq!(workshop.ask(&["heard"]), [""]);
    workshop.ends_and_replays();
}

#[test]
fn an_actor_that_sleeps_can_be_killed_and_its_chain_replays() {
    let workshop = Workshop::new();
    workshop.stage.system.send(workshop.actor, b"sleep 50000".to_vec(), SOON).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    let end = workshop.stage.system.stop(workshop.actor, Duration::from_millis(20)).unwrap();
    assert_eq!(end, End::Killed);
    assert!(start.elapsed() < SOON);
    workshop.ends_and_replays();
}

#[test]
fn a_seed_gives_every_actor_the_same() {
    let lines = ["bytes 16", "range 0 1000000", "float", "uuid"];
    let drawn: Vec<_> = (0..2)
        .map(|_| {
            let workshop = Workshop::new();
            let drawn = workshop.ask(&lines);
            workshop.ends_and_replays();
            drawn
        })
        .collect();
    assert_eq!(drawn[0], drawn[1]);
}
