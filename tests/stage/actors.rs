//! Systems of actors for tests, each in a folder of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use theater_record::{Event, LifecycleState, Stored, record_hash};
use theater_runtime::{
    ActorId, Backend, End, Listed, Log, Randomness, Source, SpawnError, Spec, Status, Store,
    System, SystemOptions,
};
use theater_verify::VerifiedChain;
use theater_verify::set::{Member, hold};

use super::{component, replay, replays, verified};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What a chain tells of an actor.
pub(crate) struct Told {
    pub(crate) chain: String,
    /// Who sent each message.
    pub(crate) senders: Vec<String>,
    pub(crate) states: Vec<LifecycleState>,
    /// The hash of every record.
    pub(crate) links: Vec<String>,
}

impl Told {
    pub(crate) fn of(chain: &VerifiedChain) -> Told {
        let id = chain.header().chain_id.to_string();
        let mut told = Told { chain: id, senders: vec![], states: vec![], links: vec![] };
        let mut reader = chain.reader().unwrap();
        while let Some(stored) = reader.read().unwrap() {
            let Stored::Record(record) = stored else { continue };
            told.links.push(record_hash(record.frame.bytes()).to_string());
            match record.event().unwrap() {
                Event::Permission(decision) if decision.capability == "message" => {
                    told.senders.push(decision.subject);
                }
                Event::Lifecycle(lifecycle) => told.states.push(lifecycle.state),
                _ => {}
            }
        }
        told
    }
}

/// A system with a folder of its own, and what its actors have logged.
pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) logged: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage::below(tempfile::tempdir().unwrap(), Stage::random())
    }

    /// A system that passes what actors log on to this function, and does not keep it.
    pub(crate) fn logging(hears: impl Fn(&str) + Send + Sync + 'static) -> Stage {
        let log = Box::new(move |_, text: &str| hears(text));
        Stage::with(tempfile::tempdir().unwrap(), Stage::random(), Arc::default(), log)
    }

    /// A system whose randomness comes from [`Stage::seeds`].
    pub(crate) fn seeded() -> Stage {
        let seeds = Mutex::new(Stage::seeds());
        let random = Box::new(move || seeds.lock().unwrap().next().unwrap());
        Stage::below(tempfile::tempdir().unwrap(), random)
    }

    /// Some randomness that is the same every time.
    pub(crate) fn seeds() -> impl Iterator<Item = [u8; 32]> {
        (0..1000_u64).map(|number| *blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    fn random() -> Randomness {
        Box::new(|| theater_runtime::machine::random().unwrap())
    }

    fn below(folder: tempfile::TempDir, random: Randomness) -> Stage {
        let logged = Arc::new(Mutex::new(Vec::new()));
        let keeps = logged.clone();
        let log = Box::new(move |_, text: &str| keeps.lock().unwrap().push(text.to_owned()));
        Stage::with(folder, random, logged, log)
    }

    fn with(
        folder: tempfile::TempDir,
        random: Randomness,
        logged: Arc<Mutex<Vec<String>>>,
        log: Log,
    ) -> Stage {
        let system = System::new(SystemOptions {
            chains: folder.path().join("chains"),
            stores: folder.path().join("stores"),
            store: Some(Store::open(folder.path().join("store")).unwrap()),
            cache: Some(super::cache()),
            clock: theater_runtime::machine::clock(),
            random,
            log,
        });
        Stage { system: system.unwrap(), logged, folder }
    }

    /// The folder with all chains.
    pub(crate) fn chains(&self) -> PathBuf {
        self.folder.path().join("chains")
    }

    /// Lets everything rest, as a server does that is stopped, and brings it back in a new system.
    pub(crate) fn suspended_and_resumed(self) -> Stage {
        self.suspended_and_resumed_after(|| {})
    }

    /// The same, with something done in between.
    pub(crate) fn suspended_and_resumed_after(self, between: impl FnOnce()) -> Stage {
        assert_eq!(self.system.suspend(SOON), 0, "nobody is busy");
        let Stage { system, folder, .. } = self;
        drop(system);
        between();
        let stage = Stage::below(folder, Stage::random());
        for resumed in stage.system.resume_all(SOON).unwrap() {
            assert_eq!(resumed.outcome, Ok(Vec::new()), "{}", resumed.name);
        }
        stage
    }

    /// What a crash would leave right now, brought back in a new system. Who takes longer than this is not
    /// waited for.
    pub(crate) fn crashed(&self, patience: Duration) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("chains")).unwrap();
        for entry in std::fs::read_dir(self.chains()).unwrap() {
            let entry = entry.unwrap();
            let copy = folder.path().join("chains").join(entry.file_name());
            std::fs::copy(entry.path(), copy).unwrap();
        }
        let stage = Stage::below(folder, Stage::random());
        for resumed in stage.system.resume_all(patience).unwrap() {
            assert!(resumed.outcome.is_ok(), "{resumed:?}");
        }
        stage
    }

    pub(crate) fn spawn(&self) -> ActorId {
        self.spawn_as(|_| {})
    }

    pub(crate) fn spawn_as(&self, change: impl FnOnce(&mut Spec)) -> ActorId {
        self.spawn_of("messenger", change)
    }

    /// An actor of a guest of the corpus, without a manifest.
    pub(crate) fn spawn_of(&self, guest: &str, change: impl FnOnce(&mut Spec)) -> ActorId {
        let mut spec = Spec::new(guest, std::fs::read(component(guest)).unwrap());
        change(&mut spec);
        self.system.spawn(spec, None).unwrap()
    }

    pub(crate) fn spawn_below(&self, parent: ActorId) -> ActorId {
        let bytes = std::fs::read(component("messenger")).unwrap();
        self.system.spawn(Spec::new("messenger", bytes), Some(parent)).unwrap()
    }

    /// A file in the folder of this stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a manifest of a keeper with what else is to be in it, and returns its file.
    pub(crate) fn keeper(&self, name: &str, more: &str) -> PathBuf {
        let folder = self.folder.path();
        let guest = folder.join("keeper.wasm");
        if !guest.exists() {
            std::fs::copy(component("keeper"), guest).unwrap();
        }
        let handlers = ["runtime", "message-server", "supervisor"];
        let handlers = handlers.map(|handler| format!("[[handlers]]\ntype = \"{handler}\"\n"));
        let (top, tables) = more.split_once("\n\n").unwrap_or(("", more));
        let text = format!(
            "name = \"{name}\"\ncomponent = \"keeper.wasm\"\n{top}\n{}{tables}\n",
            handlers.concat()
        );
        let path = folder.join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Starts the actor of a manifest.
    pub(crate) fn start(&self, manifest: PathBuf) -> Result<ActorId, SpawnError> {
        self.system.start(&Source::File(manifest), None, None)
    }

    /// The actors of this name, the oldest first.
    pub(crate) fn named(&self, name: &str) -> Vec<ActorId> {
        let all = self.system.list().into_iter();
        all.filter(|listed| listed.name == name).map(|listed| listed.id).collect()
    }

    /// The only one.
    #[track_caller]
    pub(crate) fn the(&self, name: &str) -> ActorId {
        let [id] = self.named(name)[..] else { panic!("not one {name}: {:?}", self.named(name)) };
        id
    }

    /// Waits until an actor is as it should be, which it has to be soon.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: ActorId, is_it: impl Fn(&Listed) -> bool) -> Listed {
        let start = Instant::now();
        loop {
            let listed = self.listed(id);
            if is_it(&listed) {
                return listed;
            }
            assert!(start.elapsed() < SOON, "{listed:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until an actor has begun a life.
    #[track_caller]
    pub(crate) fn wait_for_life(&self, id: ActorId, life: u64) {
        self.wait_for(id, |it| it.lives == life && it.status == Status::Running);
    }

    /// Ends everything, and holds every chain against its component, with no actor around, and all of them
    /// against each other.
    #[track_caller]
    pub(crate) fn all_end_and_replay(&self) {
        let all = self.system.list();
        self.system.shutdown(SOON);
        let mut members = Vec::new();
        for listed in all {
            for path in self.system.chain_paths(listed.id).unwrap() {
                let chain = verified(&std::fs::read(&path).unwrap());
                let of = if chain.header().name == "messenger" { "messenger" } else { "keeper" };
                replay(&chain, &component(of), Backend::Cranelift);
                members.push(Member::of(&chain, true).unwrap());
            }
        }
        let held = hold(&members);
        assert!(held.is_sound(), "{:#?}", held.discrepancies);
    }

    #[track_caller]
    pub(crate) fn ask(&self, id: ActorId, message: &str) -> String {
        let answer = self.system.request(id, message.as_bytes().to_vec(), SOON).unwrap();
        String::from_utf8(answer).unwrap()
    }

    pub(crate) fn tell(&self, id: ActorId, message: &str) {
        self.system.send(id, message.as_bytes().to_vec(), SOON).unwrap();
    }

    /// Stops an actor and holds its chain against its component, with no other actor around.
    #[track_caller]
    pub(crate) fn ends_and_replays(&self, id: ActorId) -> Told {
        let chain = self.ended(id);
        replays(&chain, "messenger");
        Told::of(&chain)
    }

    /// Stops an actor, and returns its chain.
    #[track_caller]
    pub(crate) fn ended(&self, id: ActorId) -> VerifiedChain {
        self.system.stop(id, SOON).unwrap();
        verified(&std::fs::read(self.system.chain_path(id).unwrap()).unwrap())
    }

    pub(crate) fn listed(&self, id: ActorId) -> Listed {
        self.system.list().into_iter().find(|listed| listed.id == id).unwrap()
    }

    /// How an actor came to its end, which it has to do soon.
    #[track_caller]
    pub(crate) fn end(&self, id: ActorId) -> End {
        let start = Instant::now();
        loop {
            if let Some(end) = self.listed(id).end {
                return end;
            }
            assert!(start.elapsed() < SOON, "{id} goes on");
        }
    }
}
