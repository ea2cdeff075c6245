//! Ends and a gatekeeper of H.323, which say as much as a connection helper reads. Each runs in a namespace of its own: the
//! test runs itself there, told by a variable which one it is, and the process says on standard output what came to pass.

#![expect(clippy::print_stdout, reason = "an end tells the test what it has seen")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::call::{ALICE, BOB, SERVER, Seen};
use crate::lab::{Lab, Running};
use crate::per;

/// Which end a process is: `WHO ADDRESS`, and for alice the address that is dialled, or that of the gatekeeper.
const END: &str = "PINHOLE_REAL_CALLS_H323";
/// What takes longer does not come any more.
const SOON: Duration = Duration::from_millis(1500);
const RAS: u16 = 1719;
const Q931: u16 = 1720;
const H245: u16 = 11000;
const RTP: u16 = 12000;
/// Packets of sound that are sent, and that have to come.
const SOUND: (u32, u32) = (50, 10);

type Done<T> = std::io::Result<T>;

/// Runs as an end where this process is one.
pub(crate) fn end() -> Option<ExitCode> {
    let told = std::env::var(END).ok()?;
    let words: Vec<&str> = told.split(' ').collect();
    let address = |at: usize| words.get(at).and_then(|word| word.parse::<Ipv4Addr>().ok());
    let own = address(1)?;
    let ran = match words[0] {
        "alice" => alice(own, address(2)?),
        "admitted" => admitted(own, address(2)?),
        "bob" => bob(own, address(2)),
        _ => gatekeeper(own),
    };
    if let Err(why) = ran {
        println!("ended {why}");
    }
    Some(ExitCode::SUCCESS)
}

fn at(own: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(own, port)
}

fn lost(what: &str) -> std::io::Error {
    std::io::Error::other(what.to_string())
}

/// One framed message.
fn message(stream: &mut TcpStream) -> Done<Vec<u8>> {
    stream.set_read_timeout(Some(SOON))?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut rest = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])).saturating_sub(4)];
    stream.read_exact(&mut rest)?;
    Ok([&head[..], &rest].concat())
}

/// Calls, and opens H.245 where the far end says.
fn alice(own: Ipv4Addr, dialled: Ipv4Addr) -> Done<()> {
    call(own, at(dialled, Q931))
}

/// Registers, asks the gatekeeper for the address, and calls.
fn admitted(own: Ipv4Addr, gatekeeper: Ipv4Addr) -> Done<()> {
    let ras = registered(own, gatekeeper)?;
    let to = ask(&ras, &per::admit(at(own, Q931)))?;
    let to = per::address_in(&to, per::admitted).ok_or_else(|| lost("no admission"))?;
    call(own, to)
}

/// Registers; the socket on which the gatekeeper is asked for more.
fn registered(own: Ipv4Addr, gatekeeper: Ipv4Addr) -> Done<UdpSocket> {
    let ras = UdpSocket::bind(at(own, RAS))?;
    ras.connect(at(gatekeeper, RAS))?;
    ask(&ras, &per::register(at(own, Q931), at(own, RAS)))?;
    println!("registered");
    Ok(ras)
}

fn ask(ras: &UdpSocket, request: &[u8]) -> Done<Vec<u8>> {
    ras.set_read_timeout(Some(SOON))?;
    ras.send(request)?;
    let mut answer = [0; 512];
    let length = ras.recv(&mut answer)?;
    Ok(answer[..length].to_vec())
}

fn call(own: Ipv4Addr, to: SocketAddrV4) -> Done<()> {
    let mut signalling = TcpStream::connect_timeout(&to.into(), SOON)?;
    signalling.write_all(&per::setup(to))?;
    let answer = message(&mut signalling)?;
    println!("placed");
    let h245 = per::address_in(&answer, per::connect).ok_or_else(|| lost("no Connect"))?;
    let control = TcpStream::connect_timeout(&h245.into(), SOON)?;
    talk(own, control)?;
    // Whoever speaks longer is heard.
    sleep(Duration::from_millis(300));
    drop(signalling);
    Ok(())
}

/// Registers where there is a gatekeeper, and waits for a call.
fn bob(own: Ipv4Addr, gatekeeper: Option<Ipv4Addr>) -> Done<()> {
    let listener = TcpListener::bind(at(own, Q931))?;
    let control = TcpListener::bind(at(own, H245))?;
    let _ras = gatekeeper.map(|gatekeeper| registered(own, gatekeeper)).transpose();
    println!("ready");
    let mut signalling = accept(&listener)?;
    message(&mut signalling)?;
    signalling.write_all(&per::connect(at(own, H245)))?;
    let control = accept(&control)?;
    talk(own, control)?;
    sleep(Duration::from_millis(300));
    Ok(())
}

/// The next connection, if it comes soon.
fn accept(listener: &TcpListener) -> Done<TcpStream> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + 3 * SOON;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(10)),
            Err(error) => return Err(error),
        }
    }
}

/// Opens a channel each way, and sends and hears sound.
fn talk(own: Ipv4Addr, mut control: TcpStream) -> Done<()> {
    let sound = UdpSocket::bind(at(own, RTP))?;
    control.write_all(&per::open_channel(at(own, RTP + 1)))?;
    message(&mut control)?;
    control.write_all(&per::open_channel_ack(at(own, RTP), at(own, RTP + 1)))?;
    let answer = message(&mut control)?;
    let to = per::address_in(&answer, |media| per::open_channel_ack(media, at(own, 0)));
    let to = to.ok_or_else(|| lost("no channel"))?;
    println!("controlled");
    sound.set_nonblocking(true)?;
    let mut heard = 0;
    for _ in 0..SOUND.0 {
        let _ = sound.send_to(&[0x80; 172], to);
        sleep(Duration::from_millis(20));
        while sound.recv(&mut [0; 256]).is_ok() {
            heard += 1;
        }
    }
    // The other end may have begun later.
    let deadline = Instant::now() + SOON;
    while heard < SOUND.1 && Instant::now() < deadline {
        sleep(Duration::from_millis(20));
        while sound.recv(&mut [0; 256]).is_ok() {
            heard += 1;
        }
    }
    println!("{}", if heard >= SOUND.1 { "heard" } else { "silence" });
    Ok(())
}

/// Confirms what is asked; everybody is to call bob.
fn gatekeeper(own: Ipv4Addr) -> Done<()> {
    let ras = UdpSocket::bind(at(own, RAS))?;
    println!("ready");
    let bob = at(BOB.parse().map_err(|_| lost("bob's address"))?, Q931);
    let mut request = [0; 512];
    loop {
        let (length, from) = ras.recv_from(&mut request)?;
        // The first six bits say which request it is: 3 is a registration.
        let answer = match request[..length].first().map(|first| first >> 2) {
            Some(3) => per::registered(at(own, Q931)),
            _ => per::admitted(bob),
        };
        ras.send_to(&answer, from)?;
    }
}

/// An end in its namespace, and what it says.
struct End {
    running: Running,
    said: BufReader<std::process::ChildStdout>,
}

impl End {
    fn start(lab: &Lab, name: &str, told: &str) -> Result<End, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command: Command = lab.command(name, &own.to_string_lossy());
        let spawned = command.env(END, told).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child: Child = spawned.map_err(|error| error.to_string())?;
        let said = child.stdout.take().ok_or("it says nothing")?;
        Ok(End { running: Running(child), said: BufReader::new(said) })
    }

    /// The lines up to one, or to the end.
    fn lines(&mut self, last: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        while self.said.read_line(&mut line).is_ok_and(|length| length > 0) {
            lines.push(line.trim().to_string());
            line.clear();
            if lines.last().map(String::as_str) == last {
                break;
            }
        }
        lines
    }
}

/// Makes a call: by a gatekeeper, or to the address that is dialled for bob.
pub(crate) fn call_bob(lab: &Lab, by_gatekeeper: bool, dialled: &str) -> Result<Seen, String> {
    let mut server = None;
    if by_gatekeeper {
        let mut started = End::start(lab, "server", &format!("gatekeeper {SERVER}"))?;
        started.lines(Some("ready"));
        server = Some(started);
    }
    let gatekeeper = if by_gatekeeper { format!(" {SERVER}") } else { String::new() };
    let mut bob = End::start(lab, "bob", &format!("bob {BOB}{gatekeeper}"))?;
    let first = bob.lines(Some("ready"));
    let told = match by_gatekeeper {
        true => format!("admitted {ALICE} {SERVER}"),
        false => format!("alice {ALICE} {dialled}"),
    };
    let mut alice = End::start(lab, "alice", &told)?;
    let hers = alice.lines(None);
    let his = bob.lines(None);
    let said = |lines: &[String], word: &str| lines.iter().any(|line| line == word);
    let mut seen = Seen { log: format!("alice: {hers:?}\nbob: {first:?} {his:?}"), ..Seen::default() };
    if by_gatekeeper {
        seen.registered.push(("alice", said(&hers, "registered")));
        seen.registered.push(("bob", said(&first, "registered")));
    }
    if !by_gatekeeper || said(&hers, "registered") {
        seen.placed = Some(said(&hers, "placed"));
    }
    if seen.placed == Some(true) {
        seen.controlled = Some(said(&hers, "controlled") && said(&his, "controlled"));
    }
    if seen.controlled == Some(true) {
        seen.to_alice = Some(said(&hers, "heard"));
        seen.to_bob = Some(said(&his, "heard"));
    }
    drop((server, bob.running, alice.running));
    Ok(seen)
}
