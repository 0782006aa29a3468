//! The client against a scripted ptp4l: what the installed one does not do. Whole-system tests have
//! the real one.

use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use onair_api::PtpPortState;
use tempfile::TempDir;

use super::*;
use crate::sockets::socket_file::bind_datagram;

/// Answers of linuxptp 3.1.1, domain 7, by the data set that was asked for.
const DEFAULT: &str = "0d02004a0700000000000000000000000000000066ae33fffe7cbda600000000047f000000000000000042\
    56000002000001001620000300000180fffeffff8066ae33fffe7cbda60700";
const CURRENT: &str = "0d0200480700000000000000000000000000000066ae33fffe7cbda600000001047f000000000000000042\
    56000002000001001420010001fffffffffb43000000000000093d0000";
const PARENT: &str = "0d0200560700000000000000000000000000000066ae33fffe7cbda600000002047f000000000000000042\
    56000002000001002220025211d0fffe37ba6400010000ffff7fffffff0a0620436a805211d0fffe37ba64";
const TIME_PROPERTIES: &str = "0d02003a0700000000000000000000000000000066ae33fffe7cbda600000003047f000000000000000042\
    560000020000010006200300003c20";
const PORT: &str = "0d0200500700000000000000000000000000000066ae33fffe7cbda600010004047f000000000000000042\
    56000002000001001c200466ae33fffe7cbda6000109fd00000000000000000103fd010002";
/// An error status; its reason is changed to NOT_SUPPORTED (6), which a read-only socket answers.
const REFUSED: &str = "0d02003c0700000000000000000000000000000066ae33fffe7cbda600010009047f000000000000000042\
    5600000200000200080006c00400000000";

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Answers of a read-only socket of linuxptp 4; none in another domain.
fn read_only(request: &[u8]) -> Vec<Vec<u8>> {
    if request[4] != 7 {
        return Vec::new();
    }
    let answer = match u16::from_be_bytes([request[52], request[53]]) {
        0x2000 => DEFAULT,
        0x2001 => CURRENT,
        0x2002 => PARENT,
        0x2003 => TIME_PROPERTIES,
        0x2004 => PORT,
        _ => REFUSED,
    };
    let mut answer = bytes(answer);
    answer[30..32].copy_from_slice(&request[30..32]);
    answer[34..44].copy_from_slice(&request[20..30]);
    vec![answer]
}

/// A program that answers at a path until it is dropped.
struct Peer {
    thread: Option<JoinHandle<()>>,
    running: Option<std::sync::mpsc::Sender<()>>,
}

impl Peer {
    fn at(path: &Path, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let brief = Some(Duration::from_millis(5));
        socket.set_read_timeout(brief).unwrap();
        let (running, ended): (_, Receiver<()>) = channel();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                for bytes in answer(&buffer[..length]) {
                    socket.send_to(&bytes, from.as_pathname().unwrap()).unwrap();
                }
            }
        });
        Self {
            thread: Some(thread),
            running: Some(running),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.running = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A client that asks at `peer` in a folder of its own.
fn client(domain: Option<u8>) -> (TempDir, PathBuf, PtpClient) {
    let folder = tempfile::tempdir().unwrap();
    let (own, peer) = (folder.path().join("own"), folder.path().join("peer"));
    // The file may go: the peer has its path until the folder is gone.
    let (socket, file) = bind_datagram(&own).unwrap();
    std::mem::forget(file);
    let peers = vec![folder.path().join("none"), peer.clone()];
    (folder, peer, PtpClient::new(socket, own, peers, domain))
}

#[test]
fn read_only_socket_then_the_port_state_is_the_data_sets() {
    let (_folder, place, mut client) = client(None);
    let _peer = Peer::at(&place, read_only);
    let reading = client.ask().unwrap();
    assert_eq!(client.peer(), Some(&*place));
    assert_eq!(reading.clock.domain, 7, "it was found");
    assert_eq!(reading.port.state, PtpPortState::Slave);
    assert_eq!((reading.port.link, reading.hardware_clock), (None, None));
    assert_eq!(reading.current.offset_ns, -1213);
}

#[test]
fn ptp4l_of_another_domain_or_none_then_told_and_found_later() {
    let (_folder, place, mut client) = client(None);
    let none = client.ask().unwrap_err();
    assert!(
        matches!(&none, Silence::NotReached(all) if all.len() == 2),
        "{none}"
    );
    let peer = Peer::at(&place, read_only);
    client.ask().unwrap();
    drop(peer);
    assert!(matches!(client.ask(), Err(Silence::System { .. })));
    assert!(matches!(client.ask(), Err(Silence::NotReached(_))));
    std::fs::remove_file(&place).unwrap();
    let _peer = Peer::at(&place, read_only);
    client.ask().unwrap();

    client.link = None;
    client.domain = Some(8);
    let other = client.ask().unwrap_err();
    assert!(other.to_string().contains("in PTP domain 8"), "{other}");
}

#[test]
fn port_with_a_hardware_clock_then_its_index_is_asked_for() {
    let (_folder, place, mut client) = client(Some(7));
    let _peer = Peer::at(&place, |request| {
        let id = u16::from_be_bytes([request[52], request[53]]);
        let mut first = read_only(request).remove(0);
        match id {
            0x2000 => first[57] = 2,
            0xc004 | 0xc009 => {
                // Port 1 is a master with software timestamps; port 2 is the slave.
                let head = |length: u8| {
                    let mut head = first[..48].to_vec();
                    head[3] = 54 + length;
                    head.extend([0, 1, 0, 2 + length, request[52], request[53]]);
                    head
                };
                let clock = &bytes(DEFAULT)[20..28];
                let answer = |port: u8, rest: &[u8]| {
                    let length = 10 + u8::try_from(rest.len()).unwrap();
                    [&head(length), clock, &[0, port], rest].concat()
                };
                return if id == 0xc004 {
                    vec![answer(1, b"\x06\x00\x02e0"), answer(2, b"\x09\x01\x02e1")]
                } else {
                    vec![
                        answer(1, &[0, 0, 0, 3, 0, 0]),
                        answer(2, &[0, 0, 0, 4, 0, 0]),
                    ]
                };
            }
            _ => {}
        }
        vec![first]
    });
    let reading = client.ask().unwrap();
    assert_eq!(
        (reading.port.port.number, reading.port.state),
        (2, PtpPortState::Slave)
    );
    let (timestamping, interface) = reading.port.link.unwrap();
    assert_eq!(timestamping, PtpTimestamping::Hardware);
    assert_eq!(
        (interface.as_str(), reading.hardware_clock),
        ("e1", Some(4))
    );
}

#[test]
fn answers_to_other_requests_then_not_taken() {
    let (_folder, place, mut client) = client(Some(7));
    let _peer = Peer::at(&place, |request| {
        let answer = read_only(request).remove(0);
        let wrong = |at: usize| {
            let mut answer = answer.clone();
            answer[at] ^= 1;
            answer
        };
        // Another domain, requester, number.
        vec![wrong(4), wrong(43), wrong(31)]
    });
    assert!(matches!(client.ask(), Err(Silence::NoAnswer(_, Some(7)))));
}
