//! A server that is killed while much is going on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use theater_verify::Verdict;

use super::{SOON, Served};

const ACTORS: usize = 4;
const CLIENTS_EACH: usize = 3;

/// Sends a message. Whether it was acknowledged.
fn send(address: &str, id: &str, message: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    let head = format!(
        "POST /v1/actors/{id}/messages HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        message.len()
    );
    stream.write_all(format!("{head}{message}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2')))
}

#[test]
fn what_was_acknowledged_before_a_kill_is_in_a_chain() {
    let mut served = Served::new();
    let ids: Vec<String> = (0..ACTORS).map(|_| served.start("messenger")).collect();
    let acknowledged: Vec<AtomicU64> = ids.iter().map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for (id, acknowledged) in ids.iter().zip(&acknowledged) {
            for _ in 0..CLIENTS_EACH {
                let address = &served.address;
                scope.spawn(move || {
                    // It goes on until there is no server any more.
                    while let Ok(true) = send(address, id, "hello") {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        }
        let start = Instant::now();
        let is_busy = || acknowledged.iter().all(|count| count.load(Ordering::SeqCst) > 0);
        while !is_busy() || start.elapsed() < Duration::from_millis(700) {
            assert!(start.elapsed() < SOON, "nothing is acknowledged");
            std::thread::sleep(Duration::from_millis(10));
        }
        served.signal(Signal::KILL);
    });
    served.ended();
    served.go_on();
    for (id, acknowledged) in ids.iter().zip(&acknowledged) {
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        assert!(acknowledged > 0);
        let count = served.said(&["message", id, "count", "-r"]);
        let count: u64 = count.trim().parse().expect("it is a number");
        // The question counts as well; what was not acknowledged may be in the chain or not.
        let most = acknowledged + 1 + CLIENTS_EACH as u64;
        assert!((acknowledged + 1..=most).contains(&count), "{count} of {acknowledged}");
        served.said(&["stop", id]);
        let report = served.scene.verify(&format!("chains/{id}.chain.cbor"));
        assert_eq!(report.verdict(), Verdict::Complete, "{report:?}");
    }
}
