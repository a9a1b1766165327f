//! Measures what the bench `actors` of `theater-runtime` measures, between actors of kameo: no sandbox,
//! no recording, and one async runtime for all. That bench runs it too; words choose rows as they do there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::message::{Context, Message};
use kameo::request::PendingReply;
use tokio::runtime::Runtime;

/// As in the bench.
const CLIENTS: usize = 8;
const UNDER_WAY: usize = 32;

const ROWS: [(&str, usize, usize, Act); 6] = [
    ("spawn", 1, 5_000, Act::Spawn),
    ("request", 1, 50_000, Act::Request),
    ("request, many clients", CLIENTS, 20_000, Act::Request),
    ("request by an actor", 1, 50_000, Act::RequestByActor),
    ("request by an actor, many", CLIENTS, 20_000, Act::RequestByActor),
    ("requests under way, many", CLIENTS, 50_000, Act::RequestsUnderWay),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(&**word));
    println!("{:28} {:>9} {:>9} {:>9}", "kameo", "p50 us", "p99 us", "k/s");
    for (name, clients, times, act) in ROWS.into_iter().filter(|(name, ..)| wanted(name)) {
        let (mut taken, per_second) = measure(clients, times, act);
        taken.sort_unstable();
        let us = |share: f64| taken[(taken.len() as f64 * share) as usize].as_secs_f64() * 1e6;
        println!("{name:28} {:9.1} {:9.1} {:9.2}", us(0.5), us(0.99), per_second / 1e3);
    }
}

struct Counter(u64);

impl Actor for Counter {
    type Args = Counter;
    type Error = Infallible;

    async fn on_start(counter: Counter, _: ActorRef<Counter>) -> Result<Counter, Infallible> {
        Ok(counter)
    }
}

/// Counted, and answered with the count, as text.
struct Count;

impl Message<Count> for Counter {
    type Reply = Vec<u8>;

    async fn handle(&mut self, _: Count, _: &mut Context<Counter, Vec<u8>>) -> Vec<u8> {
        self.0 += 1;
        self.0.to_string().into_bytes()
    }
}

/// To be asked of another actor.
struct Ask(ActorRef<Counter>);

impl Message<Ask> for Counter {
    type Reply = Vec<u8>;

    async fn handle(&mut self, Ask(other): Ask, _: &mut Context<Counter, Vec<u8>>) -> Vec<u8> {
        other.ask(Count).await.expect("nobody stops it")
    }
}

/// What one client does over and over.
#[derive(Clone, Copy)]
enum Act {
    Spawn,
    Request,
    RequestByActor,
    RequestsUnderWay,
}

/// Has some clients do something over and over, all at once. How long each time took, and how often it
/// was done in a second.
fn measure(clients: usize, times: usize, act: Act) -> (Vec<Duration>, f64) {
    let runtime = Runtime::new().expect("a bench that cannot go on should stop right there");
    runtime.block_on(async {
        let start = Instant::now();
        let runs: Vec<_> = (0..clients).map(|_| tokio::spawn(run(times, act))).collect();
        let mut taken = Vec::new();
        for run in runs {
            taken.extend(run.await.expect("no client panics"));
        }
        let per_second = taken.len() as f64 / start.elapsed().as_secs_f64();
        (taken, per_second)
    })
}

async fn run(times: usize, act: Act) -> Vec<Duration> {
    let (one, other) = (Counter::spawn(Counter(0)), Counter::spawn(Counter(0)));
    let mut taken = Vec::with_capacity(times);
    let mut under_way: VecDeque<(Instant, PendingReply<Count, Vec<u8>>)> = VecDeque::new();
    for _ in 0..times {
        let before = Instant::now();
        match act {
            Act::RequestsUnderWay => {
                if under_way.len() == UNDER_WAY
                    && let Some((before, answer)) = under_way.pop_front()
                {
                    drop(answer.await.expect("nobody stops it"));
                    taken.push(before.elapsed());
                }
                let answer = one.ask(Count).enqueue().await.expect("nobody stops it");
                under_way.push_back((before, answer));
                continue;
            }
            Act::Spawn => Counter::spawn(Counter(0)).wait_for_startup().await,
            Act::Request => drop(one.ask(Count).await.expect("nobody stops it")),
            Act::RequestByActor => drop(one.ask(Ask(other.clone())).await.expect("nor this one")),
        }
        taken.push(before.elapsed());
    }
    for (before, answer) in under_way {
        drop(answer.await.expect("nobody stops it"));
        taken.push(before.elapsed());
    }
    taken
}
