//! A program at the place of ptp4l that is none.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    /// Reads none.
    Deaf,
    /// Reads each, answers none.
    Silent,
    /// Answers bytes that are no message.
    Garbage,
    /// Answers as a real one, each data set under another clock's identity.
    Identities,
    /// Sends messages without end, asked or not.
    Flood,
}

/// Answers of linuxptp 3.1.1 by management id.
const ANSWERS: [(u16, &str); 6] = [
    (
        0x2000,
        "0d02004a0700000000000000000000000000000066ae33fffe7cbda600000000047f00000000000000004256000002000001001620000300000180fffeffff8066ae33fffe7cbda60700",
    ),
    (
        0x2001,
        "0d0200480700000000000000000000000000000066ae33fffe7cbda600000001047f00000000000000004256000002000001001420010001fffffffffb43000000000000093d0000",
    ),
    (
        0x2002,
        "0d0200560700000000000000000000000000000066ae33fffe7cbda600000002047f00000000000000004256000002000001002220025211d0fffe37ba6400010000ffff7fffffff0a0620436a805211d0fffe37ba64",
    ),
    (
        0x2003,
        "0d02003a0700000000000000000000000000000066ae33fffe7cbda600000003047f000000000000000042560000020000010006200300003c20",
    ),
    (
        0x2004,
        "0d0200500700000000000000000000000000000066ae33fffe7cbda600010004047f00000000000000004256000002000001001c200466ae33fffe7cbda6000109fd00000000000000000103fd010002",
    ),
    (
        0xc004,
        "0d0200480700000000000000000000000000000066ae33fffe7cbda600010004047f000000000000000042560000020000010014c00466ae33fffe7cbda600010900057665746830",
    ),
];

/// The program: a thread of the test.
#[derive(Debug)]
pub struct HostileClock {
    ended: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl HostileClock {
    /// Takes requests at `path`.
    pub fn start(path: &Path, hostility: Hostility) -> Result<Self> {
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        let socket = UnixDatagram::bind(path)?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let (ended, requests, sent) =
            <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let flags = (Arc::clone(&ended), Arc::clone(&requests), Arc::clone(&sent));
        let thread = std::thread::spawn(move || serve(&socket, hostility, &flags));
        Ok(Self {
            ended,
            requests,
            sent,
            thread: Some(thread),
        })
    }

    /// Requests that it took.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Datagrams that it sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for HostileClock {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().ok();
        }
    }
}

fn serve(
    socket: &UnixDatagram,
    hostility: Hostility,
    (ended, requests, sent): &(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>),
) {
    let mut buffer = [0; 512];
    let mut number: u8 = 0;
    while !ended.load(Ordering::Relaxed) {
        if hostility == Hostility::Deaf {
            std::thread::park();
            continue;
        }
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let request = &buffer[..length];
        requests.fetch_add(1, Ordering::Relaxed);
        let Some(to) = peer.as_pathname() else {
            continue;
        };
        number = number.wrapping_add(1);
        let send = |bytes: &[u8]| {
            let is_sent = socket.send_to(bytes, to).is_ok();
            sent.fetch_add(u64::from(is_sent), Ordering::Relaxed);
        };
        match hostility {
            Hostility::Deaf | Hostility::Silent => {}
            Hostility::Garbage => send(&vec![number; usize::from(number) * 17]),
            Hostility::Identities => {
                if let Some(mut answer) = answer(request) {
                    // Of the clock, and, in answers of ports, of the port.
                    let at = if answer[52] & 0xf0 == 0xc0 || answer[53] == 4 {
                        54
                    } else {
                        20
                    };
                    answer[at] = number;
                    send(&answer);
                }
            }
            Hostility::Flood => {
                let mut bytes = answer(request).unwrap_or_else(|| vec![0; 64]);
                // Never the asked number.
                bytes[31] ^= 0x55;
                socket.set_nonblocking(true).ok();
                while !ended.load(Ordering::Relaxed) {
                    send(&bytes);
                    send(&[0xff; 60_000]);
                }
            }
        }
    }
}

/// The answer of the real one to `request`.
fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let id = u16::from_be_bytes(request.get(52..54)?.try_into().ok()?);
    let (_, hex) = ANSWERS.iter().find(|(known, _)| *known == id)?;
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    let mut answer: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    // Only its own domain is answered.
    (request[4] == answer[4]).then_some(())?;
    answer[30..32].copy_from_slice(&request[30..32]);
    answer[34..44].copy_from_slice(&request[20..30]);
    Some(answer)
}
