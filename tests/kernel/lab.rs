//! One packet through the kernel: sent, watched for, judged.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::netns::{ADDRESSES, MACS};
use crate::packet::{Hook, Probe};
use crate::stages;
use crate::wire::{ACK, ESP, Header, ICMP, ICMPV6, SCTP, SYN, Seen, TCP, UDP, UDPLITE};

const ETH_P_ALL: i32 = 3;
/// A type for local experiments (IEEE 802): the frames that tell that a queue is empty.
const ETH_MARKER: [u8; 2] = [0x88, 0xb5];
/// What finds out which link a next hop is on.
const HELLO: &[u8] = b"a first packet to the next hop";
const ENOBUFS: i32 = 105;
const NETLINK: i32 = 16;
const NETLINK_NETFILTER: i32 = 12;
const LOCAL_PROTOCOLS: [u8; 6] = [TCP, UDP, SCTP, UDPLITE, ESP, 47];

/// Where a packet ended up: address and, where the protocol has ports, port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct End {
    pub address: IpAddr,
    pub port: Option<u16>,
}

/// What the kernel did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Seen on a wire or by a local socket, with these ends. The destination is not known of IPv6
    /// protocols without a checksum that the box got itself.
    Accept { src: End, dst: Option<End> },
    /// Refused with this answer.
    Reject(String),
    /// Neither, in several tries.
    Drop,
}

/// A socket that sees all frames of this namespace's links.
pub(crate) fn tap() -> std::io::Result<Socket> {
    // the kernel takes the protocol in network order
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ETH_P_ALL << 8)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The sockets of the three namespaces, all in one process.
pub(crate) struct Lab {
    /// Taps: of the client, of the server, and of the firewall on all its links.
    client: Socket,
    server: Socket,
    firewall: Socket,
    /// The links p0, p1 and p2, to send on.
    links: [SockAddr; 3],
    /// Raw sockets that get what the firewall accepts for itself.
    local4: Vec<Socket>,
    local6: Vec<(u8, UdpSocket)>,
    /// Raw sockets that send what the firewall sends, headers included.
    out4: Socket,
    out6: Socket,
    conntrack: Socket,
    tag: u64,
    markers: u64,
}

impl Lab {
    /// Runs in the firewall's namespace, with the taps of the two others.
    pub(crate) fn new(client: OwnedFd, server: OwnedFd) -> std::io::Result<Lab> {
        let (client, server) = (Socket::from(client), Socket::from(server));
        let firewall = tap()?;
        let links = [
            link(&client, "203.0.113.254:9")?,
            link(&server, "198.51.100.254:9")?,
            link(&server, "10.30.0.254:9")?,
        ];
        let raw = |domain, proto: u8| -> std::io::Result<Socket> {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(proto))))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let (mut local4, mut local6) = (vec![raw(Domain::IPV4, ICMP)?], Vec::new());
        for proto in LOCAL_PROTOCOLS {
            local4.push(raw(Domain::IPV4, proto)?);
            local6.push((proto, UdpSocket::from(raw(Domain::IPV6, proto)?)));
        }
        local6.push((ICMPV6, UdpSocket::from(raw(Domain::IPV6, ICMPV6)?)));
        let (out4, out6) = (raw(Domain::IPV4, 255)?, raw(Domain::IPV6, 255)?);
        out4.set_header_included_v4(true)?;
        out6.set_header_included_v6(true)?;
        let conntrack =
            Socket::new(Domain::from(NETLINK), Type::RAW, Some(Protocol::from(NETLINK_NETFILTER)))?;
        let tag = u64::from(std::process::id()) << 24;
        let (client, server) = (client, server);
        Ok(Lab { client, server, firewall, links, local4, local6, out4, out6, conntrack, tag, markers: 0 })
    }

    /// What the kernel does to a packet. A drop is believed after three tries.
    pub(crate) fn probe(&mut self, probe: &Probe) -> Result<Fate, String> {
        for _ in 0..3 {
            forget_by(&self.conntrack)?;
            let mut probe = probe.clone();
            if probe.established {
                match self.once(&probe.opener())? {
                    Fate::Accept { .. } => probe.header.answers = Some(self.tag),
                    other => return Err(format!("the connection could not be opened: {other:?}")),
                }
            }
            let fate = self.once(&probe)?;
            if fate != Fate::Drop {
                return Ok(fate);
            }
        }
        Ok(Fate::Drop)
    }

    /// A packet, and what becomes of the answer to it: `None` where nothing arrived `there` to be answered.
    pub(crate) fn exchange(
        &mut self,
        probe: &Probe,
        there: End,
        back: &'static str,
    ) -> Result<Option<Fate>, String> {
        for attempt in 0..3 {
            forget_by(&self.conntrack)?;
            // An answer that was dropped is remembered behind it, too.
            if attempt > 0 {
                stages::forget_inner()?;
            }
            let arrived = match self.once(probe)? {
                Fate::Accept { src, dst } if dst == Some(there) => src,
                _ => continue,
            };
            let mut answer = Header::new(there.address, arrived.address, probe.header.proto);
            (answer.sport, answer.dport) = (there.port.unwrap_or(0), arrived.port.unwrap_or(0));
            (answer.flags, answer.answers) = (Probe::answer_flags(), Some(self.tag));
            let answer = Probe { hook: Hook::Forward, iif: back, header: answer, established: false };
            let fate = self.once(&answer)?;
            if fate != Fate::Drop || attempt == 2 {
                return Ok(Some(fate));
            }
        }
        Ok(None)
    }

    fn once(&mut self, probe: &Probe) -> Result<Fate, String> {
        self.tag += 1;
        let tag = self.tag;
        let mut inbox = Inbox { tag, header: &probe.header, marker: None, accepted: None, refused: None };
        self.drain(&mut inbox); // what is left of earlier packets
        inbox.accepted = None;
        inbox.refused = None;
        self.send(probe, &probe.header.bytes(tag))?;
        self.settle(&mut inbox)?;
        Ok(match (inbox.accepted, inbox.refused) {
            (Some((src, dst)), _) => Fate::Accept { src, dst },
            (None, Some(name)) => Fate::Reject(name),
            (None, None) => Fate::Drop,
        })
    }

    fn send(&self, probe: &Probe, packet: &[u8]) -> Result<(), String> {
        if probe.hook == Hook::Output {
            let to = SockAddr::from(SocketAddr::new(probe.header.dst, 0));
            let socket = if probe.header.dst.is_ipv4() { &self.out4 } else { &self.out6 };
            return match socket.send_to(packet, &to) {
                Ok(_) => Ok(()),
                // how the kernel tells a local sender of a drop
                Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
                Err(error) => Err(format!("the packet could not be sent: {error}")),
            };
        }
        let n = match probe.iif {
            "eth0" => 0,
            "eth1" => 1,
            _ => 2,
        };
        let kind: [u8; 2] = if probe.header.dst.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        self.inject(n, kind, packet)
    }

    fn inject(&self, n: usize, kind: [u8; 2], body: &[u8]) -> Result<(), String> {
        let mut frame = MACS[n].to_vec();
        frame.extend([2, 0, 0, 0, 0x0c, n as u8]);
        frame.extend(kind);
        frame.extend(body);
        let socket = if n == 0 { &self.client } else { &self.server };
        // a busy machine's queues may be full for a while
        for _ in 0..200 {
            match socket.send_to(&frame, &self.links[n]) {
                Ok(_) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => sleep(Duration::from_millis(1)),
                Err(error) => return Err(format!("a frame could not be sent: {error}")),
            }
        }
        Err("a frame could not be sent: the queues stay full".to_string())
    }

    /// Waits until all that was sent has been handled.
    ///
    /// What crosses a veth waits in the backlog of the sender's CPU, a first-in-first-out queue of all
    /// links. Once a frame that is sent now comes out, what was queued before it has been handled. Four
    /// rounds: into the firewall, out of it, and two more for the second firewall or a hop over the loopback
    /// link.
    fn settle(&mut self, inbox: &mut Inbox) -> Result<(), String> {
        for _ in 0..4 {
            self.markers += 1;
            let mut body = self.markers.to_be_bytes().to_vec();
            body.resize(46, 0);
            self.inject(0, ETH_MARKER, &body)?;
            let deadline = Instant::now() + Duration::from_secs(2);
            loop {
                self.drain(inbox);
                if inbox.marker == Some(self.markers) {
                    break;
                }
                if Instant::now() > deadline {
                    return Err("a marker frame was lost".to_string());
                }
                sleep(Duration::from_micros(50));
            }
        }
        self.drain(inbox);
        Ok(())
    }

    fn drain(&self, inbox: &mut Inbox) {
        read_all(&self.firewall, |frame| inbox.at_firewall(frame));
        for tap in [&self.client, &self.server] {
            read_all(tap, |frame| inbox.on_wire(frame));
        }
        for socket in &self.local4 {
            read_all(socket, |packet| inbox.local4(packet));
        }
        for (proto, socket) in &self.local6 {
            let mut buffer = [0; 4096];
            while let Some((length, from)) = next(|| socket.recv_from(&mut buffer)) {
                inbox.local6(from.ip(), *proto, &buffer[..length]);
            }
        }
    }
}

/// Empties the connection table of this namespace: each packet is the first of a new connection.
pub(crate) fn forget_connections() -> Result<(), String> {
    let socket = Socket::new(Domain::from(NETLINK), Type::RAW, Some(Protocol::from(NETLINK_NETFILTER)));
    forget_by(&socket.map_err(|error| error.to_string())?)
}

fn forget_by(conntrack: &Socket) -> Result<(), String> {
    // nlmsghdr: length, IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK, NLM_F_REQUEST | NLM_F_ACK; nfgenmsg
    let mut message = 20u32.to_ne_bytes().to_vec();
    message.extend((1u16 << 8 | 2).to_ne_bytes());
    message.extend(5u16.to_ne_bytes());
    message.extend([0; 12]);
    let answer = || -> std::io::Result<i32> {
        conntrack.send(&message)?;
        let mut buffer = [0; 4096];
        let length = (&mut &*conntrack).read(&mut buffer)?;
        let code = buffer.get(16..20).filter(|_| length >= 20).and_then(|b| b.try_into().ok());
        Ok(code.map_or(0, i32::from_ne_bytes))
    };
    match answer() {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("the connection table could not be emptied: error {}", -code)),
        Err(error) => Err(format!("the connection table could not be emptied: {error}")),
    }
}

/// The link that a next hop is on, taken from a frame that is sent to it.
fn link(tap: &Socket, next_hop: &str) -> std::io::Result<SockAddr> {
    UdpSocket::bind("0.0.0.0:0")?.send_to(HELLO, next_hop)?;
    let to = next_hop.parse::<SocketAddr>().ok().map(|to| to.ip());
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        // the address comes with one way to read, the bytes with the other
        let peeked = tap.peek_from(Vec::with_capacity(2048).spare_capacity_mut());
        let mut buffer = [0; 2048];
        let frame = next(|| (&mut &*tap).read(&mut buffer)).map(|length| &buffer[..length]);
        let hello = frame.is_some_and(|frame| {
            let seen = frame.get(14..).and_then(Seen::parse);
            frame.ends_with(HELLO) && seen.and_then(|seen| seen.dst) == to
        });
        match peeked {
            Ok((_, address)) if hello => return Ok(address),
            Err(error) if Instant::now() > deadline => return Err(error),
            _ if Instant::now() > deadline => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

fn read_all(socket: &Socket, mut each: impl FnMut(&[u8])) {
    let mut buffer = [0; 4096];
    let mut socket = socket;
    while let Some(length) = next(|| socket.read(&mut buffer)) {
        each(&buffer[..length]);
    }
}

/// The next datagram of a socket that does not block. Errors that ICMP reported are no datagrams.
fn next<T>(mut read: impl FnMut() -> std::io::Result<T>) -> Option<T> {
    for _ in 0..8 {
        match read() {
            Ok(value) => return Some(value),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(_) => {}
        }
    }
    None
}

/// What was seen of one transmission.
struct Inbox<'a> {
    tag: u64,
    header: &'a Header,
    marker: Option<u64>,
    accepted: Option<(End, Option<End>)>,
    refused: Option<String>,
}

impl Inbox<'_> {
    /// A frame on a link of the firewall, in or out: refusals as they leave, and markers.
    fn at_firewall(&mut self, frame: &[u8]) {
        let Some(kind) = frame.get(12..14) else { return };
        if kind == ETH_MARKER {
            self.marker = frame.get(14..22).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
        } else if let Some(seen) = Seen::parse(&frame[14..])
            && let Some(name) = seen.refusal(self.tag)
        {
            self.refused = Some(name);
        }
    }

    /// A frame that a peer got.
    fn on_wire(&mut self, frame: &[u8]) {
        if let Some(seen) = frame.get(14..).and_then(Seen::parse) {
            self.arrived(&seen);
        }
    }

    fn local4(&mut self, packet: &[u8]) {
        if let Some(seen) = Seen::parse(packet) {
            self.arrived(&seen);
        }
    }

    fn local6(&mut self, src: IpAddr, proto: u8, data: &[u8]) {
        let mut candidates: Vec<IpAddr> = ADDRESSES.iter().filter_map(|(_, a, _)| a.parse().ok()).collect();
        candidates.retain(IpAddr::is_ipv6);
        candidates.extend([self.header.dst, "::1".parse().unwrap()]);
        self.arrived(&Seen::local6(src, proto, data, &candidates));
    }

    fn arrived(&mut self, seen: &Seen) {
        if self.accepted.is_some() || seen.proto != self.header.proto || !seen.carries(self.tag) {
            return;
        }
        if seen.refusal(self.tag).is_some() {
            return;
        }
        let ports = seen.ports();
        let src = End { address: seen.src, port: ports.map(|p| p.0) };
        let dst = seen.dst.map(|address| End { address, port: ports.map(|p| p.1) });
        self.accepted = Some((src, dst));
    }
}

impl Probe {
    /// The packet that opens the connection which this one answers.
    fn opener(&self) -> Probe {
        let mut opener = self.clone();
        opener.established = false;
        std::mem::swap(&mut opener.header.src, &mut opener.header.dst);
        std::mem::swap(&mut opener.header.sport, &mut opener.header.dport);
        opener.header.flags = SYN;
        opener.iif = if self.iif == "eth0" { "eth1" } else { "eth0" };
        opener.hook = match self.hook {
            Hook::Forward => Hook::Forward,
            Hook::Input => Hook::Output,
            Hook::Output => Hook::Input,
        };
        if self.hook == Hook::Output {
            opener.iif = self.oif();
        }
        opener
    }

    /// The flags of an answer, where none were given.
    pub(crate) fn answer_flags() -> u8 {
        SYN | ACK
    }
}

/// The standard streams as sockets, which they are where the stages handed them down.
pub(crate) fn inherited() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let client = std::io::stdin().as_fd().try_clone_to_owned()?;
    let server = std::io::stdout().as_fd().try_clone_to_owned()?;
    Ok((client, server))
}
