//! An actor for tests of what an actor is given: the time, chance, the environment, files, programs. Each
//! line of a message says what to do, each line of the answer what came of it:
//!
//! | line | it |
//! |---|---|
//! | `now`, `sleep MS`, `deadline MS` | asks for the time, waits |
//! | `bytes N`, `range MIN MAX`, `float`, `uuid` | draws |
//! | `var NAME`, `vars`, `exists NAME` | looks at the environment |
//! | `read PATH`, `write PATH TEXT`, `list PATH`, `there PATH` | uses files |
//! | `delete PATH`, `mkdir PATH`, `rmdir PATH` | and folders |
//! | `run MODE PROGRAM ARGUMENT...` | starts a program, whose output comes as MODE says: `raw`, `lines`, `discard` or a size |
//! | `script MODE TEXT` | starts a shell with this script in the actor's folder |
//! | `stdin N TEXT`, `close N`, `status N`, `signal N S`, `kill N` | has to do with process N |
//! | `heard` | tells what it has heard of processes since the last time, one word each: `1:out:TEXT`, `1:err:TEXT`, `1:exit:END` |
//! | `spin` | computes for ever |
//!
//! and with nothing but WASI:
//!
//! | line | it |
//! |---|---|
//! | `nap MS`, `until-any MS`, `moment` | waits for a timer alone, or among others; asks what a clock shows |
//! | `accept ADDRESS`, `receive ADDRESS`, `fill ADDRESS` | waits for a client, for bytes, for room to write more |
//! | `input` | waits for a line of standard input |
//! | `chance N`, `any-chance N`, `chance-seed` | draws bytes, secure or not |
//!
//! In arguments and scripts, `~` stands for a space that does not end a word. The state is the number of
//! messages it has heard of processes, as text.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use exports::theater::simple::process_handlers::Guest as Processes;
use theater::simple::process::{OutputMode, ProcessConfig, ProcessStatus};
use theater::simple::{environment, filesystem, process, random, timing};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::io::poll;
use wasip2::random as wasi_random;

wit_bindgen::generate!({
    inline: "
        package guest:handyman;

        world handyman {
            include theater:simple/message-actor@0.1.0;
            import theater:simple/timing@0.1.0;
            import theater:simple/random@0.1.0;
            import theater:simple/environment@0.1.0;
            import theater:simple/filesystem@0.1.0;
            import theater:simple/process@0.1.0;
            export theater:simple/process-handlers@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:handyman/handyman",
    generate_all,
});

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Handyman;

type State = Option<Vec<u8>>;

impl Actor for Handyman {
    fn init(state: State, (_,): (String,)) -> Result<(State,), String> {
        Ok((Some(state.unwrap_or_else(|| b"0".to_vec())),))
    }
}

impl Client for Handyman {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        act(&message);
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let answer = act(&message);
        Ok((state, (Some(answer.into_bytes()),)))
    }

    fn handle_channel_open(
        state: State,
        (_, _): (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        Ok((state, (ChannelAccept { accepted: false, message: None },)))
    }

    fn handle_channel_message(state: State, (_, _): (String, Vec<u8>)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, (_,): (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Processes for Handyman {
    fn handle_stdout(state: State, (number, output): (u64, Vec<u8>)) -> Result<(State,), String> {
        Ok(heard(state, format!("{number}:out:{}", String::from_utf8_lossy(&output))))
    }

    fn handle_stderr(state: State, (number, output): (u64, Vec<u8>)) -> Result<(State,), String> {
        Ok(heard(state, format!("{number}:err:{}", String::from_utf8_lossy(&output))))
    }

    fn handle_exit(state: State, (number, end): (u64, ProcessStatus)) -> Result<(State,), String> {
        Ok(heard(state, format!("{number}:exit:{}", status_text(end))))
    }
}

fn heard(state: State, what: String) -> (State,) {
    HEARD.with_borrow_mut(|heard| heard.push(what));
    let text = String::from_utf8(state.unwrap_or_default()).unwrap_or_default();
    let count: u64 = text.parse().unwrap_or(0);
    (Some((count + 1).to_string().into_bytes()),)
}

/// Does what a message says, line by line.
fn act(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let done: Vec<String> = text.lines().map(|line| do_one(line).unwrap_or_else(error)).collect();
    done.join("\n")
}

fn error(error: String) -> String {
    format!("error: {error}")
}

fn do_one(line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (what, args) = words.split_first().ok_or("nothing to do")?;
    match *what {
        "now" | "sleep" | "deadline" => with_time(what, args),
        "bytes" | "range" | "float" | "uuid" => with_chance(what, args),
        "var" | "vars" | "exists" => Ok(with_environment(what, args)),
        "read" | "write" | "list" | "there" | "delete" | "mkdir" | "rmdir" => {
            with_files(what, args)
        }
        "run" | "script" => start(what, args).map(|number| number.to_string()),
        "stdin" | "close" | "status" | "signal" | "kill" => with_process(what, args),
        "nap" | "until-any" | "moment" => with_clocks(what, args),
        "accept" | "receive" | "fill" => {
            with_sockets(what, args).map_err(|error| error.to_string())
        }
        "input" => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map_err(|error| error.to_string())?;
            Ok(line)
        }
        "chance" | "any-chance" | "chance-seed" => with_wasi_chance(what, args),
        "heard" => Ok(HEARD.take().join(" ")),
        "spin" => {
            let mut number = 0_u64;
            loop {
                number = std::hint::black_box(number.wrapping_add(1));
            }
        }
        other => Err(format!("{other} is nothing to do")),
    }
}

fn number<T: std::str::FromStr>(args: &[&str], at: usize) -> Result<T, String> {
    args.get(at).and_then(|arg| arg.parse().ok()).ok_or_else(|| "a number is missing".to_owned())
}

fn with_time(what: &str, args: &[&str]) -> Result<String, String> {
    match what {
        "now" => return Ok(timing::now().to_string()),
        "sleep" => timing::sleep(number(args, 0)?)?,
        _ => timing::deadline(number(args, 0)?)?,
    }
    Ok("done".to_owned())
}

fn with_chance(what: &str, args: &[&str]) -> Result<String, String> {
    Ok(match what {
        "bytes" => {
            let bytes = random::random_bytes(number(args, 0)?)?;
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        "range" => random::random_range(number(args, 0)?, number(args, 1)?)?.to_string(),
        "float" => random::random_float()?.to_string(),
        _ => random::generate_uuid()?,
    })
}

fn with_clocks(what: &str, args: &[&str]) -> Result<String, String> {
    if what == "moment" {
        return Ok(format!("{} {}", wall_clock::now().seconds, monotonic_clock::now()));
    }
    let ns = number::<u64>(args, 0)? * 1_000_000;
    let timer = monotonic_clock::subscribe_duration(ns);
    match what {
        "nap" => timer.block(),
        _ => {
            let other = monotonic_clock::subscribe_duration(ns.saturating_mul(2));
            poll::poll(&[&other, &timer]);
        }
    }
    Ok("done".to_owned())
}

fn with_sockets(what: &str, args: &[&str]) -> std::io::Result<String> {
    let address = args.first().copied().unwrap_or_default();
    match what {
        "accept" => drop(TcpListener::bind(address)?.accept()?),
        "receive" => drop(TcpStream::connect(address)?.read(&mut [0])?),
        _ => {
            let mut stream = TcpStream::connect(address)?;
            loop {
                stream.write_all(&[0; 4096])?;
            }
        }
    }
    Ok("done".to_owned())
}

fn with_wasi_chance(what: &str, args: &[&str]) -> Result<String, String> {
    let bytes = match what {
        "chance" => wasi_random::random::get_random_bytes(number(args, 0)?),
        "any-chance" => wasi_random::insecure::get_insecure_random_bytes(number(args, 0)?),
        _ => wasi_random::insecure_seed::insecure_seed().0.to_le_bytes().to_vec(),
    };
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn with_environment(what: &str, args: &[&str]) -> String {
    let name = args.first().copied().unwrap_or_default();
    match what {
        "var" => environment::get_var(name).unwrap_or_else(|| "none".to_owned()),
        "exists" => environment::exists(name).to_string(),
        _ => {
            let vars = environment::list_vars();
            let texts: Vec<String> =
                vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
            texts.join(" ")
        }
    }
}

fn with_files(what: &str, args: &[&str]) -> Result<String, String> {
    let path = args.first().copied().unwrap_or_default();
    match what {
        "read" => {
            return Ok(String::from_utf8_lossy(&filesystem::read_file(path)?).into_owned());
        }
        "list" => return Ok(filesystem::list_files(path)?.join(" ")),
        "there" => return Ok(filesystem::path_exists(path)?.to_string()),
        "write" => filesystem::write_file(path, args[1..].join(" ").as_bytes())?,
        "delete" => filesystem::delete_file(path)?,
        "mkdir" => filesystem::create_dir(path)?,
        _ => filesystem::delete_dir(path)?,
    }
    Ok("done".to_owned())
}

fn start(what: &str, args: &[&str]) -> Result<u64, String> {
    let [mode, rest @ ..] = args else { return Err("a mode is missing".to_owned()) };
    let mode = match *mode {
        "discard" => OutputMode::Discard,
        "raw" => OutputMode::Raw,
        "lines" => OutputMode::LineByLine,
        size => OutputMode::Chunked(size.parse().map_err(|_| format!("{size} is no mode"))?),
    };
    let mut words = rest.iter().map(|word| word.replace('~', " "));
    let (program, args, cwd) = match what {
        "run" => (words.next().unwrap_or_default(), words.collect(), None),
        _ => {
            let script = words.collect::<Vec<_>>().join(" ");
            ("/bin/sh".to_owned(), vec!["-c".to_owned(), script], Some(".".to_owned()))
        }
    };
    process::os_spawn(&ProcessConfig {
        program,
        args,
        cwd,
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        buffer_size: 4096,
        stdout_mode: mode,
        stderr_mode: mode,
        execution_timeout: None,
    })
}

fn with_process(what: &str, args: &[&str]) -> Result<String, String> {
    let process = number(args, 0)?;
    match what {
        "stdin" => {
            let text = args[1..].join(" ") + "\n";
            return Ok(process::os_write_stdin(process, text.as_bytes())?.to_string());
        }
        "status" => return Ok(status_text(process::os_status(process)?)),
        "close" => process::os_close_stdin(process)?,
        "signal" => process::os_signal(process, number(args, 1)?)?,
        _ => process::os_kill(process)?,
    }
    Ok("done".to_owned())
}

fn status_text(status: ProcessStatus) -> String {
    match status {
        ProcessStatus::Running => "running".to_owned(),
        ProcessStatus::Exited(code) => format!("exited-{code}"),
        ProcessStatus::Signaled(signal) => format!("signaled-{signal}"),
        ProcessStatus::TimedOut => "timed-out".to_owned(),
    }
}

export!(Handyman);
