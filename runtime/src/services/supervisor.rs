//! `theater:simple/supervisor`: actors that start others and look after them.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use theater_record::Value;

use super::{Served, address, chain, decision, done, given, unknown};
use crate::actor::EndedBy;
use crate::actor_id::ActorId;
use crate::blueprint::{BlueprintError, Source};
use crate::end::bytes_or_none;
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest::real_path;
use crate::system::{SpawnError, System};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct Supervisor {
    served: Served,
    /// The children that the actor has asked for and was told of.
    known: BTreeSet<ActorId>,
}

impl Service for Supervisor {
    fn call(&mut self, mut call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let args = std::mem::take(&mut call.args);
        let outcome = match (call.function, args.as_slice()) {
            ("spawn-child", [Value::String(manifest)]) => {
                given(self.spawn(manifest, None, &mut call))
            }
            ("spawn", [Value::String(manifest), Value::Option(state)]) => {
                let state = match state.as_deref() {
                    Some(Value::Bytes(state)) => Some(state.clone()),
                    _ => None,
                };
                given(self.spawn(manifest, state, &mut call))
            }
            ("list-children", []) => Value::List(match self.served.system.get() {
                Ok(system) => system.children(self.served.id).iter().map(id_value).collect(),
                Err(_) => Vec::new(),
            }),
            ("get-child-events", [Value::String(child), Value::U64(first), Value::U32(count)]) => {
                given(self.child(child).and_then(|(system, id)| {
                    chain::events(&chain::view(&system, id)?, *first, *count)
                }))
            }
            (function, [Value::String(child)]) => match self.with_child(function, child) {
                Some(outcome) => outcome,
                None => return Err(unknown("supervisor", function)),
            },
            (function, _) => return Err(unknown("supervisor", function)),
        };
        Ok(vec![outcome])
    }

    fn remember(&mut self, function: &str, _args: &[Value], results: &[Value]) {
        if let ("spawn" | "spawn-child", [Value::Result(Ok(Some(given)))]) = (function, results)
            && let Value::String(id) = &**given
            && let Ok(id) = address(id)
        {
            self.known.insert(id);
        }
    }
}

impl Supervisor {
    pub(super) fn new(served: Served) -> Supervisor {
        Supervisor { served, known: BTreeSet::new() }
    }

    /// What a function answers that is about one child. `None` if there is no such function.
    fn with_child(&self, function: &str, child: &str) -> Option<Value> {
        let child = self.child(child);
        let with = |act: fn(&System, ActorId) -> Result<(), String>| {
            done(child.as_ref().map_err(Clone::clone).and_then(|(system, id)| act(system, *id)))
        };
        let known = |act: fn(&System, ActorId) -> Result<Value, String>| {
            given(child.as_ref().map_err(Clone::clone).and_then(|(system, id)| act(system, *id)))
        };
        Some(match function {
            "get-child-status" => known(|system, id| {
                let listed = system.listed(id).map_err(|error| error.to_string())?;
                Ok(Value::Enum(listed.status as u32))
            }),
            "get-child-state" => known(|system, id| {
                system.state(id).map(bytes_or_none).map_err(|error| error.to_string())
            }),
            "get-child-head" => known(|system, id| {
                let head = chain::view(system, id)?.head();
                head.map(chain::head).map_err(|error| chain::complaint(&error))
            }),
            "stop-child" => with(|system, id| {
                let stopped = system.stop_as(id, system.grace(id), EndedBy::Parent);
                stopped.map(drop).map_err(|error| error.to_string())
            }),
            "kill-child" => with(System::kill_child),
            "restart-child" => with(|system, id| system.restart(id).map_err(|error| told(&error))),
            "resume-child" => with(|system, id| system.resume(id).map_err(|error| told(&error))),
            "forget-child" => with(System::forget_child),
            _ => return None,
        })
    }

    fn child(&self, child: &str) -> Result<(System, ActorId), String> {
        let (system, id) = (self.served.system.get()?, address(child)?);
        match system.children(self.served.id).contains(&id) {
            true => Ok((system, id)),
            false => Err(format!("{id} is not a child of this actor")),
        }
    }

    fn spawn(
        &mut self,
        manifest: &str,
        state: Option<Vec<u8>>,
        call: &mut ServiceCall<'_>,
    ) -> Result<Value, String> {
        let system = self.served.system.get()?;
        let mut refuse = |name: &str, detail: &str| {
            call.decisions.push(decision(Reason::NotGranted, "supervisor", name, detail));
        };
        let source = self.source(manifest).inspect_err(|error| refuse(manifest, error))?;
        let spec = system.read(&source, state, Some(self.served.id)).map_err(|error| {
            if let SpawnError::Blueprint(BlueprintError::Widening { name, source }) = &error {
                refuse(name, &source.to_string());
            }
            told(&error)
        })?;
        let name = spec.name.clone();
        let lost = system.lost_child(self.served.id, &self.known);
        let spawned = lost.map_or_else(|| system.spawn_child(spec, self.served.id), Ok);
        let spawned = spawned.map_err(|error| {
            let told = told(&error);
            if matches!(error, SpawnError::TooMany { .. } | SpawnError::TooDeep) {
                refuse(&name, &told);
            }
            told
        });
        if let Ok(child) = spawned {
            self.known.insert(child);
            call.decisions.push(decision(Reason::Granted, "supervisor", &name, ""));
        }
        spawned.map(|id| id_value(&id))
    }

    /// Where a manifest comes from that is given as a path, as a digest, or as itself.
    fn source(&self, manifest: &str) -> Result<Source, String> {
        let base_dir = self.served.base_dir.clone();
        if let Some(name) = manifest.strip_prefix("store:") {
            return Ok(Source::Stored { name: name.to_owned(), base_dir });
        }
        if manifest.contains('\n') || manifest.contains('=') {
            return Ok(Source::Text { text: manifest.to_owned(), base_dir });
        }
        let is_inside =
            |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        let file = base_dir.join(manifest);
        let is_below = || real_path(&file).starts_with(real_path(&base_dir));
        if !Path::new(manifest).components().all(is_inside) || !is_below() {
            return Err(format!("the manifest {manifest} is not below the folder of this actor"));
        }
        Ok(Source::File(file))
    }
}

fn id_value(id: &ActorId) -> Value {
    Value::String(id.to_string())
}

/// An error with all its causes, for the component.
fn told(error: &SpawnError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
