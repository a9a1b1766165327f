//! `wasi:sockets/ip-name-lookup`, with a check before it.
//!
//! The lookups themselves are those of `wasmtime-wasi`. Each is let through only if its name was
//! granted, and the addresses it finds are remembered as those of that name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, Network,
};
use wasmtime_wasi::p2::{DynPollable, IoError, SocketError, SocketResult};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::network::NetPolicy;

/// Says what the functions of the interface work on.
pub(super) struct NameLookup;

impl HasData for NameLookup {
    type Data<'a> = NameLookupView<'a>;
}

/// What the functions of the interface work on.
pub(super) struct NameLookupView<'a> {
    pub(super) sockets: WasiSocketsCtxView<'a>,
    pub(super) policy: &'a NetPolicy,
    pub(super) lookups: &'a mut BTreeMap<u32, String>,
}

impl Host for NameLookupView<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        if !self.policy.decide_lookup(&name) {
            return Err(ErrorCode::AccessDenied.into());
        }
        let stream = self.sockets.resolve_addresses(network, name.clone())?;
        self.lookups.insert(stream.rep(), name);
        Ok(stream)
    }
}

impl HostResolveAddressStream for NameLookupView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        let name = self.lookups.get(&stream.rep());
        let address = self.sockets.resolve_next_address(stream)?;
        if let (Some(name), Some(address)) = (name, address) {
            self.policy.learn(name, ip(address));
        }
        Ok(address)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.sockets.subscribe(stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.lookups.remove(&stream.rep());
        HostResolveAddressStream::drop(&mut self.sockets, stream)
    }
}

/// The errors of lookups are those of this interface, which is why it must be here too.
impl network::Host for NameLookupView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.sockets.convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<IoError>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.sockets.network_error_code(error)
    }
}

impl HostNetwork for NameLookupView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        HostNetwork::drop(&mut self.sockets, network)
    }
}

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::host::{Grants, Host as World};

    /// Looks a name up and returns all its addresses.
    fn look_up(world: &mut World, name: &str) -> Result<Vec<IpAddr>, ErrorCode> {
        let code = |error: SocketError| error.downcast().expect("no trap");
        let network = {
            use wasmtime_wasi::p2::bindings::sockets::instance_network::Host as _;
            world.names().sockets.instance_network().expect("there is room in the table")
        };
        let mut names = world.names();
        let stream = names.resolve_addresses(network, name.to_owned()).map_err(code)?;
        let mut found = Vec::new();
        loop {
            let again = Resource::new_borrow(stream.rep());
            match names.resolve_next_address(again).map_err(code) {
                Ok(Some(address)) => found.push(ip(address)),
                Ok(None) => break,
                Err(ErrorCode::WouldBlock) => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(error),
            }
        }
        HostResolveAddressStream::drop(&mut names, stream).expect("it is still there");
        assert!(world.lookups.is_empty());
        Ok(found)
    }

    fn world(net: &[&str]) -> World {
        let net = net.iter().map(|text| text.parse().expect("a grant")).collect();
        World::new(Grants { net, ..Grants::default() }).expect("there is nothing to open")
    }

    #[test]
    fn granted_names_can_be_looked_up_and_their_addresses_used() {
        let mut world = world(&["LOCALHOST:80"]);
        let found = look_up(&mut world, "localhost").expect("it is granted");
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
        assert!(world.network.decide((found[0], 80).into(), tcp_connect()));
        assert!(!world.network.decide((found[0], 81).into(), tcp_connect()));
    }

    fn tcp_connect() -> wasmtime_wasi::sockets::SocketAddrUse {
        wasmtime_wasi::sockets::SocketAddrUse::TcpConnect
    }

    #[test]
    fn other_names_are_denied_without_asking_anybody() {
        for grants in [vec![], vec!["example.com"], vec!["0.0.0.0/0"]] {
            let mut world = world(&grants);
            assert_eq!(look_up(&mut world, "localhost"), Err(ErrorCode::AccessDenied));
            let decisions = world.take_decisions();
            assert_eq!(decisions.len(), 1);
            assert_eq!(decisions[0].capability, "name-lookup");
            assert_eq!(decisions[0].subject, "localhost");
            assert!(!decisions[0].allowed && decisions[0].reason == 1);
            assert_eq!(decisions[0].detail, "not granted; --net localhost would grant it");
        }
    }

    #[test]
    fn any_name_is_granted_by_all_hosts_and_addresses_are_no_names() {
        assert!(look_up(&mut world(&["*"]), "localhost").is_ok());
        let literal = look_up(&mut world(&[]), "127.0.0.1");
        assert_eq!(literal, Ok(vec![IpAddr::from([127, 0, 0, 1])]));
    }
}
