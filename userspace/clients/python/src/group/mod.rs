//! A group: its units in step, for Python.

mod unit;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair::{Ended, Error, Step};
use pyo3::prelude::*;

use crate::again::Gap;
use crate::error::{invalid, raised};
use crate::waiting::{PERIOD, duration};

pub(crate) use unit::Unit;

/// All sessions of a group. In a `for` loop it gives their units in the order of their times. One thread calls it, any
/// thread may close it.
#[pyclass(frozen, weakref, module = "onair")]
pub(crate) struct Group {
    /// Its name.
    #[pyo3(get)]
    name: String,
    /// Names of its sessions.
    #[pyo3(get)]
    members: Vec<String>,
    now: Mutex<Now>,
}

/// The lock is taken under the GIL only, and for some instructions, so that a child of a fork finds it free.
enum Now {
    Idle(Box<onair::Group>),
    InCall,
    Closed,
}

/// The next step of a group.
#[pyclass(frozen, get_all, module = "onair")]
pub(crate) struct GroupStep {
    /// "unit", "late" (for its place), "resumed" (the first unit after its session had ended or was stopped), "retargeted"
    /// (other addresses from now on), or "missing" (the others go on without it).
    kind: &'static str,
    /// Name of the member.
    member: String,
    /// Of "unit", "late" and "resumed".
    unit: Option<Py<Unit>>,
    /// Of "missing": "stopped", "session" or "daemon"; `None`: its session runs.
    ended: Option<&'static str>,
    /// Of "resumed".
    gap: Option<Py<Gap>>,
}

impl Group {
    pub(crate) fn new(group: onair::Group) -> Self {
        let members = group.members().iter().map(|it| it.name().to_owned());
        Self {
            name: group.name().to_owned(),
            members: members.collect(),
            now: Mutex::new(Now::Idle(Box::new(group))),
        }
    }

    /// The next step; `None`: it is closed.
    fn step(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Option<Step>> {
        // A time beyond the clock's range never comes.
        let end = timeout.and_then(|it| Instant::now().checked_add(it));
        loop {
            let left = end.map(|it| it.saturating_duration_since(Instant::now()));
            let part = left.unwrap_or(PERIOD).min(PERIOD);
            match self.part(py, part)? {
                None => return Ok(None),
                Some(Err(Error::TimedOut)) if left.is_none_or(|it| it > part) => {
                    py.check_signals()?;
                }
                Some(result) => return result.map(Some).map_err(|error| raised(py, error)),
            }
        }
    }

    fn part(&self, py: Python<'_>, part: Duration) -> PyResult<Option<Result<Step, Error>>> {
        let before = std::mem::replace(&mut *self.lock(), Now::InCall);
        let mut group = match before {
            Now::Idle(group) => group,
            Now::InCall => {
                return Err(invalid(
                    py,
                    "another thread is in a call: one thread calls it",
                ));
            }
            Now::Closed => {
                *self.lock() = Now::Closed;
                return Ok(None);
            }
        };
        let result = py.detach(|| group.next(part.into()));
        let mut now = self.lock();
        if matches!(*now, Now::Closed) {
            drop(now);
            end(&group);
            return Ok(None);
        }
        *now = Now::Idle(group);
        Ok(Some(result))
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, py: Python<'_>, step: Step) -> PyResult<GroupStep> {
        let of = |kind, unit: onair::Unit, gap: Option<onair::Gap>| {
            let member = self.members[unit.member()].clone();
            let unit = Unit::new(unit, member.clone(), kind == "late", gap);
            Ok(GroupStep {
                kind,
                member,
                ended: None,
                unit: Some(Py::new(py, unit)?),
                gap: gap
                    .map(|gap| Py::new(py, Gap::new(py, &gap)?))
                    .transpose()?,
            })
        };
        let about = |kind, member: usize, ended| {
            Ok(GroupStep {
                kind,
                member: self.members[member].clone(),
                unit: None,
                ended,
                gap: None,
            })
        };
        match step {
            Step::Unit(unit) => of("unit", unit, None),
            Step::Late(unit) => of("late", unit, None),
            Step::Resumed(gap, unit) => of("resumed", unit, Some(gap)),
            Step::Retargeted(member) => about("retargeted", member, None),
            Step::Missing(it) => {
                let ended = it.ended.map(|ended| match ended {
                    Ended::Stopped => "stopped",
                    Ended::Session => "session",
                    Ended::Daemon => "daemon",
                });
                about("missing", it.member, ended)
            }
        }
    }
}

#[pymethods]
impl Group {
    /// Gets what comes next. Waits at most `timeout` seconds; `None` has no limit.
    #[pyo3(signature = (timeout=None))]
    fn get(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<GroupStep> {
        let step = self.step(py, timeout.map(duration).transpose()?)?;
        self.told(py, step.ok_or_else(|| raised(py, Error::Stale))?)
    }

    /// Ends the attachment at once, or within 0.1 seconds if a thread is in a call. Views of units stay readable.
    fn close(&self) {
        let before = std::mem::replace(&mut *self.lock(), Now::Closed);
        if let Now::Idle(group) = before {
            end(&group);
        }
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    /// The next unit, in its place, late or resumed; other steps are left out.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<Unit>>> {
        while let Some(step) = self.step(py, None)? {
            if let Some(unit) = self.told(py, step)?.unit {
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }
}

#[pymethods]
impl GroupStep {
    fn __repr__(&self) -> String {
        format!("<onair.GroupStep {} of {}>", self.kind, self.member)
    }
}

/// Ends the attachments, also if units of them are out.
fn end(group: &onair::Group) {
    let sessions = group.members().iter().filter_map(onair::Member::session);
    sessions.for_each(|it| it.hang_up());
}
