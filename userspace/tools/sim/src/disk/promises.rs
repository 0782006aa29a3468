//! The oracle: what operators were told, and what a restart must find of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use onair_api::{
    Certificate, CertificateQuery, SessionId, SessionName, SessionRef, SessionSpec, StoppedBefore,
};
use onair_archive::{Archive, PersistedSession};
use onair_certificate::{CheckOutcome, Verification};
use serde_json::Value;

use super::{trace, violation};

/// State of a session that is wanted after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) spec: SessionSpec,
    pub(super) running: bool,
    pub(super) stopped: Option<StoppedBefore>,
}

/// States that were wanted of the session of a name, in order; `None`: that there is none.
#[derive(Clone, Debug, Default)]
struct History {
    states: Vec<Option<Wanted>>,
    /// The last one that is promised: a restart finds it, or a later one.
    told: Option<usize>,
    /// The highest generation that the session has had.
    reached: u64,
    /// Its file was damaged.
    is_damaged: bool,
    /// The session has an earlier stop from a damaged file.
    is_stop_damaged: bool,
}

/// The forms of a certificate, in order.
#[derive(Clone, Debug, Default)]
struct Forms {
    forms: Vec<Value>,
    /// The one that the daemon has.
    current: usize,
    /// The last one that is promised.
    told: Option<usize>,
    /// It was one too many.
    is_removed: bool,
    is_damaged: bool,
}

/// All promises.
#[derive(Debug, Default)]
struct Promises {
    sessions: BTreeMap<SessionName, History>,
    certificates: BTreeMap<SessionId, Forms>,
    /// Certificates that are kept, oldest first.
    kept: Vec<SessionId>,
}

thread_local! {
    static PROMISES: RefCell<Promises> = RefCell::default();
}

fn promises<R>(using: impl FnOnce(&mut Promises) -> R) -> R {
    PROMISES.with(|it| using(&mut it.borrow_mut()))
}

/// A life begins: nothing is promised.
pub(super) fn begin() {
    promises(|it| *it = Promises::default());
}

/// The session of a name is wanted so. Returns the number of the wish.
pub(super) fn want(name: &SessionName, wanted: Option<Wanted>) -> usize {
    promises(|it| {
        let history = it.sessions.entry(name.clone()).or_default();
        if wanted.is_none() {
            history.reached = 0;
        }
        if history.states.last() != Some(&wanted) {
            history.states.push(wanted);
        }
        history.states.len() - 1
    })
}

/// The wanted state of the session of a name.
pub(super) fn wanted(name: &SessionName) -> Option<Wanted> {
    promises(|it| it.sessions.get(name)?.states.last()?.clone())
}

/// A session has this generation.
pub(super) fn reached(name: &SessionName, generation: u64) {
    promises(|it| {
        if let Some(history) = it.sessions.get_mut(name) {
            history.reached = history.reached.max(generation);
        }
    });
}

/// An operator is told that a wish is on disk.
pub(super) fn told_session(name: &SessionName, wish: usize) {
    trace(|| format!("told: wish {wish} for {name}"));
    promises(|it| {
        let history = it.sessions.get_mut(name).expect("it was wanted");
        history.told = history.told.max(Some(wish));
    });
}

fn document(certificate: &Certificate) -> Value {
    let mut certificate = certificate.clone();
    certificate.durable = true;
    serde_json::to_value(certificate).expect("maps have text keys")
}

/// A certificate is issued, or completed; `most` are kept. Returns the number of the form.
pub(super) fn issued(certificate: &Certificate, most: usize) -> usize {
    let document = document(certificate);
    match onair_certificate::verify(&document) {
        Ok(found) if found.holds => {}
        Ok(found) if is_of_damaged(certificate, &found) => {}
        found => violation(format!("an invalid certificate: {found:#?}")),
    }
    promises(|it| {
        let forms = it.certificates.entry(certificate.session).or_default();
        if forms.forms.is_empty() {
            it.kept.push(certificate.session);
        }
        forms.forms.push(document);
        let form = forms.forms.len() - 1;
        forms.current = form;
        it.trim(most);
        form
    })
}

/// Whether nothing is wrong with a certificate but an earlier stop, which a damaged file told the daemon.
fn is_of_damaged(certificate: &Certificate, found: &Verification) -> bool {
    let mut wrong = found
        .checks
        .iter()
        .filter(|it| it.outcome == CheckOutcome::Fails);
    wrong.all(|it| it.name == "restored")
        && promises(|it| {
            it.sessions
                .get(&certificate.name)
                .is_some_and(|it| it.is_stop_damaged)
        })
}

/// An operator is told that a form of a certificate is on disk.
pub(super) fn told_certificate(session: SessionId, form: usize) {
    trace(|| format!("told: form {form} of {session}"));
    promises(|it| {
        let forms = it.certificates.get_mut(&session).expect("it was issued");
        forms.told = forms.told.max(Some(form));
    });
}

/// An operator gets a certificate, whose answer says whether it is on disk.
pub(super) fn shown(certificate: &Certificate) {
    let (session, document) = (certificate.session, document(certificate));
    let form = promises(|it| {
        let forms = it.certificates.get(&session)?;
        let form = forms.forms.iter().rposition(|it| *it == document);
        form.or(forms.is_damaged.then_some(0))
    });
    match form {
        Some(form) if certificate.durable => told_certificate(session, form),
        Some(_) => {}
        None => violation(format!(
            "certificate {session} is shown, and was not issued so"
        )),
    }
}

/// The daemon has ended in order, and says that all is on disk.
pub(super) fn told_all() {
    promises(|it| {
        for history in it.sessions.values_mut() {
            history.told = history.states.len().checked_sub(1);
        }
        for session in &it.kept {
            let forms = it.certificates.get_mut(session).expect("it was issued");
            forms.told = Some(forms.current);
        }
    });
}

/// The sessions whose certificates were issued.
pub(super) fn all_issued() -> Vec<SessionId> {
    promises(|it| it.certificates.keys().copied().collect())
}

/// The file of a session or of a certificate was damaged.
pub(super) fn damaged(file: &str) {
    promises(|it| {
        let name = file.trim_end_matches(".part").trim_end_matches(".json");
        let sessions = it.sessions.iter_mut();
        for (_, history) in sessions.filter(|(it, _)| it.to_string() == name) {
            history.is_damaged = true;
        }
        if let Ok(session) = name.parse::<SessionId>()
            && let Some(forms) = it.certificates.get_mut(&session)
        {
            forms.is_damaged = true;
        }
    });
}

/// A daemon has started, and finds this.
pub(super) fn restarted<W>(archive: &Archive<W>, restored: &[PersistedSession], most: usize) {
    let before = promises(|it| std::mem::take(&mut it.sessions));
    let mut sessions = BTreeMap::new();
    for (name, history) in before {
        let found = restored.iter().find(|it| it.spec.name == name);
        sessions.insert(name.clone(), history.found(&name, found));
    }
    for found in restored {
        if !sessions.contains_key(&found.spec.name) {
            violation(format!("session {} was never created", found.spec.name));
        }
    }
    promises(|it| it.sessions = sessions);
    let listed = archive.list(&CertificateQuery::default()).certificates;
    let listed: Vec<_> = listed.iter().rev().map(|it| it.session).collect();
    for session in &listed {
        match archive.present(&SessionRef::Id(*session)) {
            Some(certificate) => found_certificate(&certificate),
            None => violation(format!("certificate {session} is in the list only")),
        }
    }
    let lost = promises(|it| {
        let missing = |(session, forms): (&SessionId, &Forms)| {
            let is_lost = forms.told.is_some() && !forms.is_removed && !forms.is_damaged;
            (is_lost && !listed.contains(session)).then_some(*session)
        };
        it.certificates
            .iter()
            .filter_map(missing)
            .collect::<Vec<_>>()
    });
    for session in lost {
        violation(format!("certificate {session} is lost"));
    }
    promises(|it| {
        it.kept = listed;
        it.trim(most);
    });
}

/// A restart finds a certificate.
fn found_certificate(certificate: &Certificate) {
    let (session, document) = (certificate.session, document(certificate));
    let wrong = promises(|it| {
        let Some(forms) = it.certificates.get_mut(&session) else {
            return Some("was never issued");
        };
        match forms.forms.iter().rposition(|it| *it == document) {
            Some(form) if forms.told <= Some(form) || forms.is_removed || forms.is_damaged => {
                // What one daemon found, the next one finds, or a later form that was never promised: its
                // record may be on the platter although a daemon that was killed had begun to clear it.
                forms.current = form;
                if certificate.durable {
                    forms.told = Some(form);
                }
                None
            }
            Some(_) => Some("is there in an older form than was told"),
            None if forms.is_damaged => None,
            None => Some("is there in another form"),
        }
    });
    if let Some(wrong) = wrong {
        violation(format!("certificate {session} {wrong}"));
    }
}

impl Promises {
    fn trim(&mut self, most: usize) {
        while self.kept.len() > most {
            let session = self.kept.remove(0);
            if let Some(forms) = self.certificates.get_mut(&session) {
                forms.is_removed = true;
            }
        }
    }
}

impl History {
    /// The history once a daemon has found this.
    fn found(mut self, name: &SessionName, found: Option<&PersistedSession>) -> Self {
        let state = found.map(|it| Wanted {
            spec: it.spec.clone(),
            running: it.running,
            stopped: it.stopped.clone(),
        });
        let at = self.states.iter().rposition(|it| *it == state);
        // Before the first wish there was none.
        let is_known = at.is_some() || state.is_none();
        let is_allowed = is_known && self.told <= at;
        if !is_allowed && !self.is_damaged {
            let told = self.told.map(|told| &self.states[told]);
            violation(format!(
                "session {name} is found as {state:?}, and told was {told:?}"
            ));
        }
        let (found_at, reached) = (found.map_or(0, |it| it.generation), self.reached);
        if found.is_some() && found_at < reached && !self.is_damaged {
            violation(format!(
                "session {name} goes on from generation {found_at}, and had {reached}"
            ));
        }
        // It goes on from what is found, also if that is damaged.
        self.reached = reached.min(found_at);
        self.states = vec![state];
        // What one daemon found, the next one finds.
        self.told = Some(0);
        self.is_stop_damaged |= std::mem::take(&mut self.is_damaged);
        self.is_stop_damaged &= found.is_some_and(|it| it.stopped.is_some());
        self
    }
}
