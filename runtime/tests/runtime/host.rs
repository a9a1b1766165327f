//! The real world, granted piece by piece: what was granted works, what was not is denied, and
//! either way it is said.

mod linker;

mod grants;

mod streams;

mod files;

mod network;

mod requests;

use theater_record::Permission;
use theater_runtime::host::{Grants, Host, HostView};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// The least that can be a store's data.
struct Data(Host);

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.0.wasi()
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.0.http()
    }
}

impl HostView for Data {
    fn host(&mut self) -> &mut Host {
        &mut self.0
    }
}

fn data(grants: Grants) -> Data {
    Data(Host::new(grants).expect("everything that is granted can be opened"))
}

/// A decision in one line: `+` or `-`, the reason's number, capability, subject, detail.
fn line(decision: &Permission) -> String {
    let sign = if decision.allowed { '+' } else { '-' };
    let Permission { capability, subject, reason, detail, .. } = decision;
    format!("{sign}{reason} {capability} {subject}: {detail}")
}

fn decisions(data: &mut Data) -> Vec<String> {
    data.0.take_decisions().iter().map(line).collect()
}
