//! One file of an interrupted recording.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;

use onair_api::RecordingFormat;
use onair_disk::open_regular;
use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::Digest as _;

use super::packets::{self, Contents};
use crate::files::Folder;
use crate::files::sum::hexadecimal;
use crate::manifest::{FileReport, Manifest, RepairedFile, Time};
use crate::spec::{RecordName, UNFINISHED};

/// A file in the folder.
pub(super) struct FoundFile {
    pub(super) name: String,
    is_open: bool,
    /// Its entry in the manifest, if any.
    pub(super) known: Option<FileReport>,
    file: File,
    pub(super) contents: Contents,
    pub(super) cut: u64,
    /// It was complete and is unchanged.
    pub(super) is_untouched: bool,
}

/// Files of `manifest` among `names`: number, name, and whether it is unfinished.
pub(super) fn of_recording(manifest: &Manifest, names: &[String]) -> Vec<(u32, String, bool)> {
    let stem = manifest.name.as_str();
    let mut files: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let (own, number, is_open) = parse(name)?;
            let complete = name.strip_suffix(&format!(".{UNFINISHED}"));
            let complete = complete.unwrap_or(name);
            (own == stem).then(|| (number, complete.to_owned(), is_open))
        })
        .collect();
    files.sort();
    files
}

/// Parses a file name: the recording's name, the part's number, and whether it is unfinished.
pub(super) fn parse(name: &str) -> Option<(String, u32, bool)> {
    let (name, is_open) = match name.strip_suffix(&format!(".{UNFINISHED}")) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (stem, extension) = name.rsplit_once('.')?;
    if extension != RecordingFormat::Pcapng.extension() {
        return None;
    }
    let numbered = stem.rsplit_once('.').and_then(|(stem, digits)| {
        let is_number = digits.len() >= 4 && digits.bytes().all(|it| it.is_ascii_digit());
        let number = digits
            .parse()
            .ok()
            .filter(|number| *number > 0 && is_number)?;
        Some((stem, number))
    });
    let (stem, number) = numbered.unwrap_or((stem, 1));
    stem.parse::<RecordName>().ok()?;
    Some((stem.to_owned(), number, is_open))
}

impl FoundFile {
    /// Reads it; changes nothing. `plan` is what an earlier repair planned.
    pub(super) fn look(
        folder: &Folder,
        manifest: &Manifest,
        (name, is_open): (&str, bool),
        plan: Option<&RepairedFile>,
        at: Time,
    ) -> io::Result<Self> {
        let path = match is_open {
            true => folder.unfinished(name),
            false => folder.file(name),
        };
        let about = |reason: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {reason}", path.display()))
        };
        let file = open_regular(&path, OFlags::RDWR).map_err(|reason| about(&reason))?;
        flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| about(&"another process writes it"))?;
        let known = manifest.files.iter().find(|it| {
            it.name == name || it.name.strip_suffix(&format!(".{UNFINISHED}")) == Some(name)
        });
        let len = file.metadata()?.len();
        if !is_open
            && plan.is_none()
            && let Some(known) = known.filter(|it| it.sha256.is_some() && it.bytes == len)
        {
            return Ok(Self::complete(manifest, known, file));
        }
        // What an earlier repair appended was not recorded.
        let recorded = match plan {
            Some(plan) => len.min(plan.kept_bytes),
            None => len,
        };
        let reader = BufReader::with_capacity(1 << 20, (&file).take(recorded));
        let says = |found: u64, cut: u64| {
            format!(
                "onair: recording interrupted, repaired at {at}: {found} found, {cut} incomplete bytes removed"
            )
        };
        let planned_cut = plan.map_or(0, |plan| plan.cut_bytes);
        let read = packets::read(reader, manifest, at, |found, kept| {
            says(found, planned_cut + (recorded - kept))
        });
        let contents = read.map_err(|error| about(&error))?;
        let cut = planned_cut + (recorded - contents.kept);
        let is_untouched = !is_open && plan.is_none();
        Ok(Self {
            name: name.to_owned(),
            is_open,
            known: known.cloned(),
            file,
            contents,
            cut,
            is_untouched,
        })
    }

    /// A file that was complete and is in the manifest: it is not read again.
    fn complete(manifest: &Manifest, known: &FileReport, file: File) -> Self {
        let names = manifest.producers.iter().map(|it| it.name.clone());
        let contents = Contents {
            kept: known.bytes,
            events: names.zip(known.by_producer.iter().copied()).collect(),
            ..Contents::default()
        };
        Self {
            name: known.name.clone(),
            is_open: false,
            known: Some(known.clone()),
            file,
            contents,
            cut: 0,
            is_untouched: true,
        }
    }

    /// Problem of a complete file that is left unchanged.
    pub(super) fn trouble(&self) -> Option<String> {
        let is_damaged = self.is_untouched && self.cut > 0;
        is_damaged.then(|| {
            format!(
                "{} was complete, but now only its first {} bytes are valid: file left unchanged",
                self.name, self.contents.kept
            )
        })
    }

    /// The planned repair; `None` for a complete file.
    pub(super) fn plan(&self) -> Option<RepairedFile> {
        if self.is_untouched {
            return None;
        }
        Some(RepairedFile {
            name: self.name.clone(),
            kept_bytes: self.contents.kept,
            cut_bytes: self.cut,
            added_bytes: self.contents.addition.len() as u64,
            events: self.contents.total(),
        })
    }

    /// Repairs it. If interrupted, the next start does the same again.
    pub(super) fn mend(&mut self, folder: &Folder) -> io::Result<()> {
        if self.is_untouched {
            return Ok(());
        }
        self.file.set_len(self.contents.kept)?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(&self.contents.addition)?;
        self.file.sync_all()?;
        self.contents.hash.update(&self.contents.addition);
        if self.is_open {
            let unfinished = folder.unfinished(&self.name);
            folder.rename(&unfinished, &folder.file(&self.name))?;
        }
        Ok(())
    }

    /// Its entry in the manifest.
    pub(super) fn report(&self) -> FileReport {
        let contents = &self.contents;
        if let Some(known) = &self.known
            && self.is_untouched
            && known.sha256.is_some()
        {
            // A check of the sum shows whether it is unchanged.
            return known.clone();
        }
        let added = match self.is_untouched {
            true => 0,
            false => contents.addition.len() as u64,
        };
        let known = self.known.as_ref();
        let time =
            |found: Option<u64>, known: Option<Time>| found.map(Time::from_unix_ns).or(known);
        FileReport {
            name: self.name.clone(),
            bytes: contents.kept + added + if self.is_untouched { self.cut } else { 0 },
            events: contents.total(),
            by_producer: Vec::new(),
            sha256: (!self.is_untouched || self.cut == 0)
                .then(|| hexadecimal(&contents.hash.clone().finalize())),
            first_at: time(contents.first_at, known.and_then(|it| it.first_at)),
            last_at: time(contents.last_at, known.and_then(|it| it.last_at)),
        }
    }
}
