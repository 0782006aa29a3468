//! The settings: `/etc/onair/mxl.toml`, or the command line.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use onair_bridge::{FileError, MACHINE_ID};
use serde::Deserialize;
use uuid::Uuid;

use crate::flow::flow_id;
use crate::inward::Inward;
use crate::libmxl::Library;
use crate::outward::Outward;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mxl: Settings,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder of the domain.
    pub domain: PathBuf,
    /// Path or name of the library.
    pub library: PathBuf,
    /// The daemon's attach socket.
    pub attach: PathBuf,
    /// The socket by which `onair-nmos` sees and switches what is carried. Absent: there is none.
    pub control: Option<PathBuf>,
    /// Seed of the ids of flows. Absent: `/etc/machine-id`.
    pub seed: Option<String>,
    /// Write flows also while `CLOCK_TAI` shows UTC.
    pub allow_utc: bool,
    /// Sessions that become flows.
    #[serde(rename = "in")]
    pub inward: Vec<InwardSettings>,
    /// Flows that become sessions.
    #[serde(rename = "out")]
    pub outward: Vec<OutwardSettings>,
}

/// A session that becomes a flow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InwardSettings {
    /// The session's name.
    pub session: String,
    /// The flow's id. Absent: made of the seed and the session's name.
    pub flow: Option<Uuid>,
    /// The flow's label. Absent: the session's name.
    pub label: Option<String>,
    /// The group of the flow. Absent: its label.
    pub group: Option<String>,
}

/// A flow that becomes a session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutwardSettings {
    /// The flow's id. Absent: a controller names it.
    pub flow: Option<Uuid>,
    /// The name of a send or local session.
    pub session: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            domain: "/dev/shm/mxl".into(),
            library: Library::NAME.into(),
            attach: onair::DEFAULT_SOCKET.into(),
            control: None,
            seed: None,
            allow_utc: false,
            inward: Vec::new(),
            outward: Vec::new(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// This machine has no identity.
    #[error(
        "cannot read {MACHINE_ID}: {0}: set mxl.seed to a text that no other machine has, or give each flow an id"
    )]
    Seed(io::Error),
    /// There is nothing to do.
    #[error(
        "neither a session nor a flow is named: add [[mxl.in]] or [[mxl.out]], or give --in or --out"
    )]
    Nothing,
    /// A session or a flow is named twice.
    #[error("{0} is named twice: name it once")]
    Twice(String),
    /// The flow has no name.
    #[error("the session {0} has no flow: name it, or set mxl.control so that a controller can")]
    NoFlow(String),
    /// A name without characters, or one with a colon where a group has none.
    #[error("an empty name of a session: give its name")]
    Empty,
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let file: File = onair_bridge::settings(path, false)?;
        Ok(file.mxl)
    }

    /// The tasks.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn tasks(&self) -> Result<(Vec<Inward>, Vec<Outward>), SettingsError> {
        if self.inward.is_empty() && self.outward.is_empty() {
            return Err(SettingsError::Nothing);
        }
        let mut seed: Option<String> = None;
        let mut inward = Vec::new();
        for of in &self.inward {
            let flow = match (of.flow, &seed) {
                (Some(flow), _) => flow,
                (None, Some(seed)) => flow_id(seed, &of.session),
                (None, None) => flow_id(seed.insert(self.seed()?), &of.session),
            };
            inward.push(Inward {
                session: of.session.clone(),
                flow,
                label: of.label.clone(),
                group: of.group.clone(),
                domain: self.domain.clone(),
                allow_utc: self.allow_utc,
            });
        }
        let outward = self.outward.iter().map(|of| Outward {
            flow: of.flow,
            session: of.session.clone(),
            domain: self.domain.clone(),
        });
        let outward: Vec<_> = outward.collect();
        if let (None, Some(it)) = (&self.control, outward.iter().find(|it| it.flow.is_none())) {
            return Err(SettingsError::NoFlow(it.session.clone()));
        }
        // A process attaches to a session once, and a flow has one writer. One that is written here may be read here.
        let sessions = inward.iter().map(|it| &it.session);
        let sessions = sessions.chain(outward.iter().map(|it| &it.session));
        let mut seen = BTreeSet::new();
        let flows = inward.iter().map(|it| it.flow.to_string());
        for name in sessions.cloned().chain(flows) {
            if name.is_empty() {
                return Err(SettingsError::Empty);
            }
            if !seen.insert(name.clone()) {
                return Err(SettingsError::Twice(name));
            }
        }
        Ok((inward, outward))
    }

    fn seed(&self) -> Result<String, SettingsError> {
        onair_bridge::seed(self.seed.as_deref()).map_err(SettingsError::Seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mxl.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_then_taken() {
        let settings = read(
            "[mxl]\ndomain = \"/d\"\nlibrary = \"/l.so\"\nattach = \"/a\"\ncontrol = \"/c\"\nseed = \"s\"\nallow_utc = true\n\
             [[mxl.in]]\nsession = \"cam1\"\nlabel = \"l\"\ngroup = \"g\"\n\
             [[mxl.in]]\nsession = \"cam2\"\nflow = \"5fbec3b1-1b0f-417d-9059-8b94a47197ed\"\n\
             [[mxl.out]]\nflow = \"5fbec3b1-1b0f-417d-9059-8b94a47197ed\"\nsession = \"playout\"\n\
             [[mxl.out]]\nsession = \"reserve\"\n",
        )
        .unwrap();
        let (inward, outward) = settings.tasks().unwrap();
        assert_eq!(inward[0].flow, flow_id("s", "cam1"));
        assert_eq!(
            (&*inward[0].domain, inward[0].allow_utc),
            (Path::new("/d"), true)
        );
        assert_eq!(Some(inward[1].flow), outward[0].flow);
        assert_eq!(outward[1].flow, None);
        assert_eq!(outward[0].session, "playout");
    }

    #[test]
    fn wrong_key_or_name_then_named() {
        for (text, parts) in [
            ("[mxl]\ndomian = 1\n", ["line 2", "domian"]),
            ("[[mxl.in]]\nflow = \"x\"\n", ["line 2", "UUID"]),
            ("[[mxl.out]]\nflow = \"x\"\n", ["line 2", "UUID"]),
        ] {
            let error = read(text).unwrap_err();
            assert!(parts.iter().all(|it| error.contains(it)), "{text}: {error}");
        }
        for (text, part) in [
            ("[mxl]\n", "neither"),
            (
                "[mxl]\nseed=\"s\"\n[[mxl.in]]\nsession=\"a\"\n[[mxl.in]]\nsession=\"a\"\n",
                "a is named twice",
            ),
            ("[[mxl.out]]\nsession=\"a\"\n", "a has no flow"),
            ("[mxl]\nseed=\" \"\n[[mxl.in]]\nsession=\"a\"\n", "mxl.seed"),
            ("[mxl]\nseed=\"s\"\n[[mxl.in]]\nsession=\"\"\n", "empty"),
        ] {
            let error = read(text).unwrap().tasks().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
