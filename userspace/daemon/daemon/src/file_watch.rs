//! Watches the configuration file on disk: whether a restart would accept it. A thread of its own reads it, as that may
//! hang.

use std::fs::metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use onair_settings::config::Config;

use crate::log;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The configuration file, as the control thread sees it. Dropping it ends the thread after its look.
#[derive(Debug, Default)]
pub struct FileWatch {
    invalid: Arc<ArcSwapOption<String>>,
    _running: Option<Sender<()>>,
}

impl FileWatch {
    /// Watches `file`, which the daemon has read; no file is never invalid. The thread also calls `beside` once a
    /// second.
    ///
    /// # Errors
    /// The kernel's: cannot create a thread.
    pub fn start(file: Option<&Path>, beside: impl Fn() + Send + 'static) -> io::Result<Self> {
        let file = file.map(Path::to_owned);
        let invalid = Arc::<ArcSwapOption<String>>::default();
        let (running, ended) = channel::<()>();
        let own = Arc::clone(&invalid);
        Builder::new().name("config".into()).spawn(move || {
            let mut seen = None;
            while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                beside();
                let Some(file) = &file else { continue };
                let now = Some(Version::of(file));
                if now != seen {
                    own.store(refusal(file).map(Arc::new));
                    seen = now;
                }
            }
        })?;
        Ok(Self {
            invalid,
            _running: Some(running),
        })
    }

    /// A reload read the file, and this is why it is invalid.
    pub fn note(&self, invalid: Option<String>) {
        self.invalid.store(invalid.map(Arc::new));
    }

    /// Why a restart would fail; `None`: it would not, for all that the file says.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let reason = self.invalid.load_full()?;
        Some(format!(
            "the configuration file on disk is invalid, and a restart would fail: {reason}; correct it, then \
             `onairctl config reload`"
        ))
    }
}

/// One version of a file.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let it = metadata(path).ok()?;
        Some(Self {
            file: (it.dev(), it.ino()),
            size: it.size(),
            changed: (it.ctime(), it.ctime_nsec()),
        })
    }
}

/// Why the daemon would not start with the file; what the machine lacks is no reason.
fn refusal(file: &Path) -> Option<String> {
    let checked = Config::load(file).and_then(|config| {
        config.check_has_port()?;
        Ok(config)
    });
    match checked {
        Ok(config) => log::check_filter(&config.log.filter)
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_refused_for_what_it_says_or_because_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("onaird.toml");
        let good = "[[poller]]\nname = \"p\"\ncore = 0\n[[port]]\nname = \"a\"\n\
                    device = \"ring:x:a\"\naddress = \"10.0.0.1/24\"\npoller = \"p\"\n";
        for (text, reason) in [
            (good.to_owned(), None),
            (format!("{good}adress = 1\n"), Some("adress")),
            (
                format!("{good}[log]\nfilter = \"x=loud\"\n"),
                Some("x=loud"),
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let refused = refusal(&file);
            assert_eq!(refused.is_some(), reason.is_some(), "{refused:?}");
            assert!(
                refused
                    .unwrap_or_default()
                    .contains(reason.unwrap_or_default())
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(refusal(&file).unwrap().contains("No such file"));
    }
}
