//! Messages of H.225.0 and H.245, as far as a connection helper reads them: aligned PER (ITU-T X.691), with the mandatory
//! fields of the first version of each message and the addresses that the helper looks for
//! (`net/netfilter/nf_conntrack_h323_types.c` of Linux).

use std::net::SocketAddrV4;

/// `{itu-t recommendation h 2250 version 4}`.
const VERSION: [u8; 6] = [0x00, 0x08, 0x91, 0x4a, 0x00, 0x04];

/// A message that is being written.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are used; 0 where it is full.
    used: u32,
}

impl Bits {
    fn bits(mut self, value: u32, count: u32) -> Bits {
        for at in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let bit = u8::from(value >> at & 1 == 1) << (7 - self.used);
            *self.bytes.last_mut().unwrap() |= bit;
            self.used = (self.used + 1) % 8;
        }
        self
    }

    /// Bytes that begin at the next byte.
    fn bytes(mut self, bytes: &[u8]) -> Bits {
        self.bytes.extend(bytes);
        self.used = 0;
        self
    }

    fn word(self, value: u16) -> Bits {
        self.bytes(&value.to_be_bytes())
    }

    fn version(self) -> Bits {
        self.bytes(&[6]).bytes(&VERSION)
    }

    /// `TransportAddress` of H.225.0: the first of seven kinds.
    fn address(self, address: SocketAddrV4) -> Bits {
        self.bits(0, 4).bytes(&address.ip().octets()).word(address.port())
    }

    /// `TransportAddress` of H.245: unicast, the first of five kinds.
    fn channel(self, address: SocketAddrV4) -> Bits {
        self.bits(0, 2).bits(0, 4).bits(0, 1).bytes(&address.ip().octets()).word(address.port())
    }

    /// `EndpointType`: a terminal.
    fn terminal(self) -> Bits {
        self.bits(0, 1).bits(0b00_0001, 6).bits(0, 2).bits(0, 2)
    }

    /// A field of its own length.
    fn open(self, field: Bits) -> Bits {
        self.bytes(&[field.bytes.len() as u8]).bytes(&field.bytes)
    }
}

/// A message in the frame of RFC 1006, in which TCP carries it.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = (message.len() + 4) as u16;
    [&[3, 0], &length.to_be_bytes()[..], message].concat()
}

/// A message of Q.931 of this type around one of H.225.0.
fn q931(kind: u8, message: &Bits) -> Vec<u8> {
    let length = (message.bytes.len() + 1) as u16;
    let head = [&[0x08, 0x02, 0x00, 0x01, kind, 0x7e], &length.to_be_bytes()[..], &[0x05]].concat();
    framed(&[head, message.bytes.clone()].concat())
}

/// The head of `H323-UserInformation` up to the body of this number.
fn body(choice: u32) -> Bits {
    Bits::default().bits(0, 2).bits(0, 2).bits(choice, 4)
}

/// Setup: somebody calls `to`.
pub(crate) fn setup(to: SocketAddrV4) -> Vec<u8> {
    let setup = body(0)
        .bits(0, 1)
        .bits(0b000_1000, 7)
        .version()
        .terminal()
        .address(to)
        .bits(0, 1)
        .bytes(&[7; 16])
        .bits(0, 3)
        .bits(0, 3);
    q931(0x05, &setup)
}

/// Connect: the call is answered, and H.245 is awaited at `h245`.
pub(crate) fn connect(h245: SocketAddrV4) -> Vec<u8> {
    q931(0x07, &body(2).bits(0, 1).bits(1, 1).version().address(h245).terminal().bytes(&[7; 16]))
}

/// `openLogicalChannel`: somebody wants to send sound, and gets RTCP at `control`.
pub(crate) fn open_channel(control: SocketAddrV4) -> Vec<u8> {
    let parameters = Bits::default().bits(0, 1).bits(0b00_0010_0000, 10).bytes(&[1]).channel(control);
    let message = Bits::default()
        .bits(0, 3)
        .bits(3, 5)
        .bits(0, 2)
        .word(0)
        .bits(0, 2)
        .bits(3, 4)
        .bits(1, 5)
        .bytes(&[19])
        .bits(1, 1)
        .bits(0, 7)
        .open(parameters);
    framed(&message.bytes)
}

/// `openLogicalChannelAck`: it may come, to `media` and `control`.
pub(crate) fn open_channel_ack(media: SocketAddrV4, control: SocketAddrV4) -> Vec<u8> {
    let parameters =
        Bits::default().bits(0, 1).bits(0, 1).bits(0b01110, 5).bits(0, 8).channel(media).channel(control);
    let message = Bits::default()
        .bits(1, 3)
        .bits(5, 6)
        .bits(1, 1)
        .bits(0, 1)
        .word(0)
        .bits(1, 7)
        .bits(0b01, 2)
        .open(parameters);
    framed(&message.bytes)
}

/// Registration of who is called at `signalling`.
pub(crate) fn register(signalling: SocketAddrV4, ras: SocketAddrV4) -> Vec<u8> {
    Bits::default()
        .bits(3, 6)
        .bits(0, 4)
        .word(0)
        .version()
        .bits(0, 1)
        .bytes(&[1])
        .address(signalling)
        .bytes(&[1])
        .address(ras)
        .terminal()
        .bits(0, 3)
        .bits(0, 1)
        .bytes(&[181, 0])
        .word(0)
        .bytes
}

/// Its confirmation.
pub(crate) fn registered(gatekeeper: SocketAddrV4) -> Vec<u8> {
    let confirm = Bits::default().bits(4, 6).bits(0, 4).word(0).version().bytes(&[1]).address(gatekeeper);
    confirm.bits(0, 7).bytes(&[0, b'e']).bytes
}

/// The wish to call somebody.
pub(crate) fn admit(from: SocketAddrV4) -> Vec<u8> {
    let request = Bits::default().bits(9, 6).bits(0, 1).bits(0b000_0100, 7).word(1).bits(0, 3);
    let request = request.bits(0, 7).bytes(&[0, b'e']).bytes(&[0]).address(from);
    request.bits(0, 2).bytes(&[100]).word(1).bytes(&[7; 16]).bits(0, 2).bytes
}

/// Its confirmation: call `to`.
pub(crate) fn admitted(to: SocketAddrV4) -> Vec<u8> {
    let confirm = Bits::default().bits(10, 6).bits(0, 3).word(1).bits(0, 2).bytes(&[100]);
    confirm.bits(0, 2).address(to).bytes
}

/// The address that stands in a message where it stands in one of the same kind with another: the helper may have
/// written in a translated one.
pub(crate) fn address_in(message: &[u8], alike: impl Fn(SocketAddrV4) -> Vec<u8>) -> Option<SocketAddrV4> {
    let marked = alike(SocketAddrV4::new([0xde, 0xad, 0xbe, 0xef].into(), 0xfeed));
    let mark = [0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed];
    let at = marked.windows(6).position(|six| six == mark)?;
    let six: [u8; 6] = message.get(at..at + 6)?.try_into().ok()?;
    let [a, b, c, d, high, low] = six;
    (message.len() == marked.len())
        .then(|| SocketAddrV4::new([a, b, c, d].into(), u16::from_be_bytes([high, low])))
}
