//! Units of a group, in step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use onair::{Contents, Error, Group, Step, Timeout, Unit};
use serde::Serialize;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use crate::tell;

/// Of one member.
#[derive(Clone, Debug, Default, Serialize)]
struct Counts {
    /// Given, but for those before the first whole one.
    units: u64,
    /// Given before it. Nothing in ancillary data says where a unit begins: its first one may be the rest of one.
    begun: u64,
    /// By the gaps in their numbers.
    missed: u64,
    /// Given with a part missing, and said to be so.
    incomplete: u64,
    /// Pictures that are not those which were sent.
    wrong: u64,
    #[serde(skip)]
    next: Option<u64>,
    #[serde(skip)]
    next_picture: Option<u64>,
}

impl Counts {
    fn count(&mut self, unit: &Unit) {
        let is_whole = unit.status().is_complete();
        if self.next.is_none() && !is_whole {
            self.begun += 1;
            return;
        }
        self.units += 1;
        let missed = self
            .next
            .map_or(0, |next| unit.number().saturating_sub(next));
        self.missed += missed;
        self.next = Some(unit.number() + 1);
        self.incomplete += u64::from(!is_whole);
        if let (true, Contents::Video(_)) = (is_whole, unit.contents()) {
            let picture = number(unit);
            let expected = self.next_picture.map(|next| next + missed);
            let is_next = picture.is_some() && expected.is_none_or(|it| picture == Some(it));
            self.wrong += u64::from(!is_next || !is_right(unit));
            self.next_picture = picture.map(|it| it + 1);
        } else if let Some(next) = &mut self.next_picture {
            *next += 1 + missed;
        }
    }
}

pub(crate) fn run(mut group: Group, orders: &Receiver<String>) -> Result<()> {
    let of = |name: &str| (name.to_owned(), Counts::default());
    let counts = group.members().iter().map(|it| of(it.name())).collect();
    let counts: Mutex<BTreeMap<String, Counts>> = Mutex::new(counts);
    let is_over = AtomicBool::new(false);
    println!("{}", json!({ "event": "ready" }));
    thread::scope(|scope| {
        let taken = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let unit = match group.next(Timeout::millis(100)) {
                    Ok(Step::Unit(unit) | Step::Late(unit) | Step::Resumed(_, unit)) => unit,
                    Ok(Step::Missing(_) | Step::Retargeted(_)) | Err(Error::TimedOut) => continue,
                    Err(error) => return Err(error),
                };
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(of_member) = counts.get_mut(unit.session().name()) {
                    of_member.count(&unit);
                }
            }
            Ok(())
        });
        tell(orders, || {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            json!({ "members": *counts })
        });
        is_over.store(true, Ordering::Relaxed);
        Ok(taken.join().expect("it does not panic")?)
    })
}

/// Its number: bytes 8 to 16, little endian.
pub(crate) fn number(frame: &[u8]) -> Option<u64> {
    let bytes = frame.strip_prefix(b"ONAIRPAT")?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Whether the last eight bytes are the hash of all before them.
pub(crate) fn is_right(frame: &[u8]) -> bool {
    frame
        .split_last_chunk()
        .is_some_and(|(picture, hash)| xxh3_64(picture) == u64::from_le_bytes(*hash))
}
