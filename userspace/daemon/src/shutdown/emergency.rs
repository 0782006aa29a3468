//! What is said when nothing else can be trusted: one write(2) of words that exist already. No
//! allocation, no lock, no log.

/// A second signal, after the first was acknowledged.
pub const SECOND: &str = "onaird: a second signal: nobody is waited for any longer\n";
/// A further one.
pub const THIRD: &str = "onaird: a further signal: ending at once, nothing more is released\n";
/// A panic in the thread that takes signals.
pub const PANIC: &str = "onaird: a panic while a signal was handled: shutting down\n";

/// Says it on standard error, whole or not at all.
pub fn say(words: &'static str) {
    // Nobody reads it: there is nobody to tell that.
    let _ = rustix::io::write(std::io::stderr(), words.as_bytes());
}
