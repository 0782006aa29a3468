//! Messages for when no other code can be trusted: one write(2) of prepared text. It does not
//! allocate, lock or queue, and writes nothing if the write would block.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::log;

/// A message in both log formats, with the final newline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    text: &'static str,
    json: &'static str,
}

/// Makes a message in both formats.
macro_rules! words {
    ($message:literal) => {
        Words {
            text: concat!("onaird: ", $message, "\n"),
            json: concat!(
                r#"{"level":"WARN","fields":{"message":""#,
                $message,
                r#""},"target":"onaird"}"#,
                "\n"
            ),
        }
    };
}

/// A second signal, after the first was acknowledged.
pub(super) const SECOND: Words = words!("second signal: forcing the shutdown");
/// A further signal.
pub(super) const THIRD: Words = words!("further signal: exiting at once without cleanup");
/// A panic in the signal thread.
pub(super) const PANIC: Words = words!("panic in the signal thread: shutting down");

impl Words {
    fn now(self) -> &'static str {
        if log::is_json() { self.json } else { self.text }
    }
}

/// Writes to standard error at once, before the lines in the log's queue, whole or not at all.
pub(super) fn say(words: Words) {
    say_to(std::io::stderr(), words.now());
}

/// Writes to the log, after the lines in its queue.
pub(super) fn log(words: Words) {
    log::words(words.now());
}

fn say_to(place: impl AsFd, words: &'static str) {
    let mut fds = [PollFd::new(&place, PollFlags::OUT)];
    if poll(&mut fds, Some(&Timespec::default())) == Ok(1) {
        // The reader has gone or does not read. There is no other place to report that.
        let _ = rustix::io::write(&place, words.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    use super::*;

    #[test]
    fn words_said_without_a_reader_then_left_out() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while writer.write(&[0; 512]).is_ok() {}
        // From here on a writer blocks.
        rustix::io::ioctl_fionbio(&writer, false).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            say_to(&writer, THIRD.text);
            sender.send(writer).unwrap();
        });
        let writer = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        let mut zeros = Vec::new();
        drop(writer);
        reader.read_to_end(&mut zeros).unwrap();
        assert!(zeros.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn words_said_to_a_reader_then_read() {
        let (reader, writer) = std::io::pipe().unwrap();
        say_to(&writer, THIRD.text);
        drop(writer);
        assert_eq!(std::io::read_to_string(reader).unwrap(), THIRD.text);
    }

    #[test]
    fn words_in_json_then_one_line_that_says_the_same() {
        for words in [SECOND, THIRD, PANIC] {
            let value: serde_json::Value = serde_json::from_str(words.json).unwrap();
            let message = value["fields"]["message"].as_str().unwrap();
            assert_eq!(words.text, format!("onaird: {message}\n"));
            assert_eq!(words.json.matches('\n').count(), 1);
        }
    }
}
