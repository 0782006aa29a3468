//! Each request is answered, and its answer is so.

use onair_api::{Certificate, Problem, ProblemCode, SessionState, SessionView};

use crate::cast::{ROLES, name};
use crate::plan::EngineDeedKind as Kind;
use crate::stage::{Answer, Purpose, Request, Stage};

impl Stage {
    /// Takes the answers that have come.
    pub(super) fn poll_requests(&mut self) {
        let now = self.life().world.clock().now();
        let mut at = 0;
        while let Some(request) = self.requests.get_mut(at) {
            match request.open.poll() {
                Ok(None) if request.is_late(now) => {
                    let late = self.requests.remove(at);
                    self.violate(format!(
                        "request {} {:?} has no answer",
                        late.number, late.purpose
                    ));
                }
                Ok(None) => at += 1,
                Err(()) => {
                    let lost = self.requests.remove(at);
                    self.violate(format!(
                        "request {} {:?} is dropped",
                        lost.number, lost.purpose
                    ));
                }
                Ok(Some(answer)) => {
                    let request = self.requests.remove(at);
                    self.answered(request, answer);
                }
            }
        }
    }

    fn answered(&mut self, request: Request, answer: Result<Answer, Problem>) {
        let Request {
            number, purpose, ..
        } = request;
        let told = answer.as_ref().map(|_| ()).map_err(|it| it.code);
        self.note(|| format!("  answer {number} {:?}: {told:?}", purpose.kind));
        self.last_answer = Some((number, purpose.kind, told));
        match answer {
            Ok(answer) => self.accepted(&purpose, answer),
            Err(problem) => self.refused(&purpose, &problem),
        }
    }

    fn accepted(&mut self, purpose: &Purpose, answer: Answer) {
        match answer {
            Answer::Session(view) => self.check_view(purpose, &view),
            Answer::Sessions(list) => {
                let all: Vec<_> = list.sessions.into_iter().map(|it| it.destination).collect();
                if purpose.destination != Some(all.join(" ")) {
                    self.violate(format!("{purpose:?} is done, and its answer says {all:?}"));
                }
            }
            Answer::Group(view) => {
                let is_persistent = self.plan.persistent >> ROLES & 1 == 1;
                self.keep(purpose, is_persistent);
                let states = view.members.iter().map(|it| it.session.state);
                let wrong = match purpose.kind {
                    Kind::CreateGroup | Kind::StartGroup => SessionState::Stopped,
                    Kind::StopGroup => SessionState::Running,
                    _ => return,
                };
                if states.clone().any(|it| it == wrong) {
                    let states: Vec<_> = states.collect();
                    self.violate(format!(
                        "{:?} leaves a group half done: {states:?}",
                        purpose.kind
                    ));
                }
            }
            Answer::Certificate(certificate) => {
                let id = certificate.session.0;
                self.promise(&certificate);
                let is_gone = self.facts.runs(id).is_none();
                let is_of_it = purpose.session.is_none_or(|it| it == id);
                let is_quarantine = purpose.kind == Kind::Quarantine;
                let of_name = self.facts.named(&certificate.name);
                if is_quarantine && of_name.is_none_or(|it| it == id) {
                    let is_certain = self.hindrances.disk == Default::default();
                    self.facts.forget(&certificate.name, is_certain);
                }
                let facts = self.facts.sessions.get_mut(&id).filter(|_| is_quarantine);
                facts.into_iter().for_each(|it| it.is_aside = true);
                if !is_of_it || !is_gone && !is_quarantine {
                    self.violate(format!(
                        "{purpose:?} is answered with a certificate of {id:x}"
                    ));
                }
            }
            Answer::Ended(ended) => {
                // A group of that name may have been created while the answer waited for the disk.
                let mut ids = ended.certificates.iter().map(|it| it.session.0);
                let is_there = ids.any(|it| self.facts.runs(it).is_some());
                if is_there || ended.certificates.is_empty() {
                    self.violate(format!(
                        "a group is destroyed, and some of it lives: {ended:?}"
                    ));
                }
            }
            Answer::Other if purpose.kind == Kind::Detach => {
                self.guests.retain(|it| Some(it.number()) != purpose.number);
            }
            Answer::Flushed => self.check_flushed(purpose),
            Answer::Other => {}
        }
    }

    /// An answer says whether its certificate is on disk.
    fn promise(&mut self, certificate: &Certificate) {
        if certificate.durable {
            self.facts.promised.insert(certificate.session.0);
        }
    }

    fn check_view(&mut self, purpose: &Purpose, view: &SessionView) {
        let is_running = view.state == SessionState::Running;
        let is_wrong = match purpose.kind {
            Kind::Create | Kind::Start => !is_running,
            Kind::Stop => is_running,
            Kind::Retarget => purpose.destination.as_ref() != Some(&view.flow.destination),
            _ => false,
        };
        if is_wrong {
            self.violate(format!("{purpose:?} is done, and its answer says {view:?}"));
        }
        self.keep(purpose, view.persistent);
    }

    fn refused(&mut self, purpose: &Purpose, problem: &Problem) {
        // What was asked for may be noted on the disk.
        let changes = matches!(
            purpose.kind,
            Kind::Start | Kind::StartGroup | Kind::Create | Kind::CreateGroup
        );
        if problem.code == ProblemCode::DiskFailed || changes && self.is_stored(purpose) {
            self.facts.is_unsure(purpose.role);
        }
        let is_free = self.facts.named(&name(purpose.role)).is_none();
        if problem.code == ProblemCode::NameTaken && purpose.kind == Kind::Create && is_free {
            self.violate(format!("{purpose:?} is refused with {problem}"));
        }
        if problem.code == ProblemCode::Internal {
            self.violate(format!("{purpose:?} is refused with {problem}"));
        }
        self.check_poller_down(purpose, problem);
        let Some(id) = purpose.session else {
            return;
        };
        let is_late = matches!(
            problem.code,
            ProblemCode::DeadlinePassed | ProblemCode::DataplaneBusy
        );
        let waits = matches!(
            purpose.kind,
            Kind::DestroyWait | Kind::Destroy | Kind::Abort
        );
        if is_late && waits && self.is_free() && self.guests_of(id).next().is_none() {
            self.violate(format!(
                "{purpose:?} has no users, and is refused: {problem}"
            ));
        }
        let is_destroy = matches!(
            purpose.kind,
            Kind::Destroy | Kind::DestroyWait | Kind::DestroyOwn
        );
        let ends = |it: &Request| {
            let kinds = [
                Kind::Destroy,
                Kind::DestroyWait,
                Kind::DestroyOwn,
                Kind::Abort,
                Kind::AbortOwn,
            ];
            let is_group = matches!(it.purpose.kind, Kind::DestroyGroup | Kind::DestroyGroupWait);
            is_group && purpose.role >= ROLES
                || it.purpose.session == Some(id) && kinds.contains(&it.purpose.kind)
        };
        let is_other_open = self.requests.iter().any(ends) || self.is_ending;
        // An abort goes on without its requester. A caller without the right is refused whatever the state is.
        let is_of_session = !matches!(problem.code, ProblemCode::Draining | ProblemCode::Forbidden);
        if is_destroy && !is_other_open && is_of_session {
            let shown = self.list();
            let state = shown.iter().find(|it| it.id.0 == id).map(|it| it.state);
            if state == Some(SessionState::Draining) {
                self.violate(format!(
                    "{purpose:?} is refused with {problem}, and it drains on"
                ));
            }
        }
    }

    fn is_stored(&self, purpose: &Purpose) -> bool {
        let kept = self.facts.kept.get(&name(purpose.role));
        kept.is_some_and(|it| it.is_there != Some(false))
    }

    /// A session whose start was answered at once runs.
    pub(crate) fn check_started(&mut self, role: usize) {
        let asked = self.asked;
        let is_start = matches!(self.last_answer, Some((it, Kind::Create | Kind::Start, Ok(()))) if it == asked);
        // Others may stop it, and one has a time after which it stops.
        let is_alone = self.requests.is_empty() && !self.is_ending && role != 6;
        let found = self.facts.named(&name(role));
        let runs = found.and_then(|it| self.facts.runs(it));
        if is_start && is_alone && runs == Some(false) {
            self.violate(format!("{} is started, and does not run", name(role)));
        }
    }

    /// A request that was refused at once has changed nothing.
    pub(crate) fn look_at_answer(&mut self, number: u32, before: &str) {
        let Some((of, kind, Err(code))) = self.last_answer else {
            return;
        };
        // These do what they can, and say what they cannot: an abort stops the session.
        let is_abort = matches!(kind, Kind::Abort | Kind::AbortOwn);
        let is_partial = match code {
            ProblemCode::DiskFailed | ProblemCode::FramesDropped => true,
            ProblemCode::PollerDown | ProblemCode::DataplaneBusy => is_abort,
            _ => false,
        };
        if of != number || is_partial {
            return;
        }
        let after = self.fingerprint();
        // A client that destroys its own session has closed the gate itself: the daemon adopts that.
        let is_adopted = |(before, after): (&str, &str)| {
            let is_own = kind == Kind::DestroyOwn && before.contains(", Stopped)");
            is_own && before.replace(" Running ", " Stopped ") == after
        };
        let mut lines = before.lines().zip(after.lines());
        let is_same = before.lines().count() == after.lines().count()
            && lines.all(|it| it.0 == it.1 || is_adopted(it));
        if !is_same {
            let what = format!(
                "request {number} is refused with {code:?}, and changes\n{before}to\n{after}"
            );
            self.violate(what);
        }
    }
}
