//! The end of all ports, side by side: each waits for the kernel to let go of its sockets.

use std::mem;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use onair_dpdk::{CloseError, Port};
use onair_mutant::mutant;

use crate::config::DataplaneError;
use crate::plane::slot::PortSlot;

/// [`Port::close`], or [`Port::leave`].
pub(crate) type EndPort = fn(Port) -> Result<(), CloseError>;

/// Ends the ports, whose pollers have ended, with `end`, and waits for the last. Each `timeout`, the log names
/// those that are not closed yet: what waits for this function may give up.
///
/// # Errors
/// The first failure. The other ports are closed.
pub(crate) fn close_all(
    slots: Vec<PortSlot>,
    timeout: Duration,
    end: EndPort,
) -> Result<(), DataplaneError> {
    let closing = slots.into_iter().map(|slot| {
        let port = slot.name().to_owned();
        (port.clone(), move || close(slot, port, end))
    });
    let late = |ports: &[String]| {
        tracing::warn!(ports = ports.join(", "), "still closing ports");
    };
    side_by_side(closing.collect(), timeout, late)
}

fn close(slot: PortSlot, port: String, end: EndPort) -> Result<(), DataplaneError> {
    let Some(open) = slot.into_port() else {
        return Ok(());
    };
    if mutant!("ports: not closed at the end") {
        mem::forget(open);
        return Ok(());
    }
    end(open).map_err(|source| DataplaneError::Close { port, source })
}

/// Runs named works, each on its own thread, and waits for all. Calls `late` with the names of those
/// under way when none has ended for `timeout`. Returns the first failure.
///
/// # Panics
/// If a work does.
fn side_by_side<E: Send>(
    works: Vec<(String, impl FnOnce() -> Result<(), E> + Send)>,
    timeout: Duration,
    mut late: impl FnMut(&[String]),
) -> Result<(), E> {
    let mut under_way: Vec<_> = works.iter().map(|(name, _)| name.clone()).collect();
    let mut result = Ok(());
    thread::scope(|scope| {
        let (report, reports) = channel();
        for (name, work) in works {
            let (report, reported) = (report.clone(), name.clone());
            let run = move || {
                // The receiver waits for every sender.
                let _ = report.send((reported, work()));
            };
            let spawned = thread::Builder::new()
                .name("onair-close".to_owned())
                .spawn_scoped(scope, run);
            if let Err(error) = spawned {
                // Its work is dropped: a port closes then, too.
                tracing::error!(%error, name, "no thread to close a port");
                under_way.retain(|it| *it != name);
            }
        }
        drop(report);
        loop {
            match reports.recv_timeout(timeout) {
                Ok((name, ended)) => {
                    under_way.retain(|it| *it != name);
                    result = mem::replace(&mut result, Ok(())).and(ended);
                }
                Err(RecvTimeoutError::Timeout) => late(&under_way),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    type Work<'a> = Box<dyn FnOnce() -> Result<(), &'static str> + Send + 'a>;

    #[test]
    fn works_that_wait_for_each_other_end() {
        let both = Barrier::new(2);
        let work = || -> Work<'_> {
            Box::new(|| {
                both.wait();
                Ok(())
            })
        };
        let works = vec![("a".to_owned(), work()), ("b".to_owned(), work())];

        assert_eq!(side_by_side(works, Duration::from_secs(60), |_| ()), Ok(()));
    }

    #[test]
    fn one_hangs_then_named_alone_and_another_failure_is_returned() {
        let (release, released) = channel();
        let hangs: Work<'_> = Box::new(move || released.recv().map_err(|_| "never released"));
        let fails: Work<'_> = Box::new(|| Err("broken"));
        let works = vec![("hangs".to_owned(), hangs), ("fails".to_owned(), fails)];
        let late = |names: &[String]| {
            if names == ["hangs"] {
                // It may have been released by an earlier call.
                let _ = release.send(());
            }
        };

        let ended = side_by_side(works, Duration::from_millis(1), late);

        assert_eq!(ended, Err("broken"));
    }
}
