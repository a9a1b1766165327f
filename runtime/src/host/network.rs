//! Which addresses a component may talk to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wasmtime_wasi::sockets::SocketAddrUse;

use super::decisions::{Decisions, Reason};
use super::grants::{NetGrant, NetHost};

/// What the grants say about sockets and name lookups.
pub(super) struct NetPolicy {
    grants: Vec<NetGrant>,
    /// What it must not reach, whatever is granted.
    closed: Option<SocketAddr>,
    /// The addresses that granted names are known to have.
    addresses: Mutex<BTreeMap<String, BTreeSet<IpAddr>>>,
    /// Whether the component waits for datagrams on a port that it was granted.
    serves_udp: AtomicBool,
    decisions: Decisions,
}

impl NetPolicy {
    pub(super) fn new(
        grants: Vec<NetGrant>,
        closed: Option<SocketAddr>,
        decisions: Decisions,
    ) -> NetPolicy {
        NetPolicy {
            grants,
            closed,
            addresses: Mutex::default(),
            serves_udp: AtomicBool::new(false),
            decisions,
        }
    }

    /// Decides about one use of an address, and notes the decision.
    pub(super) fn decide(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        let (verb, is_open) = match usage {
            // Any free port is only good for going out, which is decided when it happens.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind if address.port() == 0 => return true,
            SocketAddrUse::TcpBind => ("tcp bind", false),
            SocketAddrUse::TcpListen => ("tcp listen", false),
            // Whoever may listen may hear whoever calls.
            SocketAddrUse::TcpAccept => ("tcp accept", true),
            SocketAddrUse::TcpConnect => ("tcp connect", false),
            SocketAddrUse::UdpBind => ("udp bind", false),
            SocketAddrUse::UdpSend => ("udp send", false),
            SocketAddrUse::UdpReceive => ("udp receive", self.serves_udp.load(Ordering::Relaxed)),
        };
        if matches!(usage, SocketAddrUse::TcpConnect)
            && self.closed.is_some_and(|closed| reaches(address, closed))
        {
            let (reason, detail) = (Reason::NotGranted, format!("{verb}: {IS_CLOSED}"));
            self.decisions.note(reason.permission("network", address.to_string(), detail));
            return false;
        }
        let grant = self.grants.iter().find(|grant| self.covers(grant, address));
        let allowed = is_open || grant.is_some();
        if allowed && matches!(usage, SocketAddrUse::UdpBind) {
            self.serves_udp.store(true, Ordering::Relaxed);
        }
        let (reason, detail) = match grant {
            Some(grant) => (Reason::Granted, format!("{verb}, granted by --net {grant}")),
            None if allowed => (Reason::Granted, format!("{verb} on a port that was granted")),
            None => {
                (Reason::NotGranted, format!("{verb}, not granted; --net {address} would grant it"))
            }
        };
        self.decisions.note(reason.permission("network", address.to_string(), detail));
        allowed
    }

    /// Decides whether a name may be looked up, and notes the decision.
    pub(super) fn decide_lookup(&self, name: &str) -> bool {
        let covers = |grant: &&NetGrant| match &grant.host {
            NetHost::Any => true,
            NetHost::Name(granted) => granted.eq_ignore_ascii_case(name),
            NetHost::Range { .. } => false,
        };
        let (reason, detail) = match self.grants.iter().find(covers) {
            Some(grant) => (Reason::Granted, format!("granted by --net {grant}")),
            // The text of an address is turned into the address without asking anybody.
            None if name.parse::<IpAddr>().is_ok() => {
                (Reason::Granted, "an address, not a name".to_owned())
            }
            None => (Reason::NotGranted, format!("not granted; --net {name} would grant it")),
        };
        let decision = reason.permission("name-lookup", name, detail);
        let allowed = decision.allowed;
        self.decisions.note(decision);
        allowed
    }

    /// Remembers an address that the component was told a name has.
    pub(super) fn learn(&self, name: &str, address: IpAddr) {
        let mut addresses = self.addresses();
        addresses.entry(name.to_ascii_lowercase()).or_default().insert(address.to_canonical());
    }

    fn covers(&self, grant: &NetGrant, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        grant.port.is_none_or(|port| port == address.port())
            && match &grant.host {
                NetHost::Any => true,
                NetHost::Range { start, bits } => in_range(ip, start.to_canonical(), *bits),
                NetHost::Name(name) => self.has_address(name, ip),
            }
    }

    /// Whether a granted name has this address, as far as anybody knows.
    fn has_address(&self, name: &str, ip: IpAddr) -> bool {
        if let Some(known) = self.addresses().get(name).filter(|known| !known.is_empty()) {
            return known.contains(&ip);
        }
        // The component did not look the name up, so it is looked up for it, once.
        let found = (name, 0).to_socket_addrs().into_iter().flatten();
        found.for_each(|found| self.learn(name, found.ip()));
        self.addresses().get(name).is_some_and(|known| known.contains(&ip))
    }

    fn addresses(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<IpAddr>>> {
        // Adding an address leaves the map whole even if the thread dies in between.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an address is closed.
pub(crate) const IS_CLOSED: &str =
    "here is the server that manages all actors; no actor may reach it, unless it has a token";

/// Whether a connection to this address reaches a server that listens on a loopback address.
pub(crate) fn reaches(address: SocketAddr, server: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    // A connection to no address in particular goes to this machine.
    address.port() == server.port() && (ip.is_loopback() || ip.is_unspecified())
}

/// Whether the first bits of two addresses of the same family are equal.
fn in_range(ip: IpAddr, start: IpAddr, bits: u8) -> bool {
    let same = |difference: u128, width: u32| {
        difference.checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
    };
    match (ip, start) {
        (IpAddr::V4(ip), IpAddr::V4(start)) => {
            same(u128::from(ip.to_bits() ^ start.to_bits()), u32::BITS)
        }
        (IpAddr::V6(ip), IpAddr::V6(start)) => same(ip.to_bits() ^ start.to_bits(), u128::BITS),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
