//! Signal handlers: each sets the flag of its signal and writes a byte into a pipe, from which a thread reads.
//!
//! Repeated signals of one kind coalesce until the thread has read them, as pending signals do in the kernel (signal(7),
//! *Queueing and delivery semantics*): a late thread must not read one request as several. A handler does not wait for
//! a full pipe: the thread then has bytes to read, and checks all flags after it has read.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use onair_mutant::mutant;
use signal_hook::SigId;
use signal_hook::flag;
use signal_hook::low_level::{pipe, unregister};

/// The registered handlers. Drop ends it: later signals have no effect here, and the pipe is closed.
#[derive(Debug, Default)]
pub(crate) struct HandlerActions(Vec<SigId>);

impl Drop for HandlerActions {
    fn drop(&mut self) {
        for action in std::mem::take(&mut self.0) {
            unregister(action);
        }
    }
}

/// The thread's end.
#[derive(Debug)]
pub(crate) struct SignalPipe {
    reader: io::PipeReader,
    flags: Vec<(i32, Arc<AtomicBool>)>,
}

impl SignalPipe {
    /// Gives each of `signals` a handler.
    ///
    /// # Errors
    /// The kernel's: no descriptors left, or a signal that cannot be handled.
    pub(crate) fn open(signals: &[i32]) -> io::Result<(HandlerActions, Self)> {
        let (reader, writer) = io::pipe()?;
        let (mut actions, mut flags) = (HandlerActions::default(), Vec::new());
        for &signal in signals {
            let flag = Arc::new(AtomicBool::new(false));
            // The handler runs them in this order.
            actions.0.push(flag::register(signal, Arc::clone(&flag))?);
            actions.0.push(pipe::register(signal, writer.try_clone()?)?);
            flags.push((signal, flag));
        }
        Ok((actions, Self { reader, flags }))
    }

    /// Passes each signal that is there to `each`, in the order of [`Self::open`], and waits for the
    /// next ones, until the [`HandlerActions`] are dropped and what they wrote is read.
    pub(crate) fn run(mut self, mut each: impl FnMut(i32)) {
        let mut bytes = [0; 4096];
        while !matches!(self.reader.read(&mut bytes), Ok(0)) {
            let seen = mutant!("signals: of two kinds one is seen", 1, self.flags.len());
            for (signal, flag) in &self.flags[..seen] {
                // SYNC: none. The pipe orders: the handler stores before it writes.
                if flag.swap(false, Ordering::SeqCst) {
                    each(*signal);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGPROF, SIGURG, SIGUSR2, SIGVTALRM, SIGWINCH};
    use signal_hook::low_level::raise;

    use super::*;

    // A signal meets the handlers of all tests that run: each test has signals of its own.

    /// The signals of `two` that are read when each of `sent` has met its handler.
    fn read_after(two: [i32; 2], sent: impl IntoIterator<Item = i32>) -> Vec<i32> {
        let (actions, pipe) = SignalPipe::open(&two).unwrap();
        // To the own thread: the handler has run when this returns.
        sent.into_iter().for_each(|signal| raise(signal).unwrap());
        drop(actions);
        let mut read = Vec::new();
        pipe.run(|signal| read.push(signal));
        read
    }

    #[test]
    fn signals_before_the_thread_looks_then_each_kind_is_read_once() {
        let two = [SIGUSR2, SIGWINCH];
        assert!(read_after(two, []).is_empty());
        assert_eq!(read_after(two, [SIGWINCH]), [SIGWINCH]);
        let several = [SIGWINCH, SIGUSR2, SIGWINCH, SIGWINCH];
        assert_eq!(read_after(two, several), two);
    }

    #[test]
    fn signals_that_come_while_one_is_handled_then_read_afterwards() {
        let (actions, pipe) = SignalPipe::open(&[SIGURG]).unwrap();
        raise(SIGURG).unwrap();
        let (mut actions, mut read) = (Some(actions), 0);
        pipe.run(|_| {
            read += 1;
            match read {
                1 | 2 => raise(SIGURG).unwrap(),
                _ => drop(actions.take()),
            }
        });
        assert_eq!(read, 3);
    }

    #[test]
    fn signals_more_than_the_pipe_takes_then_no_handler_waits() {
        let two = [SIGVTALRM, SIGPROF];
        let storm = std::iter::repeat_n(SIGVTALRM, 70_000).chain([SIGPROF]);
        assert_eq!(read_after(two, storm), two);
    }
}
