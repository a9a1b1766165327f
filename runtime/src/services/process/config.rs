//! What an actor asks for when it starts a program.

use std::time::Duration;

use theater_record::Value;

use super::cut::Cut;

/// How large the buffer for output can be.
const BUFFER_BYTES: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 20;

/// `process-config`.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) cwd: Option<String>,
    pub(super) env: Vec<(String, String)>,
    /// How much of each output may wait to be told.
    pub(super) buffer_bytes: usize,
    /// How output is told, unless it is thrown away.
    pub(super) stdout: Option<Cut>,
    pub(super) stderr: Option<Cut>,
    pub(super) timeout: Option<Duration>,
}

impl Config {
    /// Reads it from a value; `None` if that is something else.
    pub(super) fn read(value: Value) -> Option<Config> {
        let Value::Record(fields) = value else { return None };
        let fields = <[Value; 8]>::try_from(fields).ok()?;
        let [program, args, cwd, env, buffer, stdout, stderr, timeout] = fields;
        let Value::U32(buffer_bytes) = buffer else { return None };
        let timeout = match optional(timeout)? {
            Some(Value::U64(ms)) => Some(Duration::from_millis(ms)),
            Some(_) => return None,
            None => None,
        };
        Some(Config {
            program: text(program)?,
            args: list(args)?.into_iter().map(text).collect::<Option<_>>()?,
            cwd: match optional(cwd)? {
                Some(path) => Some(text(path)?),
                None => None,
            },
            env: list(env)?.into_iter().map(pair).collect::<Option<_>>()?,
            buffer_bytes: buffer_bytes as usize,
            stdout: output_mode(stdout)?,
            stderr: output_mode(stderr)?,
            timeout,
        })
    }

    /// Says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if !BUFFER_BYTES.contains(&self.buffer_bytes) {
            let (least, most) = (BUFFER_BYTES.start(), BUFFER_BYTES.end());
            let size = self.buffer_bytes;
            return Err(format!("a buffer has {least} to {most} bytes, not {size}"));
        }
        for cut in [self.stdout, self.stderr].into_iter().flatten() {
            if let Cut::Chunks(size) = cut
                && !(1..=self.buffer_bytes).contains(&size)
            {
                let most = self.buffer_bytes;
                return Err(format!("pieces have 1 to {most} bytes, not {size}"));
            }
        }
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err("an argument has a zero byte in it".to_owned());
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("{name:?} is no name of a variable"));
            }
            if value.contains('\0') {
                return Err(format!("the variable {name:?} has a zero byte in it"));
            }
        }
        Ok(())
    }

    /// A variable that has the system load code into the program that is not its own.
    pub(super) fn loads_code(&self) -> Option<&str> {
        let mut names = self.env.iter().map(|(name, _)| name.as_str());
        names.find(|name| name.starts_with("LD_") || name.starts_with("DYLD_"))
    }
}

/// `output-mode`; the outer `None` for something else.
fn output_mode(value: Value) -> Option<Option<Cut>> {
    let Value::Variant(case, payload) = value else { return None };
    Some(match (case, payload.map(|payload| *payload)) {
        (0, None) => None,
        (1, None) => Some(Cut::AsItComes),
        (2, None) => Some(Cut::Lines),
        (3, Some(Value::U32(size))) => Some(Cut::Chunks(size as usize)),
        _ => return None,
    })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::List(items) => Some(items),
        _ => None,
    }
}

fn optional(value: Value) -> Option<Option<Value>> {
    match value {
        Value::Option(held) => Some(held.map(|held| *held)),
        _ => None,
    }
}

fn pair(value: Value) -> Option<(String, String)> {
    let Value::Tuple(items) = value else { return None };
    let [name, value] = <[Value; 2]>::try_from(items).ok()?;
    Some((text(name)?, text(value)?))
}
