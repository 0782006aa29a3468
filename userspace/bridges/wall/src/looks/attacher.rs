//! Attaches: a request that may take seconds, away from the thread that must not be late.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use onair::{Client, Contents, Error, Session};
use onair_api::SessionId;

/// Longest answer of the daemon.
const ANSWER: Duration = Duration::from_secs(5);

/// Attaches that wait for the daemon at a time.
const AT_ONCE: usize = 4;

/// A session that was asked for, or why there is none.
pub(super) type Attached = (SessionId, Result<Session<Contents>, Error>);

/// The threads, which end with this.
#[derive(Debug)]
pub(super) struct Attacher {
    asked: Sender<SessionId>,
    attached: Receiver<Attached>,
}

impl Attacher {
    pub(super) fn start(client: &Client) -> io::Result<Self> {
        let client = client.clone().response_timeout(ANSWER);
        let (asked, requests) = channel();
        let (answers, attached) = channel();
        let requests = Arc::new(Mutex::new(requests));
        for _ in 0..AT_ONCE {
            let (client, requests, answers) = (client.clone(), requests.clone(), answers.clone());
            let thread = thread::Builder::new().name("wall-attach".to_owned());
            thread.spawn(move || run(&client, &requests, &answers))?;
        }
        Ok(Self { asked, attached })
    }

    pub(super) fn ask(&self, id: SessionId) {
        // It ends only with this.
        let _ = self.asked.send(id);
    }

    /// A session that was attached meanwhile.
    pub(super) fn take(&self) -> Option<Attached> {
        self.attached.try_recv().ok()
    }
}

fn run(client: &Client, requests: &Mutex<Receiver<SessionId>>, answers: &Sender<Attached>) {
    loop {
        let request = {
            let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.recv()
        };
        let Ok(id) = request else { return };
        let session = client.attach_to_sample_of::<Contents>(&id.to_string(), None);
        if answers.send((id, session)).is_err() {
            return;
        }
    }
}
