//! The controllers' switches, in a file: it outlasts this process, that of the controller, and the machine's restart.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::switch::Position;

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// The positions to which controllers have moved switches, by session.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// `None`: it outlasts nothing.
    path: Option<PathBuf>,
    all: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The flow that the settings had then: with another one the operator has changed it.
    settings: Option<Uuid>,
    active: bool,
    flow: Option<Uuid>,
    connected: Option<String>,
}

impl Kept {
    /// The file beside a control socket, or of its name in the service manager's folder for state.
    pub(crate) fn beside(control: &Path, state: Option<&Path>) -> PathBuf {
        let folder = state.or(control.parent()).unwrap_or(Path::new("."));
        let name = control.file_name().unwrap_or_default().to_string_lossy();
        folder.join(format!("{name}.json"))
    }

    /// Reads the file. One that cannot be read is as none.
    pub(crate) fn read(path: PathBuf) -> Self {
        let read = || -> io::Result<_> {
            let mut text = String::new();
            File::open(&path)?.take(LONGEST).read_to_string(&mut text)?;
            Ok(serde_json::from_str(&text)?)
        };
        let all = read().unwrap_or_else(|error| {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, path = %path.display(), "what controllers switched is not known");
            }
            BTreeMap::default()
        });
        let (path, all) = (Some(path), Mutex::new(all));
        Self { path, all }
    }

    /// The entry of a session whose flow is this in the settings.
    fn entry(&self, session: &str, settings: Option<Uuid>) -> Option<Entry> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.get(session).filter(|it| it.settings == settings);
        entry.cloned()
    }

    /// Where a session was left.
    pub(crate) fn position(&self, session: &str, settings: Option<Uuid>) -> Option<Position> {
        let Entry { active, flow, .. } = self.entry(session, settings)?;
        Some(Position { active, flow })
    }

    /// The note of the client that moved it.
    pub(crate) fn connected(&self, session: &str, settings: Option<Uuid>) -> Option<String> {
        self.entry(session, settings)?.connected
    }

    /// A controller has moved a switch, and says this of it: the file has it when this returns, unless the log says why not.
    pub(crate) fn keep(
        &self,
        session: &str,
        settings: Option<Uuid>,
        (Position { active, flow }, connected): (Position, Option<String>),
    ) {
        let entry = Entry {
            settings,
            active,
            flow,
            connected,
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(session.to_owned(), entry);
        let Some(path) = &self.path else { return };
        if let Err(error) = write(path, &all) {
            tracing::warn!(%error, path = %path.display(), session, "a restart will not know what was switched");
        }
    }
}

fn write(path: &Path, all: &BTreeMap<String, Entry>) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(&serde_json::to_vec(all)?)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switched_then_known_to_the_next_unless_settings_changed() {
        let folder = tempfile::tempdir().unwrap();
        let control = Path::new("/run/onair-mxl/control.sock");
        let path = Kept::beside(control, Some(folder.path()));
        let (own, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        let position = Position {
            active: false,
            flow: other,
        };
        let said = Some("{}".to_owned());
        Kept::read(path.clone()).keep("playout", own, (position, said.clone()));
        let next = Kept::read(path.clone());
        assert_eq!(next.position("playout", own), Some(position));
        assert_eq!(next.connected("playout", own), said);
        assert_eq!(next.position("playout", other), None);
        assert_eq!(next.position("cam1", own), None);
        fs::write(&path, "{\"playout\":").unwrap();
        assert_eq!(Kept::read(path).position("playout", own), None);
        let beside = Kept::beside(control, None);
        assert_eq!(beside, Path::new("/run/onair-mxl/control.sock.json"));
    }
}
