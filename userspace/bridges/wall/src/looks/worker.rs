//! The thread that takes frames.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use axum::body::Bytes;
use onair::{Client, Contents, Error, Session};
use onair_api::SessionId;

use super::essence::{Pixels, RawLook};
use super::source::Source;
use super::{LookContent, Looks, Way, Wish};

/// Longest time between two turns.
const LONGEST: Duration = Duration::from_millis(250);
/// The same while a session is being attached to.
const ATTACHING: Duration = Duration::from_millis(20);
/// Shortest one: looks that are due within it are taken together.
const SHORTEST: Duration = Duration::from_millis(1);
/// After a session could not be attached to.
const AGAIN: Duration = Duration::from_secs(3);
/// Longest answer of the daemon.
const ANSWER: Duration = Duration::from_secs(5);
/// Attaches that wait for the daemon at a time.
const AT_ONCE: usize = 4;
/// Pictures that wait. One that finds no place is not shown: the next one is not far.
const WAITING: usize = 64;

pub(super) fn start(looks: Looks, client: &Client, encoder: Encoder) -> io::Result<()> {
    let attacher = Attacher::start(client)?;
    let mut worker = Worker {
        looks,
        attacher,
        sources: HashMap::new(),
        asked: HashSet::new(),
        failed: HashMap::new(),
        encoder,
    };
    let thread = thread::Builder::new().name("wall-look".to_owned());
    thread.spawn(move || worker.run())?;
    Ok(())
}

struct Worker {
    looks: Looks,
    attacher: Attacher,
    sources: HashMap<SessionId, Source>,
    /// Sessions that the attacher works at.
    asked: HashSet<SessionId>,
    /// When a session may be tried again.
    failed: HashMap<SessionId, Instant>,
    encoder: Encoder,
}

impl Worker {
    fn run(&mut self) {
        while let Some(wants) = self.wants() {
            self.attach(&wants);
            self.sources.retain(|id, _| wants.contains_key(id));
            for (id, wish) in &wants {
                self.look(*id, *wish);
            }
            let longest = match self.asked.is_empty() {
                true => LONGEST,
                false => ATTACHING,
            };
            let next = self.sources.values().map(Source::turn).min();
            let turn = next.map_or(longest, |it| it.saturating_duration_since(Instant::now()));
            thread::sleep(turn.clamp(SHORTEST, longest));
        }
    }

    /// The viewers' present wishes; waits until there are some. `None`: the process ends.
    fn wants(&self) -> Option<HashMap<SessionId, Wish>> {
        let mut state = self.looks.state();
        loop {
            if state.is_over {
                return None;
            }
            let wants: HashMap<_, _> = state.wanted(Way::Attach).collect();
            // Sessions that are not wanted any more are detached from by one more turn.
            if !wants.is_empty() || !self.sources.is_empty() || !self.asked.is_empty() {
                return Some(wants);
            }
            let waited = self.looks.0.wanted.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn attach(&mut self, wants: &HashMap<SessionId, Wish>) {
        self.failed.retain(|_, again| *again > Instant::now());
        for id in wants.keys() {
            let is_known = self.sources.contains_key(id) || self.failed.contains_key(id);
            if !is_known && self.asked.insert(*id) {
                self.attacher.ask(*id);
            }
        }
        while let Some((id, attached)) = self.attacher.take() {
            self.asked.remove(&id);
            match attached {
                Ok(session) => self.enter(id, session),
                Err(error) => self.fail(id, &reason(&error)),
            }
        }
    }

    fn enter(&mut self, id: SessionId, session: Session<Contents>) {
        match Source::new(session) {
            Ok(source) if source.id() == id => {
                self.sources.insert(id, source);
            }
            Ok(_) => self.fail(id, "Another session has its place."),
            Err(why) => self.fail(id, &why),
        }
    }

    fn fail(&mut self, id: SessionId, why: &str) {
        self.sources.remove(&id);
        self.failed.insert(id, Instant::now() + AGAIN);
        self.looks.say(id, why);
    }

    fn look(&mut self, id: SessionId, wish: Wish) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        match source.look(wish) {
            Ok(None) => {}
            Ok(Some(RawLook::Pixels(pixels, seen))) => {
                self.encoder.encode(id, Work::Pixels(pixels, seen));
            }
            Ok(Some(RawLook::Look(seen))) => self.looks.publish(id, seen, Bytes::new()),
            Err(Error::Stopped) => self.looks.say(id, "Stopped."),
            Err(error) => self.fail(id, &reason(&error)),
        }
    }
}

/// Why there is no picture, for a tile.
fn reason(error: &Error) -> String {
    match error {
        Error::Stale => "The session is gone.".to_owned(),
        Error::Disconnected | Error::NoDaemon { .. } => "The daemon is away.".to_owned(),
        error => format!("No picture: {error}"),
    }
}

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

/// A picture or sound to compress.
pub(super) enum Work {
    Pixels(Pixels, LookContent),
    /// A snapshot as the daemon made it, to be so wide.
    Png(Bytes, u16),
}

/// The thread, which ends with the last clone of this.
#[derive(Clone, Debug)]
pub(super) struct Encoder(SyncSender<(SessionId, Work)>);

impl Encoder {
    pub(super) fn start(looks: Looks) -> io::Result<Self> {
        let (sender, work) = sync_channel::<(SessionId, Work)>(WAITING);
        let run = move || {
            for (id, work) in work {
                match jpeg(work) {
                    Ok((seen, jpeg)) => looks.publish(id, seen, jpeg),
                    Err(why) => looks.say(id, &why),
                }
            }
        };
        let thread = thread::Builder::new().name("wall-encode".to_owned());
        thread.spawn(run)?;
        Ok(Self(sender))
    }

    pub(super) fn encode(&self, id: SessionId, work: Work) {
        if let Err(TrySendError::Full((id, ..))) = self.0.try_send((id, work)) {
            tracing::debug!(%id, "a picture is left out: the encoder is behind");
        }
    }
}

fn jpeg(work: Work) -> Result<(LookContent, Bytes), String> {
    let (pixels, seen) = match work {
        Work::Pixels(pixels, seen) => (pixels, seen),
        Work::Png(png, width) => {
            let pixels = Pixels::of_png(&png, width);
            let pixels = pixels.ok_or("No picture: the daemon's snapshot is unknown.")?;
            let seen = LookContent::Picture {
                number: None,
                complete: true,
                size: pixels.size,
            };
            (pixels, seen)
        }
    };
    let jpeg = pixels.jpeg();
    let jpeg = jpeg.map_err(|error| format!("The picture is not shown: {error}."))?;
    Ok((seen, jpeg))
}
