//! A whole daemon in the test's process. DPDK is initialised once in a process, so each test has its own.
//! It needs neither hugepages nor an interface.

mod control;
mod crossings;
mod panics;
mod peer_by_number;
mod pollers;
mod run;
mod shares;

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use onair_api::ShutdownSummary;
use onair_settings::config::Config;
use onair_stage::{Deadline, Http, is_own_process, until};
use onaird::run::{Started, Succession, run};
use onaird::shutdown::ShutdownCoordinator;
use onaird::takeover::Takeover;
use serde_json::Value;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// The daemon, until its end.
pub(crate) struct InProcess {
    pub(crate) coordinator: ShutdownCoordinator,
    pub(crate) started: Started,
    folder: tempfile::TempDir,
    end: Receiver<ShutdownSummary>,
}

impl InProcess {
    /// Starts it, with poller `p0`, a port `a`, and `more` of the configuration. `register` comes first.
    pub(crate) fn start(more: &str, register: impl FnOnce(&ShutdownCoordinator)) -> Self {
        assert!(is_own_process(), "the test lacks `in_own_process!()`");
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let file = folder.path().join("onaird.toml");
        let text = format!(
            "[control]\nsocket = \"{at}/control.sock\"\n\
             [attach]\nsocket = \"{at}/attach.sock\"\n\
             [state]\ndir = \"{at}/state\"\nexpedite_rcu = false\n\
             [dpdk]\nhugepages = \"never\"\nmemory_mb = 128\n\
             {more}\n\
             [[poller]]\nname = \"p0\"\ncore = 0\n\
             [[port]]\nname = \"a\"\ndevice = \"ring:in-process:a\"\naddress = \"10.9.2.1/24\"\n\
             poller = \"p0\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file).unwrap();
        let coordinator = ShutdownCoordinator::new(config.shutdown).unwrap();
        register(&coordinator);
        let (sender, ready) = channel();
        let own = coordinator.clone();
        let (told, end) = channel();
        thread::spawn(move || {
            let succession = Succession {
                predecessor: None,
                takeover: Takeover::of_demo(&own),
            };
            let outcome = run(config, &own, succession, |started| {
                sender.send(started.clone()).unwrap()
            });
            told.send(onaird::run::summary::summary(outcome.unwrap()))
                .unwrap();
        });
        Self {
            coordinator,
            started: ready.recv_timeout(TIMEOUT).unwrap(),
            folder,
            end,
        }
    }

    /// The folder of its sockets.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for its end; nothing of it is left in its folder but its state.
    pub(crate) fn ended(self) -> ShutdownSummary {
        let summary = self.end.recv_timeout(TIMEOUT).unwrap();
        assert!(!self.folder.path().join("control.sock").exists());
        assert!(!self.folder.path().join("attach.sock").exists());
        summary
    }

    /// One request on the control socket: status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let socket = self.folder().join("control.sock");
        let answer = Http::connect(&socket, TIMEOUT)
            .unwrap()
            .request(method, path, body);
        let answer = answer.unwrap();
        (answer.status, answer.json)
    }

    /// Waits until `GET path` is as `wanted`.
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(path, Deadline::after(TIMEOUT), || {
            let (_, body) = self.ask("GET", path, &Value::Null);
            Ok(wanted(&body).then_some(body))
        })
        .unwrap()
    }
}
