//! `theater:simple/timing`: the time, and waiting for it.

use std::time::Duration;

use theater_record::{Permission, TrapCode, Value};

use super::{Served, decision, done, unknown};
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest;
use crate::trap::Failure;

/// How long an actor may sleep if its manifest does not say.
const SLEEP_NS_MAX: u64 = 3_600_000_000_000;

const MS_NS: u64 = 1_000_000;

/// The service for one actor.
pub(super) struct Timing {
    served: Served,
    sleep_ns_max: u64,
}

impl Timing {
    pub(super) fn new(served: &Served, given: &manifest::Timing) -> Timing {
        let sleep_ns_max = given.max_sleep_ns.unwrap_or(SLEEP_NS_MAX);
        Timing { served: served.clone(), sleep_ns_max }
    }

    fn now_ns(&self) -> Result<u64, Failure> {
        let system = self.served.system.get();
        let system = system.map_err(|detail| Failure { code: TrapCode::HostError, detail })?;
        Ok(system.now())
    }

    /// Waits, unless that is longer than allowed or the actor is killed meanwhile.
    fn sleep(&self, time_ns: u64, decisions: &mut Vec<Permission>) -> Result<Value, Failure> {
        let subject = format!("{} ms", time_ns.div_ceil(MS_NS));
        if time_ns > self.sleep_ns_max {
            let max = format!("the longest wait is {} ms", self.sleep_ns_max / MS_NS);
            decisions.push(decision(Reason::NotGranted, "timing", &subject, &max));
            return Ok(done(Err(format!("waiting for {subject} is not allowed: {max}"))));
        }
        decisions.push(decision(Reason::Granted, "timing", &subject, ""));
        let edge = self.served.system.get().and_then(|system| {
            system.edge().map_err(|_| "the system gives no threads to wait with".to_owned())
        });
        let edge = match edge {
            Ok(edge) => edge,
            Err(error) => return Ok(done(Err(error))),
        };
        let time = Duration::from_nanos(time_ns);
        // The timer has to be made where it is to run.
        let waited = async move { tokio::time::sleep(time).await };
        self.served.shared.interrupt.wait(&edge, waited)?;
        Ok(done(Ok(())))
    }
}

impl Service for Timing {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let answer = match (call.function, &call.args[..]) {
            ("now", []) => Value::U64(self.now_ns()? / MS_NS),
            ("sleep", [Value::U64(ms)]) => self.sleep(ms.saturating_mul(MS_NS), call.decisions)?,
            ("deadline", [Value::U64(ms)]) => {
                let left = ms.saturating_mul(MS_NS).saturating_sub(self.now_ns()?);
                self.sleep(left, call.decisions)?
            }
            (function, _) => return Err(unknown("timing", function)),
        };
        Ok(vec![answer])
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use theater_record::{TrapCode, Value};

    use super::{SLEEP_NS_MAX, Timing};
    use crate::manifest;
    use crate::services::trial::{NOW_MS, Trial, fails};

    fn timing(trial: &Trial, max_sleep_ns: Option<u64>) -> Timing {
        Timing::new(&trial.served, &manifest::Timing { max_sleep_ns })
    }

    #[test]
    fn the_time_is_the_systems_in_milliseconds() {
        let mut trial = Trial::new();
        let mut timing = timing(&trial, None);
        assert_eq!(trial.call(&mut timing, "now", vec![]), Value::U64(NOW_MS));
        assert_eq!(trial.decided(), [""; 0]);
    }

    #[test]
    fn a_sleep_takes_its_time_and_what_has_passed_is_not_waited_for() {
        let mut trial = Trial::new();
        let mut timing = timing(&trial, None);
        let start = Instant::now();
        let well = Value::Result(Ok(None));
        assert_eq!(trial.call(&mut timing, "sleep", vec![Value::U64(30)]), well);
        assert_eq!(trial.call(&mut timing, "deadline", vec![Value::U64(NOW_MS + 20)]), well);
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert_eq!(trial.call(&mut timing, "deadline", vec![Value::U64(NOW_MS)]), well);
        assert_eq!(trial.call(&mut timing, "deadline", vec![Value::U64(0)]), well);
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(
            trial.decided(),
            ["granted 30 ms", "granted 20 ms", "granted 0 ms", "granted 0 ms"]
        );
    }

    #[test]
    fn longer_than_allowed_is_refused_at_once() {
        let mut trial = Trial::new();
        let mut short = timing(&trial, Some(5_000_000));
        let error = "waiting for 6 ms is not allowed: the longest wait is 5 ms";
        for (function, ms) in [("sleep", 6), ("deadline", NOW_MS + 6)] {
            fails(trial.call(&mut short, function, vec![Value::U64(ms)]), error);
            assert_eq!(trial.decided(), ["not-granted 6 ms: the longest wait is 5 ms"]);
        }
        let mut silent = timing(&trial, None);
        for ms in [SLEEP_NS_MAX / 1_000_000 + 1, u64::MAX] {
            let Value::Result(Err(_)) = trial.call(&mut silent, "sleep", vec![Value::U64(ms)])
            else {
                panic!("{ms}")
            };
        }
    }

    #[test]
    fn who_sleeps_can_be_killed() {
        let mut trial = Trial::new();
        let mut timing = timing(&trial, None);
        let shared = trial.served.shared.clone();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            shared.interrupt.raise();
        });
        let slept = trial.try_call(&mut timing, "sleep", vec![Value::U64(3_000_000)]);
        assert_eq!(slept.unwrap_err().code, TrapCode::Killed);
        killer.join().unwrap();
    }

    #[test]
    fn a_function_of_other_types_traps() {
        let mut trial = Trial::new();
        let mut timing = timing(&trial, None);
        for (function, args) in [("now", vec![Value::U64(1)]), ("nap", vec![])] {
            let failure = trial.try_call(&mut timing, function, args).unwrap_err();
            assert_eq!(failure.code, TrapCode::HostError);
        }
    }
}
