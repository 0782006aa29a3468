//! Checks that a client is seen: its sites are armed, and none of its threads sleeps unseen.
//!
//! A client can map anything over its text, also a file whose server never answers: reading there
//! hangs. The caller checks on a thread that it can leave behind.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use onair_ebpf::sites::ReadAt;
use onair_ipc::memory::EventCountFile;
use onair_mutant::mutant;

use crate::clients::attached::Hold;
use crate::clients::folder::{Folder, Mappings};
use crate::clients::sleepers::{Bounds, Words, asleep_on, event_counts_in, unlisted};
use crate::clients::text::SitePage;
use crate::error::Blind;
use crate::programs::maps::locked;

/// Threads of a session that the probe lists as blocked, in this process's pid namespace.
pub(crate) type Listed = dyn Fn(u64) -> Result<Vec<u32>, Blind> + Send + Sync;

/// Result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteReading {
    /// Threads that sleep on its event counts, by their number in this process's pid namespace. The
    /// probe lists each of them, or has seen it leave meanwhile.
    pub asleep: Vec<u32>,
}

/// One client process in one session. It keeps the process's files watched while it lives.
///
/// The open `/proc/PID/mem` refers to the address space at the time of the open, and does not keep
/// it alive.
pub struct SiteChecker {
    client: Arc<WatchedClient>,
    addresses: Vec<u64>,
    _holds: Vec<Hold>,
}

impl std::fmt::Debug for SiteChecker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteChecker")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Parts of a checker.
pub(crate) struct CheckerParts {
    pub(crate) memory: File,
    pub(crate) folder: Folder,
    pub(crate) pages: Vec<SitePage>,
    pub(crate) addresses: Vec<u64>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) bounds: Bounds,
    pub(crate) listed: Arc<Listed>,
}

impl SiteChecker {
    pub(crate) fn new(parts: CheckerParts) -> Self {
        let client = Arc::new(WatchedClient {
            memory: parts.memory,
            folder: parts.folder,
            pages: parts.pages,
            bounds: parts.bounds,
            listed: parts.listed,
            event_counts: OnceLock::new(),
            latched: Mutex::new(None),
        });
        Self {
            client,
            addresses: parts.addresses,
            _holds: parts.holds,
        }
    }

    /// Has every look from now on ask for threads that sleep on these event counts, too: those of the client's
    /// attachment to `session`. The first call counts.
    pub fn watch_event_counts(&self, session: u64, event_counts: EventCountFile) {
        // An attachment has one memory all its life.
        let _ = self.client.event_counts.set((session, event_counts));
    }

    /// A checker for a thread that may be left behind.
    #[must_use]
    pub fn looker(&self) -> Looker {
        Looker(Arc::clone(&self.client))
    }

    /// Checks the client: its pages with sites have the watched file's bytes and the breakpoints,
    /// are mapped from that file, and the probe lists every thread that sleeps on its event counts.
    ///
    /// Blocks as long as the client's file systems do, so call it only from a thread that can be
    /// left behind. Its own work is bounded by the configured threads and time. Without thousands
    /// of threads it takes some 0.1 ms.
    ///
    /// # Errors
    /// [`Blind::AddressSpaceGone`] after exec or death, which leaves no caller. [`Blind::Unlisted`]
    /// with the threads that sleep unseen. [`Blind::Unarmed`], [`Blind::Altered`],
    /// [`Blind::Replaced`], [`Blind::Unreadable`] by its text. After any of these but the first
    /// [`Blind::Before`]: the probe may have missed callers meanwhile. [`Blind::TooManyThreads`],
    /// [`Blind::Restless`], [`Blind::Slow`] and [`Blind::Proc`] are about this check alone.
    pub fn look(&self) -> Result<SiteReading, Blind> {
        self.client.look()
    }

    /// Addresses of the sites in the process.
    pub fn addresses(&self) -> &[u64] {
        &self.addresses
    }
}

/// A check of one client.
pub struct Looker(Arc<WatchedClient>);

impl Looker {
    /// As [`SiteChecker::look`]. An address space that is gone (exec, death) is no error: no thread runs in it.
    ///
    /// # Errors
    /// As [`SiteChecker::look`], but for [`Blind::AddressSpaceGone`].
    pub fn look(&self) -> Result<SiteReading, Blind> {
        without_space(self.0.look())
    }

    /// As [`Self::look`] of each, with one reading of the mappings and of the threads for those of
    /// one process. Everything is read after the call: the answer is valid for each question that
    /// was asked before it.
    #[must_use]
    pub fn look_together(lookers: &[Self]) -> Vec<Result<SiteReading, Blind>> {
        let clients: Vec<&WatchedClient> = lookers.iter().map(|it| &*it.0).collect();
        let found = match clients.as_slice() {
            [] => Vec::new(),
            [one] => vec![one.look()],
            [first, ..] => {
                let shared = WatchedClient::examine(&clients);
                let first = first.folder.is_there().then_some(&first.folder);
                let each = clients.iter().zip(shared);
                let own = each.map(|(client, found)| {
                    let is_one = first.is_some_and(|it| it.pid() == client.folder.pid())
                        && client.folder.is_there();
                    if is_one || mutant!("look: one process stands for another") {
                        client.latch(found)
                    } else {
                        client.look()
                    }
                });
                own.collect()
            }
        };
        found.into_iter().map(without_space).collect()
    }
}

fn without_space(found: Result<SiteReading, Blind>) -> Result<SiteReading, Blind> {
    match found {
        Err(Blind::AddressSpaceGone) => Ok(SiteReading::default()),
        found => found,
    }
}

impl std::fmt::Debug for Looker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Looker")
    }
}

struct WatchedClient {
    memory: File,
    folder: Folder,
    pages: Vec<SitePage>,
    bounds: Bounds,
    listed: Arc<Listed>,
    event_counts: OnceLock<(u64, EventCountFile)>,
    /// The first blindness.
    latched: Mutex<Option<Blind>>,
}

impl WatchedClient {
    fn look(&self) -> Result<SiteReading, Blind> {
        let found = Self::examine(&[self]).pop();
        self.latch(found.expect("as many as were asked for"))
    }

    /// Examines the clients, which are attachments of one process: its mappings and the calls of
    /// its threads are read once, through the first one's folder; everything else for each one.
    fn examine(clients: &[&Self]) -> Vec<Result<SiteReading, Blind>> {
        let Some(first) = clients.first() else {
            return Vec::new();
        };
        let mappings = first.folder.mappings();
        let texts: Vec<_> = clients
            .iter()
            .map(|it| mutant!("probe: text is not compared", Ok(()), it.text(&mappings)))
            .collect();
        let sleepers = mutant!(
            "probe: sleepers are not compared",
            vec![Ok(SiteReading::default()); clients.len()],
            Self::sleepers(clients, &mappings)
        );
        let found = clients.iter().zip(texts).zip(sleepers);
        found
            .map(|((client, text), sleepers)| {
                // Last: the text may belong to the next address space, or to none.
                if client.is_gone() {
                    return Err(Blind::AddressSpaceGone);
                }
                match (sleepers, text) {
                    // Report a thread that sleeps unseen first, also for a client that was blind
                    // before.
                    (Err(blind @ Blind::Unlisted { .. }), _) | (_, Err(blind)) => Err(blind),
                    (sleepers, Ok(())) => sleepers,
                }
            })
            .collect()
    }

    fn text(&self, mappings: &io::Result<Mappings>) -> Result<(), Blind> {
        for page in &self.pages {
            page.check_bytes(&self.memory)?;
        }
        let mappings = known(mappings)?;
        for page in &self.pages {
            page.check_mapping(&self.folder, mappings)?;
        }
        Ok(())
    }

    fn sleepers(
        clients: &[&Self],
        mappings: &io::Result<Mappings>,
    ) -> Vec<Result<SiteReading, Blind>> {
        let all = |blind: Blind| vec![Err(blind); clients.len()];
        let Some(first) = clients.first() else {
            return Vec::new();
        };
        if clients.iter().all(|it| it.event_counts.get().is_none()) {
            return vec![Ok(SiteReading::default()); clients.len()];
        }
        let mappings = match known(mappings) {
            Ok(mappings) => mappings,
            Err(blind) => return all(blind),
        };
        let words = clients.iter().map(|it| {
            let of = mutant!("look: one session's words for all", first, it);
            of.words(mappings)
        });
        let words: Vec<Words<'_, File>> = words.collect();
        let asleep = match asleep_on(&words, &first.folder, first.bounds) {
            Ok(asleep) => asleep,
            Err(blind) => return all(blind),
        };
        let each = clients.iter().zip(&words).zip(asleep);
        each.map(|((it, words), asleep)| it.listed(words, asleep))
            .collect()
    }

    fn words(&self, mappings: &Mappings) -> Words<'_, File> {
        let event_counts = self.event_counts.get();
        let addresses = event_counts.map(|(_, file)| event_counts_in(mappings, file));
        Words {
            addresses: addresses.unwrap_or_default(),
            memory: &self.memory,
        }
    }

    /// Whether the probe lists each of the threads that are asleep on `words`.
    fn listed(&self, words: &Words<'_, File>, asleep: Vec<u32>) -> Result<SiteReading, Blind> {
        let Some((session, _)) = self.event_counts.get() else {
            return Ok(SiteReading::default());
        };
        let listed = || (self.listed)(*session);
        let tids = unlisted(&asleep, words, &self.folder, listed)?;
        if tids.is_empty() {
            Ok(SiteReading { asleep })
        } else {
            Err(Blind::Unlisted { tids })
        }
    }

    fn is_gone(&self) -> bool {
        let page = self.pages.first().map_or(0, SitePage::address);
        matches!(ReadAt::read_at(&self.memory, &mut [0], page), Ok(0))
    }

    /// Stores the first blindness, and returns it if there is none now.
    fn latch(&self, result: Result<SiteReading, Blind>) -> Result<SiteReading, Blind> {
        let mut latched = locked(&self.latched);
        match (&result, &*latched) {
            (Err(blind), None) if blind.lasts() && !mutant!("probe: blindness is not latched") => {
                *latched = Some(blind.clone());
            }
            (Ok(_), Some(first)) => {
                let first = Box::new(first.clone());
                return Err(Blind::Before { first });
            }
            _ => {}
        }
        result
    }
}

fn known(mappings: &io::Result<Mappings>) -> Result<&Mappings, Blind> {
    let unread = |kind: io::ErrorKind| Blind::Proc {
        what: "its mappings",
        source: Arc::new(kind.into()),
    };
    match mappings {
        Ok(mappings) if mappings.lines.is_empty() => Err(unread(io::ErrorKind::NotFound)),
        Ok(mappings) => Ok(mappings),
        Err(error) => Err(unread(error.kind())),
    }
}
