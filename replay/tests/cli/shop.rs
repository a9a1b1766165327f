//! Chains of an actor that pays, in the variants that two builds of it could leave behind.

use std::sync::{Arc, Mutex};

use theater_record::{About, CloseReason, Event, Hash, Options, Recorder, Seed, Type, Value};

use crate::scene::{NOW, call, returned};

/// One payment after another, as an actor of some build makes them.
pub(crate) struct Build {
    pub(crate) seed: u8,
    /// The digest of the component.
    pub(crate) component: u8,
    /// What the second payment costs.
    pub(crate) total: u32,
    /// Whether it looks at the clock before each payment.
    pub(crate) looks_at_clock: bool,
    /// Whether it tries the third payment again.
    pub(crate) retries: bool,
    /// The text of the last note.
    pub(crate) note: String,
    /// How many payments.
    pub(crate) payments: u32,
    pub(crate) closes: bool,
}

impl Default for Build {
    fn default() -> Build {
        Build {
            seed: 1,
            component: 0xaa,
            total: 4400,
            looks_at_clock: false,
            retries: false,
            note: "all paid".to_owned(),
            payments: 6,
            closes: true,
        }
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

impl Build {
    /// The chain of a run.
    pub(crate) fn run(&self) -> Vec<u8> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let about = About {
            recorder: "theater 0.1.0".to_owned(),
            name: "shop".to_owned(),
            component: Some(Hash([self.component; 32])),
            ..About::default()
        };
        let mut options = Options::default();
        options.policy.interval_ns = None;
        let seed = Seed::new([self.seed; 32]);
        let clock = Arc::new(|| NOW);
        let mut recorder = Recorder::create(log.clone(), about, options, seed, clock).unwrap();
        self.fill(&mut recorder);
        if self.closes {
            recorder.close(CloseReason::Completed, "").unwrap();
        } else {
            recorder.flush().unwrap();
            drop(recorder);
        }
        std::mem::take(&mut *log.lock().unwrap())
    }

    fn fill(&self, recorder: &mut Recorder) {
        let header = Type::Record(vec![
            ("name".to_owned(), Type::String),
            ("value".to_owned(), Type::String),
        ]);
        let header = recorder.type_id("shop:pay/api#header", &header).unwrap();
        let headers = Type::List(Box::new(Type::Named(header)));
        let params = [("total", Type::U32), ("id", Type::String), ("headers", headers)];
        let result = [Type::Result(Some(Box::new(Type::U64)), Some(Box::new(Type::String)))];
        let charge = recorder.function_id("shop:pay/api", "charge", &params, &result).unwrap();
        let now = "wasi:clocks/monotonic-clock@0.2.6";
        let now = recorder.function_id(now, "now", &[], &[Type::U64]).unwrap();
        let note =
            recorder.function_id("shop:log/log", "note", &[("text", Type::String)], &[]).unwrap();
        for payment in 0..self.payments {
            if self.looks_at_clock {
                recorder.append(&Event::ImportCall(call(now, &[]))).unwrap();
                let time = u64::from(payment) * 1000 + u64::from(self.seed);
                recorder.append(&Event::ImportReturn(returned(now, &[Value::U64(time)]))).unwrap();
            }
            let total = if payment == 1 { self.total } else { 100 * payment };
            let header = Value::Record(vec![text("agent"), text(&format!("shop/{total}"))]);
            let id = text(&format!("o-{payment}"));
            let args = [Value::U32(total), id, Value::List(vec![header])];
            for _ in 0..1 + u32::from(self.retries && payment == 2) {
                recorder.append(&Event::ImportCall(call(charge, &args))).unwrap();
                let paid = Value::Result(Ok(Some(Box::new(Value::U64(u64::from(payment))))));
                recorder.append(&Event::ImportReturn(returned(charge, &[paid]))).unwrap();
            }
        }
        recorder.append(&Event::ImportCall(call(note, &[text(&self.note)]))).unwrap();
        recorder.append(&Event::ImportReturn(returned(note, &[]))).unwrap();
    }
}
