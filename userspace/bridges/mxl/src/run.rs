//! The threads: one a session or flow, one that looks for readers of removed flows, and the one that waits for the end.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::{Duration, SystemTime};

use onair::Client;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::control::{Control, listen};
use crate::domain::{Dead, dead_maps};
use crate::ending::Ending;
use crate::kept::Kept;
use crate::libmxl::{Library, LoadError};
use crate::settings::{Settings, SettingsError};
use crate::totals::Totals;

/// How often processes are looked at that have removed flows mapped.
const LOOK: Duration = Duration::from_secs(10);

/// Why the program does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The library.
    #[error(transparent)]
    Library(#[from] LoadError),
    /// The kernel.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The control socket.
    #[error(
        "cannot listen at {0}: {1}: set mxl.control to a free path in a folder that this user may write"
    )]
    Control(PathBuf, io::Error),
    /// A thread is gone.
    #[error("the thread of {0} panicked")]
    Panicked(String),
}

/// Runs until SIGTERM or SIGINT. `ready` is called when every thread runs.
///
/// # Errors
/// [`RunError`].
pub fn run(settings: &Settings, ready: impl FnOnce()) -> Result<(), RunError> {
    let (inward, outward) = settings.tasks()?;
    let library = Arc::new(Library::load(settings.library.as_os_str())?);
    tracing::info!(version = library.version(), domain = %settings.domain.display(), "libmxl");
    let client = Client::at(&settings.attach);
    let listener = settings.control.as_ref().map(|path| {
        let listener = listen(path);
        listener.map_err(|error| RunError::Control(path.clone(), error))
    });
    let listener = listener.transpose()?;
    let control = Control::new(
        &settings.domain,
        inward.iter().map(|it| (it.session.as_str(), it.flow)),
        outward.iter().map(|it| (it.session.as_str(), it.flow)),
    );
    let control = match &settings.control {
        None => control,
        Some(path) => {
            let state = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
            control.keeping(Kept::read(Kept::beside(path, state.as_deref())))
        }
    };
    let ending = Ending::default();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let handle = signals.handle();
    thread::scope(|scope| {
        let (library, client, ending, control) = (&library, &client, &ending, &control);
        let mut threads = Vec::new();
        let mut start = |name: &str, task: Box<dyn FnOnce() -> Totals + Send>| {
            let handle = handle.clone();
            let thread = Builder::new().name(name.to_owned());
            let thread = thread.spawn_scoped(scope, move || {
                // One that panics ends the program, too: the service manager starts it again.
                let _ends = EndsWith(handle, ending);
                task()
            });
            thread.map(|thread| threads.push((name.to_owned(), thread)))
        };
        let started = (|| {
            for of in &inward {
                let orders = (ending, control.switch(&of.session));
                start(
                    &of.session,
                    Box::new(move || of.run(library, client, orders)),
                )?;
            }
            for of in &outward {
                let orders = (ending, control.switch(&of.session));
                start(
                    &of.session,
                    Box::new(move || of.run(library, client, orders)),
                )?;
            }
            if let Some(listener) = listener {
                let serve = Builder::new().name("controllers".to_owned());
                serve.spawn_scoped(scope, move || control.serve(&listener, ending))?;
            }
            Builder::new()
                .name("dead-flows".to_owned())
                .spawn_scoped(scope, || watch(&settings.domain, ending))
        })();
        if started.is_ok() {
            ready();
            signals.forever().next();
            tracing::info!("ends");
        }
        ending.begin();
        started?;
        for (name, thread) in threads {
            match thread.join() {
                Ok(totals) => tracing::info!(session = name, "{totals}"),
                Err(_) => return Err(RunError::Panicked(name)),
            }
        }
        Ok(())
    })
}

/// Begins the end when it is dropped.
struct EndsWith<'a>(signal_hook::iterator::Handle, &'a Ending);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.1.begin();
        self.0.close();
    }
}

/// Names each process that keeps a removed flow mapped over two looks, once: its memory stays in use.
fn watch(domain: &Path, ending: &Ending) {
    let mut seen: BTreeMap<Dead, (SystemTime, bool)> = BTreeMap::new();
    while !ending.is_here() {
        let dead = dead_maps(domain);
        seen.retain(|it, _| dead.contains(it));
        for one in dead {
            let (since, is_said) = seen
                .entry(one.clone())
                .or_insert((SystemTime::now(), false));
            if since.elapsed().is_ok_and(|it| it >= LOOK / 2) && !*is_said {
                *is_said = true;
                let since = since
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .map_or(0, |it| it.as_secs());
                tracing::warn!(
                    process = one.process,
                    name = one.name,
                    flow = one.flow,
                    bytes = one.bytes,
                    since_unix_s = since,
                    "a process keeps a removed flow mapped: it reads nothing any more, and the domain's memory stays in \
                     use until it opens the flow again, or ends"
                );
            }
        }
        ending.wait(LOOK);
    }
}
