//! A poller without work: it spins, or lets packets wake it and sleeps.

use std::time::Duration;

use onair_dpdk::RxQueue;
use onair_mutant::mutant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_error;

use super::{Poller, monotonic_ns};
use crate::poller::idle::Sleep;
use crate::port::hand_over::Share;
use crate::transmit::RETRY_NS;

impl Poller {
    /// After an idle turn at `now_ns`.
    pub(super) fn rest(&mut self, now_ns: u64) {
        let due_ns = self.due_ns(now_ns);
        match self.idler.sleep(now_ns, due_ns) {
            None => std::hint::spin_loop(),
            Some(sleep) => {
                let must_look = self.arm();
                // What came before the queues were armed wakes nothing: one more turn looks for it.
                if !(must_look && self.step(monotonic_ns())) {
                    self.counters.sleeps.add(1);
                    self.counters.sessions.set(self.sessions.len() as u64);
                    self.sleep(sleep);
                    self.napped_ns = Some(now_ns).filter(|_| !sleep.until_packet);
                }
                self.disarm();
            }
        }
    }

    fn due_ns(&mut self, now_ns: u64) -> u64 {
        let unsaid = !self.outbox.flush();
        let stuck = self.ports.iter().any(|port| port.transmit.is_stuck());
        let retry = if unsaid || stuck {
            now_ns + RETRY_NS
        } else {
            u64::MAX
        };
        let ports = self.ports.iter();
        let each = ports.map(|port| port.neighbours.due_ns().min(port.transmit.due_ns()));
        each.fold(self.sessions.due_ns().min(retry), u64::min)
    }

    /// Sleeps until a packet that ends this sleep or a command arrives, or the time is up.
    fn sleep(&self, sleep: Sleep) {
        let queues = self.ports.iter().flat_map(|port| &port.receive);
        let ends = |queue: &&RxQueue| sleep.until_packet || !queue.has_packet_socket();
        let waits = queues.filter(ends).filter_map(RxQueue::wait_fd);
        let mut fds: Vec<_> = waits
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        fds.push(PollFd::new(&self.inbox.poller.waker, PollFlags::IN));
        let timeout = Duration::from_nanos(sleep.ns);
        let timeout = Timespec::try_from(timeout).expect("at most a second");
        // An error is a signal: the next turn checks everything anyway.
        let _ = poll(&mut fds, Some(&timeout));
        if fds.last().is_some_and(|waker| !waker.revents().is_empty()) {
            self.inbox.poller.waker.clear();
        }
        let failed = |fd: &&PollFd<'_>| {
            fd.revents().contains(PollFlags::ERR)
                && !mutant!("poller: a socket's error is not read")
        };
        for fd in fds.iter().filter(failed) {
            // The interface went down: a socket ends each sleep at once until its error is read.
            let _ = socket_error(fd);
        }
    }

    /// Lets packets wake the poller, also those that other pollers hand over. Returns whether another turn must come before the sleep.
    fn arm(&mut self) -> bool {
        // Before the look at the lanes: another poller that hands packets over from now on wakes this one.
        self.inbox.poller.doze();
        self.ports.iter_mut().fold(false, |must_look, port| {
            let queues = port.receive.iter_mut();
            let queue = queues.fold(false, |must_look, queue| queue.arm() | must_look);
            let handed = port.share.as_ref().is_some_and(Share::has_some);
            queue | handed | must_look
        })
    }

    fn disarm(&mut self) {
        self.inbox.poller.rouse();
        let ports = self.ports.iter_mut();
        let queues = ports.flat_map(|port| &mut port.receive);
        queues.for_each(RxQueue::disarm);
    }
}
