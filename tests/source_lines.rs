//! The lines of source that `run` and `diff` name for every mutant and every regression: in builds
//! that are optimised and in builds that are not, with all debug information and with lines only,
//! and in what is kept in the corpus, which is stripped, with the help of a build that is not.
//!
//! Builds with debug information are too large to be kept. This runs only where `THEATER_TWINS`
//! names the folder in which `corpus/build.sh` has put those of its profiles, as in CI.

use std::path::{Path, PathBuf};

use expect_test::expect;
use serde_json::Value;

use crate::stage::divergence::Expected;
use crate::stage::history::History;
use crate::stage::programs::{compared, printed, replayed};
use crate::stage::shop::Services;
use crate::stage::{component, folder};
use crate::{mutants, regressions};

#[test]
fn builds_that_are_not_optimised_lead_to_their_lines() {
    lead_to_their_lines("dev");
}

#[test]
fn optimised_builds_with_all_debug_information_lead_to_their_lines() {
    lead_to_their_lines("full");
}

#[test]
fn optimised_builds_with_lines_only_lead_to_their_lines() {
    lead_to_their_lines("line-tables");
}

#[test]
fn stripped_builds_lead_to_their_lines_with_a_twin_at_hand() {
    let Some(twins) = twins("line-tables") else { return };
    // Nothing but a build that has the very same code is taken for a twin.
    let options = ["--debug-info", twins.to_str().unwrap()];
    Stage::record(component).check(&options);
}

#[test]
fn people_read_the_lines_of_both_builds() {
    let Some(twins) = twins("line-tables") else { return };
    let stage = Stage::record(component);
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let names = ["shop-base", "shop-retries"];
    let [base_chain, other_chain] = names.map(|name| text(stage.chain(name)));
    let [base, other] = names.map(|name| text(stage.build(name).to_owned()));
    let lines = ["--debug-info", &text(twins), "--source-root", &text(sources())];
    let said =
        |command: &[&str]| printed(&[command, &lines].concat(), stage.folder.path(), &stage.builds);

    let builds = ["--component", &other, "--recorded", &base];
    let run = said(&[&["run", &base_chain, "--quiet"], &builds[..]].concat());
    expect![[r#"
        shop-base.chain: diverged at event 532: the component calls another function
          this is component <shop-retries>,
          another build than <shop-base>, which was recorded
          before    528  -> wasi:http/types@0.2.12 [method]incoming-response.status(self: &incoming-response#94)
          expected  532  -> wasi:io/streams@0.2.12 [method]output-stream.check-write(self: &output-stream#27)
          actual         -> wasi:clocks/monotonic-clock@0.2.12 subscribe-duration(when: 16000000)
          after     534  -> wasi:io/streams@0.2.12 [method]output-stream.write(self: &output-stream#27, contents: b"o-19: the service answered with 503\n")
          the recorded build:
            at shop/src/orders.rs:33:50 in {closure#2}
                32 |     };
              > 33 |     let attempts = settled.inspect_err(|failure| println!("{id}: {failure}"))?; // there: retries
                34 |     println!("{id}: {} paid {} at attempt {attempts}", order.customer, order.total());
            called from shop/src/orders.rs:33:28 in handle
            called from shop/src/lib.rs:36:9 in handle
          this build:
            at shop/src/retry.rs:17:17 in patiently<u32, guest_shop::orders::{impl#0}::pay::{closure_env#0}>
                16 |             Err(failure) if failure.is_passing() && number <= RETRIES_MAX => {
              > 17 |                 thread::sleep(pause_after(number)); // here: retries
                18 |                 number += 1;
            called from shop/src/orders.rs:65:9 in pay
            called from shop/src/orders.rs:31:54 in {closure#1}
            called from shop/src/orders.rs:31:34 in handle
            called from shop/src/lib.rs:36:9 in handle
          next: theater-replay show shop-base.chain --from 528 --to 536
    "#]]
    .assert_eq(&run);

    let builds = ["--component-a", &base, "--component-b", &other];
    let diff = said(&[&["diff", &base_chain, &other_chain, "--first"], &builds[..]].concat());
    expect![[r#"
        different at event 532 of shop-base.chain and event 532 of shop-retries.chain, after 484 equal
          setup: component <shop-base> -> <shop-retries>
          setup: name shop-base -> shop-retries

             529  <- [method]incoming-response.status: 503
             530  drop incoming-response#94
             531  drop future-incoming-response#91
        -    532  -> wasi:io/streams@0.2.12 [method]output-stream.check-write(self: &output-stream#27)
        +    532  -> wasi:clocks/monotonic-clock@0.2.12 subscribe-duration(when: 16000000)

        shop-base.chain:
          at shop/src/orders.rs:33:50 in {closure#2}
              32 |     };
            > 33 |     let attempts = settled.inspect_err(|failure| println!("{id}: {failure}"))?; // there: retries
              34 |     println!("{id}: {} paid {} at attempt {attempts}", order.customer, order.total());
          called from shop/src/orders.rs:33:28 in handle
          called from shop/src/lib.rs:36:9 in handle
        shop-retries.chain:
          at shop/src/retry.rs:17:17 in patiently<u32, guest_shop::orders::{impl#0}::pay::{closure_env#0}>
              16 |             Err(failure) if failure.is_passing() && number <= RETRIES_MAX => {
            > 17 |                 thread::sleep(pause_after(number)); // here: retries
              18 |                 number += 1;
          called from shop/src/orders.rs:65:9 in pay
          called from shop/src/orders.rs:31:54 in {closure#1}
          called from shop/src/orders.rs:31:34 in handle
          called from shop/src/lib.rs:36:9 in handle
        next: theater-replay show shop-base.chain --from 529 --to 535 --full
    "#]]
    .assert_eq(&diff);
}

fn lead_to_their_lines(profile: &str) {
    let Some(twins) = twins(profile) else { return };
    Stage::record(|name| twins.join(format!("{name}.wasm"))).check(&[]);
}

/// The folder with the builds of a profile.
#[allow(clippy::print_stdout, reason = "a test that is left out says so")]
fn twins(profile: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("THEATER_TWINS").map(|twins| Path::new(&twins).join(profile));
    let folder = folder.filter(|folder| folder.exists());
    if folder.is_none() {
        println!("left out: THEATER_TWINS names no folder with builds of the profile {profile}");
    }
    folder
}

/// All builds of one profile with their chains.
struct Stage {
    folder: tempfile::TempDir,
    builds: Vec<(String, PathBuf)>,
    mutants: History,
    shop: History,
}

impl Stage {
    fn record(build: impl Fn(&str) -> PathBuf) -> Stage {
        let (folder, services) = (folder(&[]), Services::start());
        let mut builds = Vec::new();
        let mut record = |name: String| {
            let build = build(&name);
            let recorded = match name.starts_with("shop") {
                true => services.record(build.clone()),
                false => mutants::record(build.clone()),
            };
            std::fs::write(folder.path().join(format!("{name}.chain")), &recorded.chain).unwrap();
            builds.push((name, build));
            recorded.history()
        };
        let (mutants, shop) = (record("mutant-base".to_owned()), record("shop-base".to_owned()));
        cases().into_iter().for_each(|case| drop(record(case.name())));
        Stage { folder, builds, mutants, shop }
    }

    fn chain(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.chain"))
    }

    fn build(&self, name: &str) -> &Path {
        let found = self.builds.iter().find(|(other, _)| other == name);
        &found.expect("it was recorded").1
    }

    fn check(&self, options: &[&str]) {
        for case in cases() {
            let (name, base) = (case.name(), format!("{}-base", case.guest));
            let history = if case.guest == "shop" { &self.shop } else { &self.mutants };
            let (base_build, other_build) =
                (self.build(&base).to_str().unwrap(), self.build(&name));

            let recorded = [options, &["--verbose", "--recorded", base_build]].concat();
            let outcome = replayed(&self.chain(&base), other_build, &recorded);
            case.expected.check(&name, &outcome, history);
            let divergence = &outcome["divergence"];
            case.check_sources(&divergence["recorded_source"], &divergence["source"]);

            let sides = ["--component-a", base_build, "--component-b"];
            let sides = [&sides[..], &[other_build.to_str().unwrap(), "--verbose"]].concat();
            let first =
                compared([&self.chain(&base), &self.chain(&name)], &[options, &sides].concat());
            let first = &first["first"];
            assert_eq!(first["expected"]["seq"], case.expected.event(history), "{name}");
            case.check_sources(&first["expected_source"], &first["actual_source"]);
        }
    }
}

/// A build that parts from the base, and where in the source it does.
struct Case {
    guest: &'static str,
    build: &'static str,
    expected: Expected,
    /// Where this build is when it parts.
    here: Spot,
    /// Where the base is then, if that can be told.
    there: Option<Spot>,
    /// Where this build has come through.
    on_the_way: Vec<Spot>,
}

/// A place in the source: a line, or a function, of whose lines none can be told.
enum Spot {
    Line(String, usize),
    Function(&'static str),
}

impl Case {
    fn name(&self) -> String {
        format!("{}-{}", self.guest, self.build)
    }

    #[track_caller]
    fn check_sources(&self, recorded: &Value, actual: &Value) {
        let name = self.name();
        self.here.check(&name, actual);
        if let Some(there) = &self.there {
            there.check(&name, recorded);
        }
        for spot in &self.on_the_way {
            let stack = actual["stack"].as_array().expect("the stack was asked for");
            assert!(stack.iter().any(|place| spot.is(place)), "{name}: no {spot:?} in {stack:#?}");
        }
    }
}

impl Spot {
    #[track_caller]
    fn check(&self, build: &str, source: &Value) {
        let is = match self {
            Spot::Line(..) => "line",
            Spot::Function(_) => "function",
        };
        assert_eq!(source["is"], is, "{build}");
        assert!(self.is(&source["place"]), "{build}: {source:#} is not {self:?}");
    }

    fn is(&self, place: &Value) -> bool {
        match self {
            Spot::Line(file, line) => {
                let found = place["file"].as_str().unwrap_or_default();
                found.ends_with(file) && place["line"] == *line
            }
            // Among nothing but lines, it goes by its bare name.
            Spot::Function(name) => {
                let found = place["function"].as_str().unwrap_or_default();
                found.rsplit("::").next() == Some(name)
            }
        }
    }
}

impl std::fmt::Debug for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Spot::Line(file, line) => write!(f, "{file}:{line}"),
            Spot::Function(name) => write!(f, "the function {name}"),
        }
    }
}

fn cases() -> Vec<Case> {
    let mutants = mutants::expected().into_iter().map(|(build, expected)| {
        let (here, there) = mutant_spots(build);
        Case { guest: "mutant", build, expected, here, there, on_the_way: Vec::new() }
    });
    let regressions = regressions::regressions().into_iter().map(|regression| {
        let (build, expected) = (regression.name, regression.expected);
        let mut here = marked("here", build);
        let there = marked("there", build).pop().or_else(|| marked("here", build).pop());
        let on_the_way = marked("on the way", build);
        let here = here.pop().expect("one line is marked");
        Case { guest: "shop", build, expected, here, there, on_the_way }
    });
    mutants.chain(regressions).collect()
}

/// Where a mutant is when it parts, and where the base is then.
fn mutant_spots(mutant: &str) -> (Spot, Option<Spot>) {
    let line = |text| Spot::Line(MUTANTS.to_owned(), line_of(text));
    let write = || line("output.blocking_write_and_flush(");
    let now = || line("} else {\n        monotonic_clock::now()");
    match mutant {
        "changed-argument" => (write(), Some(write())),
        "other-callee" => (line("monotonic_clock::resolution()"), Some(now())),
        "extra-call" => (line("black_box(get_random_u64());"), Some(now())),
        "missing-call" => (write(), Some(now())),
        "swapped-calls" => {
            let base = "(wall_clock::now().seconds, get_random_u64())";
            (line("let random = get_random_u64();"), Some(line(base)))
        }
        "extra-call-at-end" => {
            (line("black_box(monotonic_clock::now());"), Some(Spot::Function("step")))
        }
        // What it holds is dropped where the function ends.
        "early-stop" => (line("    monotonic\n}"), Some(now())),
        "other-result" | "other-state" => (Spot::Function("step"), Some(Spot::Function("step"))),
        // Of a function that does nothing but trap, optimised builds know nothing any more.
        "other-trap" => (line("beyond.read_volatile()"), None),
        other => panic!("nobody knows where {other} parts"),
    }
}

const MUTANTS: &str = "mutants/src/lib.rs";

/// The line of the mutants' source in which a text ends that is there once.
fn line_of(text: &str) -> usize {
    let source = std::fs::read_to_string(sources().join(MUTANTS)).unwrap();
    let [(at, _)] = source.match_indices(text).collect::<Vec<_>>()[..] else {
        panic!("{text:?} is not there once")
    };
    source[..at + text.len()].lines().count()
}

/// The lines of the shop's source that are marked for a build: at their ends stands a comment such as
/// `// here: header; there: off-by-one`.
fn marked(role: &str, build: &str) -> Vec<Spot> {
    let mut spots = Vec::new();
    for entry in std::fs::read_dir(sources().join("shop/src")).unwrap() {
        let path = entry.unwrap().path();
        let file = format!("shop/src/{}", path.file_name().unwrap().to_str().unwrap());
        for (number, line) in (1..).zip(std::fs::read_to_string(&path).unwrap().lines()) {
            let Some((_, comment)) = line.split_once(" // ") else { continue };
            let is_marked = comment.split("; ").any(|mark| {
                let (found, builds) = mark.split_once(": ").unwrap_or_default();
                found == role && builds.split(", ").any(|found| found == build)
            });
            if is_marked {
                spots.push(Spot::Line(file.clone(), number));
            }
        }
    }
    spots
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/guests/rust")
}
