//! Writes a synthetic, closed, valid chain, for benchmarks and experiments.
//!
//! `cargo run --release --example synth -p theater-record -- --events N --payload BYTES OUT`

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use theater_record::{
    About, Call, CloseReason, Event, LifecycleState, Options, Outcome, Recorder, Return, Seed,
    Type, Value, Values,
};

const USAGE: &str = "usage: synth --events N --payload BYTES [--inline] [--sign] OUT";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wish = Wish::parse(std::env::args().skip(1)).ok_or(USAGE)?;
    let log = File::create(&wish.out)?;
    let about = About {
        recorder: concat!("synth ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: "synth".to_owned(),
        ..About::default()
    };
    let mut options = Options { sign: wish.sign, ..Options::default() };
    if wish.inline {
        options.inline_bytes_max = usize::MAX;
    }
    // A fixed seed and a fixed clock: the same arguments give the same bytes.
    let clock = Arc::new(|| 1_700_000_000_000_000_000);
    options.policy.interval_ns = None;
    let mut recorder = Recorder::create(log, about, options, Seed::new([1; 32]), clock)?;
    record(&mut recorder, &wish)?;
    let tip = recorder.close(CloseReason::Completed, "")?;
    let (out, events) = (&wish.out, tip.seq + 1);
    writeln!(io::stderr(), "{out}: {events} events, head {}@{}", tip.hash, tip.seq)?;
    Ok(())
}

/// Alternates import calls and returns that carry the payload until there are enough events.
fn record(recorder: &mut Recorder, wish: &Wish) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = Type::List(Box::new(Type::U8));
    let read = recorder.function_id(
        "synth:disk/file@1.0.0",
        "read",
        &[("offset", Type::U64), ("expected", bytes.clone())],
        &[bytes],
    )?;
    let spawned = theater_record::Lifecycle {
        state: LifecycleState::Spawned,
        time: 1_700_000_000_000_000_000,
        detail: String::new(),
    };
    recorder.append(&Event::Lifecycle(spawned))?;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut payload = vec![0; wish.payload];
    for at in 0..wish.events {
        noise.fill(&mut payload);
        let payload = Value::Bytes(payload.clone());
        let event = if at % 2 == 0 {
            let args = Values::of(&[Value::U64(at), payload])?;
            Event::ImportCall(Call { function: read, args, fuel: None })
        } else {
            let outcome = Outcome::Returned(Values::of(&[payload])?);
            Event::ImportReturn(Return { function: read, outcome, fuel: None })
        };
        recorder.append(&event)?;
    }
    Ok(())
}

struct Wish {
    events: u64,
    payload: usize,
    inline: bool,
    sign: bool,
    out: String,
}

impl Wish {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Wish> {
        let mut wish =
            Wish { events: 1000, payload: 64, inline: false, sign: false, out: String::new() };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--events" => wish.events = args.next()?.parse().ok()?,
                "--payload" => wish.payload = args.next()?.parse().ok()?,
                "--inline" => wish.inline = true,
                "--sign" => wish.sign = true,
                _ if wish.out.is_empty() && !arg.starts_with('-') => wish.out = arg,
                _ => return None,
            }
        }
        (!wish.out.is_empty()).then_some(wish)
    }
}

/// A small generator of bytes that do not compress (xorshift64).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }
}
