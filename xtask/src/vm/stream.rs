//! What comes out of the machine: the output of the jobs, and between it lines that report.

use std::mem::take;

/// A piece of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The script runs: seconds since the kernel began, and the kernel's release.
    Booted { uptime: String, release: String },
    /// The time of the calibration loop in the machine, in µs.
    Calibrated { micros: u64 },
    /// The job of this name begins.
    Begun { name: String },
    /// It has ended with this exit status.
    Ended { name: String, status: u8 },
    /// Bytes that a job wrote.
    Output(Vec<u8>),
}

/// Begins a report, before its token.
const MARK: u8 = 0x1e;

/// Splits the stream of one machine.
pub(crate) struct Stream {
    token: Vec<u8>,
    /// Bytes that may be the beginning of a report.
    pending: Vec<u8>,
}

impl Stream {
    pub(crate) fn new(token: &str) -> Self {
        let token = [&[MARK], token.as_bytes(), b" "].concat();
        Self {
            token,
            pending: Vec::new(),
        }
    }

    /// Takes the next bytes, and gives what is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut output = Vec::new();
        for &byte in bytes {
            self.pending.push(byte);
            if let Some(report) = self.pending.strip_prefix(self.token.as_slice()) {
                if byte == b'\n' {
                    let event = parse(&String::from_utf8_lossy(report));
                    self.pending.clear();
                    let before = take(&mut output);
                    events.extend((!before.is_empty()).then_some(Event::Output(before)));
                    events.extend(event);
                }
            } else if !self.token.starts_with(&self.pending) {
                // The byte may begin a report where the others did not.
                let last = self.pending.pop();
                output.append(&mut self.pending);
                match last {
                    Some(MARK) => self.pending.push(MARK),
                    last => output.extend(last),
                }
            }
        }
        events.extend((!output.is_empty()).then_some(Event::Output(output)));
        events
    }
}

fn parse(report: &str) -> Option<Event> {
    let mut words = report.split_ascii_whitespace();
    let kind = words.next()?;
    let first = words.next()?.to_owned();
    Some(match kind {
        "booted" => Event::Booted {
            uptime: first,
            release: words.next()?.to_owned(),
        },
        "calibrated" => Event::Calibrated {
            micros: first.parse().ok()?,
        },
        "begin" => Event::Begun { name: first },
        "end" => Event::Ended {
            name: first,
            status: words.next()?.parse().ok()?,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"\x1eT booted 31.50 6.1.0-49-amd64\n\x1eT calibrated 1234\n\x1eT begin demo\nhello \x1ethere\x1e\n\x1eT end demo 3\n";

    fn expected() -> Vec<Event> {
        vec![
            Event::Booted {
                uptime: "31.50".to_owned(),
                release: "6.1.0-49-amd64".to_owned(),
            },
            Event::Calibrated { micros: 1234 },
            Event::Begun {
                name: "demo".to_owned(),
            },
            Event::Output(b"hello \x1ethere\x1e\n".to_vec()),
            Event::Ended {
                name: "demo".to_owned(),
                status: 3,
            },
        ]
    }

    #[test]
    fn stream_in_one_piece_gives_reports_and_output_in_order() {
        assert_eq!(Stream::new("T").push(RAW), expected());
    }

    #[test]
    fn stream_cut_anywhere_gives_the_same() {
        for cut in 0..RAW.len() {
            let mut stream = Stream::new("T");
            let mut joined: Vec<Event> = Vec::new();
            let pieces = [&RAW[..cut], &RAW[cut..]];
            for event in pieces.into_iter().flat_map(|piece| stream.push(piece)) {
                match (joined.last_mut(), event) {
                    (Some(Event::Output(before)), Event::Output(more)) => before.extend(more),
                    (_, event) => joined.push(event),
                }
            }
            assert_eq!(joined, expected(), "cut at {cut}");
        }
    }

    #[test]
    fn report_with_another_token_is_output() {
        let raw = b"\x1eX end demo 0\n";
        assert_eq!(Stream::new("T").push(raw), [Event::Output(raw.to_vec())]);
    }
}
