//! A recording that goes on: the files of earlier daemons stand before those of this one.
//!
//! Its manifest is the only place that knows of it. While it runs, `NAME.json.part` says so. The daemon's end leaves
//! `NAME.json`: in order with the cause `shutdown`, after a kill by repair with the cause `killed`, and with the
//! [`Request`](crate::manifest::Request) that any other end takes out. The next daemon either goes on
//! ([`Recording::go_on`](crate::Recording::go_on)): `NAME.json.part` is on disk before `NAME.json` is removed, and
//! only then the next file begins. Or it takes the request out ([`conclude`]), so that no later daemon goes on.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use onair_api::RecordingEnd;

use crate::files::{Folder, ManifestFile};
use crate::manifest::{LISTED, Manifest, Restart};
use crate::totals::ProducerCounts;

/// Counts the events that are missing between two daemons. It knows what the events carry; the recorder does not.
pub trait Seam: Debug + Send {
    /// Takes one of the first events of the new file; returns whether it needs another one.
    fn event(&mut self, at_ns: u64, bytes: &[u8]) -> bool;
    /// The missing events; `None` if they cannot be known.
    fn missed(&self) -> Option<u64>;
}

/// Recordings of earlier daemons.
#[derive(Debug)]
pub(crate) struct Before {
    manifest: Manifest,
}

impl Before {
    /// Of the manifest that an earlier daemon, or repair, left.
    pub(crate) fn new(mut manifest: Manifest) -> Self {
        if let Some(repair) = manifest.repair.take() {
            manifest.problems.push(repair.says);
        }
        manifest.restarts.push(Restart {
            cause: manifest.cause.unwrap_or(RecordingEnd::Killed),
            after: manifest.last_at(),
            before: None,
            missed: None,
        });
        Self { manifest }
    }

    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Time since its first start, without a daemon too. If the clock was set back before that start: until its
    /// last event.
    pub(crate) fn age(&self) -> Duration {
        let begun = self.manifest.started_at.0;
        let last = self.manifest.last_at().map(|it| it.0);
        let age = |at: Option<SystemTime>| at?.duration_since(begun).ok();
        let age = age(Some(SystemTime::now())).or_else(|| age(last));
        age.unwrap_or_default()
    }

    /// The counts of each producer, with those of its namesake before it, and where each of `now` is among them.
    pub(crate) fn producers_with(
        &self,
        now: Vec<ProducerCounts>,
    ) -> (Vec<ProducerCounts>, Vec<usize>) {
        let mut all = self.manifest.producers.clone();
        let mut places = Vec::new();
        for producer in now {
            let place = all.iter().position(|it| it.name == producer.name);
            match place {
                Some(place) => all[place].counts.add(&producer.counts),
                None => all.push(producer),
            }
            places.push(place.unwrap_or(all.len() - 1));
        }
        (all, places)
    }

    /// Puts it before the counts and gaps in `manifest`, whose files it has already.
    pub(crate) fn put_first(&self, manifest: &mut Manifest) {
        let before = &self.manifest;
        let now = std::mem::take(&mut manifest.producers);
        let (producers, places) = self.producers_with(now);
        for file in manifest.files.iter_mut().skip(before.files.len()) {
            let mut events = vec![0; producers.len()];
            for (place, more) in places.iter().zip(&file.by_producer) {
                events[*place] += more;
            }
            file.by_producer = events;
        }
        manifest.totals = Default::default();
        producers
            .iter()
            .for_each(|it| manifest.totals.add(&it.counts));
        manifest.producers = producers;
        let gaps = std::mem::take(&mut manifest.gaps);
        manifest.gaps = before.gaps.iter().cloned().chain(gaps).collect();
        let more = manifest.gaps.len().saturating_sub(LISTED);
        manifest.gaps.truncate(LISTED);
        manifest.gaps_more += before.gaps_more + more as u64;
        manifest.restarts.clone_from(&before.restarts);
    }
}

/// Ends a recording that an earlier daemon left, for `cause`: no later daemon goes on with it. Returns the manifest
/// that is then on disk.
///
/// # Errors
/// The manifest is not replaced.
pub fn conclude(
    folder: &Path,
    mut manifest: Manifest,
    cause: RecordingEnd,
) -> io::Result<Manifest> {
    manifest.request = None;
    manifest.cause = Some(cause);
    let mut text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    text.push(b'\n');
    let stem = manifest.name.as_str();
    let folder = Folder::new(folder, stem, manifest.format.extension(), false, 0);
    ManifestFile::rewrite(&folder, stem, &text)?;
    Ok(manifest)
}
