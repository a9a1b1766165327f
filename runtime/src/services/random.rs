//! `theater:simple/random`: bytes and numbers that nobody can guess, or that a seed decides.

use blake3::{Hasher, OutputReader};
use theater_record::{Permission, Value};

use super::{Served, decision, given, unknown};
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest::RandomHandler;
use crate::trap::Failure;

/// How many bytes there are at a time if the manifest does not say.
const BYTES_MAX: u64 = 1 << 20;

/// The service for one instance of an actor.
///
/// All that is drawn comes out of BLAKE3's endless output for a key. With a seed, that is one output for
/// all calls of an instance, so each instance draws the same as the one before; without one, every
/// call has a key of its own from the system.
pub(super) struct Random {
    served: Served,
    seeded: Option<OutputReader>,
    bytes_max: u64,
}

impl Random {
    pub(super) fn new(served: &Served, given: &RandomHandler) -> Random {
        let seeded = given.seed.map(|seed| endless(&seed.to_le_bytes()));
        let bytes_max = given.restriction.max_bytes.unwrap_or(BYTES_MAX);
        Random { served: served.clone(), seeded, bytes_max }
    }

    fn draw(
        &mut self,
        draw: impl FnOnce(&mut OutputReader) -> Result<Value, String>,
    ) -> Result<Value, String> {
        if let Some(seeded) = &mut self.seeded {
            return draw(seeded);
        }
        draw(&mut endless(&self.served.system.get()?.random()))
    }

    fn bytes(&mut self, size: u32, decisions: &mut Vec<Permission>) -> Result<Value, String> {
        let subject = format!("{size} bytes");
        if u64::from(size) > self.bytes_max {
            let max = format!("there are at most {} at a time", self.bytes_max);
            decisions.push(decision(Reason::NotGranted, "random", &subject, &max));
            return Err(format!("{subject} are not allowed: {max}"));
        }
        decisions.push(decision(Reason::Granted, "random", &subject, ""));
        self.draw(|output| {
            let mut bytes = vec![0; size as usize];
            output.fill(&mut bytes);
            Ok(Value::Bytes(bytes))
        })
    }
}

impl Service for Random {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let drawn = match (call.function, &call.args[..]) {
            ("random-bytes", [Value::U32(size)]) => self.bytes(*size, call.decisions),
            ("random-range", [Value::U64(min), Value::U64(max)]) => {
                self.draw(|output| within(output, *min, *max).map(Value::U64))
            }
            ("random-float", []) => self.draw(|output| Ok(Value::F64(fraction(output).to_bits()))),
            ("generate-uuid", []) => self.draw(|output| Ok(Value::String(uuid(output)))),
            (function, _) => return Err(unknown("random", function)),
        };
        Ok(vec![given(drawn)])
    }
}

fn endless(key: &[u8]) -> OutputReader {
    let mut hasher = Hasher::new_derive_key("theater v1 actor random");
    hasher.update(key);
    hasher.finalize_xof()
}

fn number(output: &mut OutputReader) -> u64 {
    let mut bytes = [0; 8];
    output.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn within(output: &mut OutputReader, min: u64, max: u64) -> Result<u64, String> {
    let span = max.saturating_sub(min);
    if span == 0 {
        return Err(format!("there is no number from {min} up to but not including {max}"));
    }
    // What is above the last multiple would make small numbers likelier than others.
    let last_multiple = u64::MAX - u64::MAX % span;
    loop {
        let drawn = number(output);
        if drawn < last_multiple {
            return Ok(min + drawn % span);
        }
    }
}

fn fraction(output: &mut OutputReader) -> f64 {
    // As many bits as a float is exact with.
    (number(output) >> 11) as f64 / (1_u64 << 53) as f64
}

fn uuid(output: &mut OutputReader) -> String {
    let (high, low) = (number(output), number(output));
    let version_4 = high & !0xf000 | 0x4000;
    let variant_1 = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        version_4 >> 32,
        version_4 >> 16 & 0xffff,
        version_4 & 0xffff,
        variant_1 >> 48,
        variant_1 & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use theater_record::Value;

    use super::Random;
    use crate::manifest::{self, RandomHandler};
    use crate::services::trial::{Trial, fails, gives};

    fn random(trial: &Trial, seed: Option<u64>, max_bytes: Option<u64>) -> Random {
        let restriction = manifest::Random { max_bytes };
        Random::new(&trial.served, &RandomHandler { seed, restriction })
    }

    fn all(trial: &mut Trial, random: &mut Random) -> Vec<Value> {
        let range = vec![Value::U64(5), Value::U64(50)];
        vec![
            gives(trial.call(random, "random-bytes", vec![Value::U32(9)])),
            gives(trial.call(random, "random-range", range)),
            gives(trial.call(random, "random-float", vec![])),
            gives(trial.call(random, "generate-uuid", vec![])),
        ]
    }

    /// What a seed means is fixed for ever: chains were recorded with it.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut trial = Trial::new();
        let mut one = random(&trial, Some(7), None);
        let drawn = all(&mut trial, &mut one);
        let mut again = random(&trial, Some(7), None);
        assert_eq!(all(&mut trial, &mut again), drawn);
        assert_ne!(all(&mut trial, &mut again), drawn, "an instance does not repeat itself");
        let mut other = random(&trial, Some(8), None);
        assert_ne!(all(&mut trial, &mut other), drawn);
        expect![[r#"[Bytes([219, 240, 52, 45, 2, 119, 21, 62, 164]), U64(19), F64(4605824740615777091), String("7e54b691-fbf0-4229-a621-05e9fe000db6")]"#]].assert_eq(&format!("{drawn:?}"));
    }

    #[test]
    fn without_a_seed_each_call_has_new_bytes_from_the_system() {
        let mut trial = Trial::new();
        let mut random = random(&trial, None, None);
        let drawn = all(&mut trial, &mut random);
        assert_ne!(all(&mut trial, &mut random), drawn);
    }

    #[test]
    fn every_number_of_a_range_comes_and_no_other() {
        let mut trial = Trial::new();
        let mut random = random(&trial, Some(1), None);
        let mut counts = [0_u32; 6];
        for _ in 0..6000 {
            let args = vec![Value::U64(10), Value::U64(16)];
            let Value::U64(drawn) = gives(trial.call(&mut random, "random-range", args)) else {
                panic!()
            };
            counts[drawn as usize - 10] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        let most = |min, max| vec![Value::U64(min), Value::U64(max)];
        let drawn = gives(trial.call(&mut random, "random-range", most(u64::MAX - 1, u64::MAX)));
        assert_eq!(drawn, Value::U64(u64::MAX - 1));
        for _ in 0..100 {
            // More than half of all numbers are no good for this.
            let drawn = gives(trial.call(&mut random, "random-range", most(0, u64::MAX / 2 + 2)));
            assert!(matches!(drawn, Value::U64(drawn) if drawn <= u64::MAX / 2 + 1));
        }
        for (min, max) in [(5, 5), (6, 5), (u64::MAX, 0)] {
            let error = format!("there is no number from {min} up to but not including {max}");
            fails(trial.call(&mut random, "random-range", most(min, max)), &error);
        }
    }

    #[test]
    fn floats_are_below_one_and_multiples_of_what_they_should_be() {
        let mut trial = Trial::new();
        let mut random = random(&trial, Some(1), None);
        let mut sum = 0.0;
        for _ in 0..1000 {
            let Value::F64(bits) = gives(trial.call(&mut random, "random-float", vec![])) else {
                panic!()
            };
            let float = f64::from_bits(bits);
            assert!((0.0..1.0).contains(&float));
            assert_eq!((float * (1_u64 << 53) as f64).fract(), 0.0);
            sum += float;
        }
        assert!((450.0..550.0).contains(&sum), "{sum}");
    }

    #[test]
    fn uuids_say_their_version_and_variant() {
        let mut trial = Trial::new();
        let mut random = random(&trial, None, None);
        for _ in 0..100 {
            let Value::String(uuid) = gives(trial.call(&mut random, "generate-uuid", vec![]))
            else {
                panic!()
            };
            let parts: Vec<&str> = uuid.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']));
        }
    }

    #[test]
    fn more_bytes_than_allowed_are_refused() {
        let mut trial = Trial::new();
        let mut few = random(&trial, None, Some(16));
        fails(
            trial.call(&mut few, "random-bytes", vec![Value::U32(17)]),
            "17 bytes are not allowed: there are at most 16 at a time",
        );
        assert_eq!(trial.decided(), ["not-granted 17 bytes: there are at most 16 at a time"]);
        let sixteen = gives(trial.call(&mut few, "random-bytes", vec![Value::U32(16)]));
        assert!(matches!(sixteen, Value::Bytes(bytes) if bytes.len() == 16));
        assert_eq!(trial.decided(), ["granted 16 bytes"]);
        let mut silent = random(&trial, None, None);
        for (size, is_well) in [(0, true), (1 << 20, true), ((1 << 20) + 1, false)] {
            let drawn = trial.call(&mut silent, "random-bytes", vec![Value::U32(size)]);
            assert_eq!(matches!(drawn, Value::Result(Ok(_))), is_well, "{size}");
        }
    }
}
