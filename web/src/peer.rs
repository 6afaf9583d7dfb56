//! Who has connected.

use std::net::SocketAddr;

use matins_control::user;
use rustix::process::geteuid;

/// The user who has connected, if the operating system says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The user of this process, or root: by name.
    Own(String),
    /// Another user of this machine, or one of whom nothing is known.
    Other(String),
    /// Somebody on another machine.
    Remote(SocketAddr),
}

impl Peer {
    fn of_user(uid: u32) -> Self {
        let name = user::by_uid(uid);
        if uid == geteuid().as_raw() || uid == 0 { Self::Own(name) } else { Self::Other(name) }
    }

    /// Who has connected from `peer` to `own`.
    pub(crate) fn of_addresses(peer: SocketAddr, own: SocketAddr) -> Self {
        let (peer, own) = (canonical(peer), canonical(own));
        if !peer.ip().is_loopback() {
            return Self::Remote(peer);
        }
        owner(peer, own).map_or_else(|| Self::Other(format!("an unknown user at {peer}")), Self::of_user)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn of_stream(stream: &impl std::os::fd::AsFd) -> Self {
        match rustix::net::sockopt::socket_peercred(stream) {
            Ok(peer) => Self::of_user(peer.uid.as_raw()),
            Err(error) => Self::Other(format!("an unknown user ({error})")),
        }
    }

    /// The socket's mode lets only this user and root connect.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn of_stream(_: &impl std::os::fd::AsFd) -> Self {
        Self::of_user(geteuid().as_raw())
    }
}

/// An IPv4 address that a socket for both families sees as an IPv6 one.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The user whose socket has the address `peer` and is connected to `own`.
#[cfg(target_os = "linux")]
fn owner(peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| owner_in_line(line, peer, own))
    })
}

#[cfg(not(target_os = "linux"))]
fn owner(_: SocketAddr, _: SocketAddr) -> Option<u32> {
    None
}

/// `sl local_address rem_address st queues timer retransmits uid timeout inode ...`
///
/// A socket that its process has closed belongs to nobody any more: it is shown with user 0 and inode 0, and counts for nothing
/// here.
#[cfg(target_os = "linux")]
fn owner_in_line(line: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    const ESTABLISHED: &str = "01";
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (fields.next()?, fields.next()?);
    if fields.next()? != ESTABLISHED || written(local)? != peer || written(remote)? != own {
        return None;
    }
    let uid = fields.nth(3)?.parse().ok()?;
    let inode: u64 = fields.nth(1)?.parse().ok()?;
    (inode != 0).then_some(uid)
}

/// An address as the kernel writes it: words of 32 bits in the machine's order, in hexadecimal.
#[cfg(target_os = "linux")]
fn written(text: &str) -> Option<SocketAddr> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    let (ip, port) = text.split_once(':')?;
    let words: Vec<[u8; 4]> = (0..ip.len() / 8)
        .map(|place| {
            let word = u32::from_str_radix(ip.get(place * 8..place * 8 + 8)?, 16).ok()?;
            Some(word.to_ne_bytes())
        })
        .collect::<Option<_>>()?;
    let ip = match &words[..] {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        [_, _, _, _] => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?)),
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_user_of_a_connection_on_loopback_is_known_while_it_is_open() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, peer) = listener.accept().unwrap();
            let own = stream.local_addr().unwrap();
            assert_eq!(Peer::of_addresses(peer, own), Peer::Own(user::own()), "{address}");
            drop(client);
            // Closed, it has no user: not root, as the table says.
            assert!(matches!(Peer::of_addresses(peer, own), Peer::Other(_)), "{address}");
        }
    }

    #[test]
    fn a_line_of_the_table_is_read_as_the_kernel_writes_it() {
        let line = "   1: 0100007F:D2F0 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0";
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (peer, own) = (at("127.0.0.1:54000"), at("127.0.0.1:8080"));
        assert_eq!(owner_in_line(line, peer, own), Some(1000));
        assert_eq!(owner_in_line(line, own, peer), None);
        assert_eq!(owner_in_line(&line.replace("31337", "0"), peer, own), None);
        assert_eq!(owner_in_line(&line.replace(" 01 ", " 04 "), peer, own), None);
        assert_eq!(written("00000000000000000000000001000000:1F90"), Some(at("[::1]:8080")));
        assert_eq!(written("0000000000000000FFFF00000100007F:1F90"), Some(own));
    }

    #[test]
    fn another_machine_is_remote() {
        let (far, own) = ("192.0.2.7:5".parse().unwrap(), "192.0.2.1:80".parse().unwrap());
        assert_eq!(Peer::of_addresses(far, own), Peer::Remote(far));
    }
}
