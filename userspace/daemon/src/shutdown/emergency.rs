//! What is said when nothing else can be trusted: one write(2) of words that exist already. No
//! allocation, no lock, no log; nothing if it would wait for a reader.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A second signal, after the first was acknowledged.
pub const SECOND: &str = "onaird: a second signal: nobody is waited for any longer\n";
/// A further one.
pub const THIRD: &str = "onaird: a further signal: ending at once, nothing more is released\n";
/// A panic in the thread that takes signals.
pub const PANIC: &str = "onaird: a panic while a signal was handled: shutting down\n";

/// Says it on standard error, whole or not at all.
pub fn say(words: &'static str) {
    say_to(std::io::stderr(), words);
}

fn say_to(place: impl AsFd, words: &'static str) {
    let mut fds = [PollFd::new(&place, PollFlags::OUT)];
    if poll(&mut fds, Some(&Timespec::default())) == Ok(1) {
        // Nobody reads it: there is nobody to tell that.
        let _ = rustix::io::write(&place, words.as_bytes());
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    use super::*;

    #[test]
    fn words__said_where_nobody_reads__then_left_out() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while writer.write(&[0; 512]).is_ok() {}
        // From here on who writes waits.
        rustix::io::ioctl_fionbio(&writer, false).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            say_to(&writer, THIRD);
            tell.send(writer).unwrap();
        });
        let writer = told.recv_timeout(Duration::from_secs(30)).unwrap();
        let mut zeros = Vec::new();
        drop(writer);
        reader.read_to_end(&mut zeros).unwrap();
        assert!(zeros.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn words__said_where_somebody_reads__then_heard() {
        let (reader, writer) = std::io::pipe().unwrap();
        say_to(&writer, THIRD);
        drop(writer);
        assert_eq!(std::io::read_to_string(reader).unwrap(), THIRD);
    }
}
