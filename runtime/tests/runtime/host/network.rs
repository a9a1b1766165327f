//! Sockets, against real servers on the loopback.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use theater_runtime::host::Grants;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::sockets::instance_network::Host as _;
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sync::io::streams::HostInputStream;
use wasmtime_wasi::p2::bindings::sync::sockets::tcp::HostTcpSocket;
use wasmtime_wasi::p2::bindings::sync::sockets::udp::{
    HostOutgoingDatagramStream, HostUdpSocket, OutgoingDatagram,
};
use wasmtime_wasi::p2::bindings::sync::sockets::udp_create_socket::Host as _;
use wasmtime_wasi::p2::{SocketError, TcpSocket};
use wasmtime_wasi::sockets::WasiSocketsView;

use super::{Data, data, decisions};

fn granted(net: &[&str]) -> Data {
    let net = net.iter().map(|text| text.parse().expect("a grant")).collect();
    data(Grants { net, ..Grants::default() })
}

fn address(port: u16) -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress { address: (127, 0, 0, 1), port })
}

fn code(error: SocketError) -> ErrorCode {
    error.downcast().unwrap_or_else(|trap| panic!("{trap}"))
}

fn network(data: &mut Data) -> Resource<Network> {
    data.sockets().instance_network().expect("there is room in the table")
}

fn tcp_socket(data: &mut Data) -> Resource<TcpSocket> {
    data.sockets().create_tcp_socket(IpAddressFamily::Ipv4).expect("sockets can always be made")
}

fn again<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

/// Connects and reads once.
fn fetch(data: &mut Data, port: u16) -> Result<Vec<u8>, ErrorCode> {
    let (socket, network) = (tcp_socket(data), network(data));
    let mut sockets = data.sockets();
    HostTcpSocket::start_connect(&mut sockets, again(&socket), network, address(port))
        .map_err(code)?;
    let input = loop {
        match HostTcpSocket::finish_connect(&mut sockets, again(&socket)).map_err(code) {
            Ok((input, _)) => break input,
            Err(ErrorCode::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error),
        }
    };
    let bytes = HostInputStream::blocking_read(data.ctx().table, input, 100);
    Ok(bytes.unwrap_or_else(|error| panic!("{error}")))
}

/// A server that greets whoever connects, once.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || listener.accept().map(|(mut stream, _)| stream.write_all(b"hello")));
    port
}

#[test]
fn a_granted_address_can_be_talked_to() {
    let port = greeter();
    let grant = format!("127.0.0.1:{port}");
    let mut data = granted(&["10.0.0.1", &grant]);
    assert_eq!(fetch(&mut data, port).unwrap(), b"hello");
    assert_eq!(
        decisions(&mut data),
        [format!("+0 network {grant}: tcp connect, granted by --net {grant}")]
    );
}

#[test]
fn any_other_address_is_denied_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for grants in [vec![], vec!["10.0.0.0/8"], vec!["127.0.0.1:1"], vec!["example.invalid"]] {
        let mut data = granted(&grants);
        assert_eq!(fetch(&mut data, port).unwrap_err(), ErrorCode::AccessDenied, "{grants:?}");
        assert_eq!(
            decisions(&mut data),
            [format!(
                "-1 network 127.0.0.1:{port}: tcp connect, not granted; \
             --net 127.0.0.1:{port} would grant it"
            )]
        );
    }
    assert!(listener.accept().is_err(), "nobody connected");
}

#[test]
fn ranges_names_and_all_hosts_cover_addresses() {
    for grant in ["127.0.0.0/8", "0.0.0.0/0", "localhost", "*"] {
        let mut data = granted(&[grant]);
        assert_eq!(fetch(&mut data, greeter()).unwrap(), b"hello", "{grant}");
        let with_port = greeter();
        let mut data = granted(&[&format!("{grant}:{with_port}")]);
        assert_eq!(fetch(&mut data, with_port).unwrap(), b"hello", "{grant}");
        let mut data = granted(&[&format!("{grant}:1")]);
        assert_eq!(fetch(&mut data, with_port).unwrap_err(), ErrorCode::AccessDenied, "{grant}");
    }
}

#[test]
fn listening_takes_a_grant_and_accepting_follows_from_it() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = |data: &mut Data, port| -> Result<Resource<TcpSocket>, ErrorCode> {
        let (socket, network) = (tcp_socket(data), network(data));
        let mut sockets = data.sockets();
        HostTcpSocket::start_bind(&mut sockets, again(&socket), network, address(port))
            .map_err(code)?;
        HostTcpSocket::finish_bind(&mut sockets, again(&socket)).map_err(code)?;
        HostTcpSocket::start_listen(&mut sockets, again(&socket)).map_err(code)?;
        HostTcpSocket::finish_listen(&mut sockets, again(&socket)).map_err(code)?;
        Ok(socket)
    };
    let mut closed = granted(&[]);
    assert_eq!(listen(&mut closed, free).unwrap_err(), ErrorCode::AccessDenied);
    assert_eq!(listen(&mut closed, 0).unwrap_err(), ErrorCode::AccessDenied);
    let denied = decisions(&mut closed);
    assert!(denied[0].starts_with(&format!("-1 network 127.0.0.1:{free}: tcp bind, not")));
    assert!(denied[1].contains(": tcp listen, not granted"), "{denied:?}");

    let mut open = granted(&[&format!("127.0.0.1:{free}")]);
    let socket = listen(&mut open, free).unwrap();
    let client = TcpStream::connect(("127.0.0.1", free)).unwrap();
    let accepted = loop {
        match HostTcpSocket::accept(&mut open.sockets(), again(&socket)).map_err(code) {
            Ok((accepted, ..)) => break accepted,
            Err(ErrorCode::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error:?}"),
        }
    };
    let remote = HostTcpSocket::remote_address(&mut open.sockets(), accepted).unwrap();
    let SocketAddr::V4(local) = client.local_addr().unwrap() else { panic!("it is IPv4") };
    assert!(matches!(remote, IpSocketAddress::Ipv4(remote) if remote.port == local.port()));
    let by_grant = format!("granted by --net 127.0.0.1:{free}");
    assert_eq!(
        decisions(&mut open),
        [
            format!("+0 network 127.0.0.1:{free}: tcp bind, {by_grant}"),
            format!("+0 network 127.0.0.1:{free}: tcp listen, {by_grant}"),
            format!("+0 network {local}: tcp accept on a port that was granted"),
        ]
    );
}

#[test]
fn datagrams_go_to_granted_addresses_only() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let send = |data: &mut Data, port| {
        let socket = data.sockets().create_udp_socket(IpAddressFamily::Ipv4).map_err(code)?;
        let network = network(data);
        let mut sockets = data.sockets();
        HostUdpSocket::start_bind(&mut sockets, again(&socket), network, address(0))
            .map_err(code)?;
        HostUdpSocket::finish_bind(&mut sockets, again(&socket)).map_err(code)?;
        let (_, out) = HostUdpSocket::stream(&mut sockets, socket, None).map_err(code)?;
        HostOutgoingDatagramStream::check_send(&mut sockets, again(&out)).map_err(code)?;
        let datagram =
            OutgoingDatagram { data: b"hi".to_vec(), remote_address: Some(address(port)) };
        let sent = HostOutgoingDatagramStream::send(&mut sockets, again(&out), vec![datagram]);
        sent.map_err(code)
    };
    let mut open = granted(&[&format!("127.0.0.1:{port}")]);
    assert_eq!(send(&mut open, port).unwrap(), 1);
    let mut buffer = [0; 8];
    assert_eq!(receiver.recv(&mut buffer).unwrap(), 2);
    let mut closed = granted(&["127.0.0.1:1"]);
    assert_eq!(send(&mut closed, port).unwrap_err(), ErrorCode::AccessDenied);
    let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    assert_eq!(
        decisions(&mut closed),
        [format!("-1 network {target}: udp send, not granted; --net {target} would grant it")]
    );
}
