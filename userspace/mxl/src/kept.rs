//! What controllers have switched, in a file: it outlasts this process, and the machine's restart.

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
    path: PathBuf,
    all: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The flow that the settings had then: with another one the operator has changed it.
    settings: Option<Uuid>,
    active: bool,
    flow: Option<Uuid>,
}

impl Kept {
    /// The file beside a control socket, or of its name in the service manager's folder for state.
    pub(crate) fn beside(control: &Path, state: Option<&Path>) -> PathBuf {
        let folder = state.or(control.parent()).unwrap_or(Path::new("."));
        let name = control.file_name().unwrap_or_default().to_string_lossy();
        folder.join(format!("{name}.json"))
    }

    /// What the file has. One that cannot be read is as none.
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
        let all = Mutex::new(all);
        Self { path, all }
    }

    /// Where a session was left whose flow is this in the settings.
    pub(crate) fn position(&self, session: &str, settings: Option<Uuid>) -> Option<Position> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.get(session).filter(|it| it.settings == settings)?;
        Some(Position {
            active: entry.active,
            flow: entry.flow,
        })
    }

    /// A controller has moved a switch: the file has it when this returns, unless the log says why not.
    pub(crate) fn keep(&self, session: &str, settings: Option<Uuid>, position: Position) {
        let Position { active, flow } = position;
        let entry = Entry {
            settings,
            active,
            flow,
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(session.to_owned(), entry);
        if let Err(error) = self.write(&all) {
            tracing::warn!(%error, path = %self.path.display(), session, "a restart will not know what was switched");
        }
    }

    fn write(&self, all: &BTreeMap<String, Entry>) -> io::Result<()> {
        let part = self.path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(all)?)?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
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
        Kept::read(path.clone()).keep("playout", own, position);
        let next = Kept::read(path.clone());
        assert_eq!(next.position("playout", own), Some(position));
        assert_eq!(next.position("playout", other), None);
        assert_eq!(next.position("cam1", own), None);
        fs::write(&path, "{\"playout\":").unwrap();
        assert_eq!(Kept::read(path).position("playout", own), None);
        let beside = Kept::beside(control, None);
        assert_eq!(beside, Path::new("/run/onair-mxl/control.sock.json"));
    }
}
