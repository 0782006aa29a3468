//! Messages to the control thread: each channel keeps its order, and has its delays.

use std::collections::{BTreeMap, HashSet};
use std::mem::discriminant;

use onair_session::Event;
use onair_session::shutdown::Remedy;
use onair_sim_kernel::{below, fence, now_ns};

use crate::runtime::PlayedRuntime;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// The operator, and clients' requests.
    Requests,
    /// Signals to the daemon.
    Signals,
    /// A client's socket.
    Socket(usize),
    /// The probe.
    Probe,
    /// A pidfd.
    Process(usize),
    /// A poller.
    Poller(usize),
    /// A helper thread.
    Helper(u64),
}

/// A message to the control thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// An event of one session.
    Core(usize, Event<PlayedRuntime>),
    /// The daemon is told to exit, and what happens to users after so many ns.
    Exit(Remedy, u64),
    /// The second signal.
    ExitNow,
    /// A runtime that is not the session's comes back, if that is here.
    StrayRuntime(usize),
    /// Look at this client's threads, and answer.
    LookedAtThreads(usize, onair_session::ThreadQuestion),
}

/// A source, of which each turn of the daemon takes one message.
type Source = std::mem::Discriminant<Channel>;

/// All that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// By time of arrival, then by order; each with the source that the daemon receives it from.
    waiting: BTreeMap<(u64, u64), (Source, Message)>,
    last: BTreeMap<Channel, u64>,
    sent: u64,
}

impl Mail {
    /// Sends a message, which takes at most `delay`.
    pub(crate) fn send(&mut self, channel: Channel, delay: u64, message: Message) {
        fence();
        let delay = below(usize::try_from(delay).unwrap_or(0) + 1) as u64;
        let last = self.last.entry(channel).or_default();
        *last = (*last).max(now_ns() + delay);
        self.sent += 1;
        let source = discriminant(&channel);
        self.waiting.insert((*last, self.sent), (source, message));
    }

    /// Sends a message that arrives after exactly so long.
    pub(crate) fn send_after(&mut self, ns: u64, message: Message) {
        self.sent += 1;
        let source = discriminant(&Channel::Helper(0));
        let at = (now_ns() + ns, self.sent);
        self.waiting.insert(at, (source, message));
    }

    /// When the next message arrives.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    /// The messages that have arrived, one of each source, in their order.
    pub(crate) fn one_of_each(&mut self) -> Vec<Message> {
        fence();
        let now = now_ns();
        let mut seen = HashSet::new();
        let arrived = self.waiting.range(..=(now, u64::MAX));
        let first = arrived.filter(|(_, (source, _))| seen.insert(*source));
        let first: Vec<_> = first.map(|(at, _)| *at).collect();
        let taken = first.iter().filter_map(|at| self.waiting.remove(at));
        taken.map(|(_, message)| message).collect()
    }

    /// A message, whether it has arrived or not.
    pub(crate) fn take_any(&mut self) -> Option<Message> {
        self.waiting.pop_first().map(|(_, (_, message))| message)
    }

    /// Whether a poller has handed this session back, and the daemon has not read that.
    pub(crate) fn has_runtime_of(&self, session: usize) -> bool {
        let mut all = self.waiting.values().map(|(_, message)| message);
        all.any(|it| matches!(it, Message::Core(of, Event::HandedBack(_)) if *of == session))
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
