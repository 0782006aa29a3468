//! The calls about a group: its units in step.

mod views;

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, TryLockError};

use onair::{Ended, Error, Field, Gap, Group, Step, Timeout, Unit};

use crate::attached::locked;
use crate::border::{Fault, call, copy, invalid, text};
use crate::session::{client, onair_daemon};
use crate::structs::{Grows, ResultPlace, read, set};
use crate::table::Table;
use crate::view::kind;

/// A handle, as in `onair.h`.
#[expect(non_camel_case_types, reason = "as in onair.h")]
type onair_group = u64;

static GROUPS: Table<Attached> = Table::new();

struct Attached {
    /// One thread is in a call at a time.
    group: Mutex<Group>,
    /// Name and format of each member.
    members: Vec<(String, c_int)>,
    /// Units that the application has, by number.
    units: Mutex<Units>,
    /// A forked child must not wait for a lock that a thread of its parent held.
    process: u32,
}

#[derive(Default)]
struct Units {
    last: u64,
    all: Vec<(u64, Arc<Unit>)>,
}

impl Units {
    /// Where the unit of a step is; `None`: the step has none.
    ///
    /// # Safety
    /// As `onair.h` says of each function with a `const onair_step *`.
    unsafe fn find(&self, step: *const onair_step) -> Result<Option<usize>, Fault> {
        // SAFETY: the caller's promise.
        let number = unsafe { read(step, onair_step::NONE)? }.unit;
        if number == 0 {
            return Ok(None);
        }
        match self.all.iter().position(|(it, _)| *it == number) {
            None if number <= self.last => Err(Fault::Library(Error::AlreadyPut)),
            None => Err(invalid("this group did not give the unit")),
            at => Ok(at),
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct onair_step {
    size: u32,
    kind: u32,
    member: u32,
    ended: u32,
    unit: u64,
    data: *const c_void,
    bytes: usize,
    number: u64,
    media_time_ns: u64,
    rtp_timestamp: u32,
    is_complete: u32,
    format: u32,
    field: u32,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_step {
    const FIRST: usize = 72;
}

versions! { "ONAIR_1.0":
    onair_group_attach
    onair_group_detach
    onair_group_member
    onair_group_next
    onair_group_put
}

const ONAIR_STEP_UNIT: u32 = 1;
const ONAIR_STEP_LATE: u32 = 2;
const ONAIR_STEP_RESUMED: u32 = 3;
const ONAIR_STEP_RETARGETED: u32 = 4;
const ONAIR_STEP_MISSING: u32 = 5;

const ONAIR_ENDED_STOPPED: u32 = 1;
const ONAIR_ENDED_SESSION: u32 = 2;
const ONAIR_ENDED_DAEMON: u32 = 3;

impl onair_step {
    const NONE: Self = Self {
        size: 0,
        kind: 0,
        member: 0,
        ended: 0,
        unit: 0,
        data: std::ptr::null(),
        bytes: 0,
        number: 0,
        media_time_ns: 0,
        rtp_timestamp: 0,
        is_complete: 0,
        format: 0,
        field: 0,
    };

    fn about(kind: u32, member: usize, ended: Option<Ended>) -> Self {
        Self {
            kind,
            member: u32::try_from(member).unwrap_or(u32::MAX),
            ended: match ended {
                None => 0,
                Some(Ended::Stopped) => ONAIR_ENDED_STOPPED,
                Some(Ended::Session) => ONAIR_ENDED_SESSION,
                Some(Ended::Daemon) => ONAIR_ENDED_DAEMON,
            },
            ..Self::NONE
        }
    }

    fn of(what: u32, gap: Option<&Gap>, unit: &Unit, number: u64) -> Self {
        Self {
            unit: number,
            data: unit.as_ptr().cast(),
            bytes: unit.len(),
            number: unit.number(),
            media_time_ns: unit.media_time_ns().unwrap_or_default(),
            rtp_timestamp: unit.rtp_timestamp(),
            is_complete: unit.status().is_complete().into(),
            format: kind(unit.contents()).cast_unsigned(),
            field: match unit.field() {
                None => 0,
                Some(Field::First) => 1,
                Some(Field::Second) => 2,
            },
            ..Self::about(what, unit.member(), gap.map(|it| it.ended))
        }
    }
}

impl Attached {
    fn of(handle: onair_group) -> Result<Arc<Self>, Fault> {
        let attached = GROUPS.get(handle).map_err(|errno| match errno {
            libc::ESTALE => Fault::Use(errno, "the group was detached"),
            _ => Fault::Use(errno, "no call of this library returned this group"),
        })?;
        match attached.process == std::process::id() {
            true => Ok(attached),
            false => Err(Fault::Library(Error::Stale)),
        }
    }

    /// The unit of a step. It stays while a call works on it, also if another thread puts it.
    ///
    /// # Safety
    /// As [`Units::find`].
    unsafe fn unit(&self, step: *const onair_step) -> Result<Arc<Unit>, Fault> {
        let units = locked(&self.units);
        // SAFETY: the caller's promise.
        let at = unsafe { units.find(step)? };
        let at = at.ok_or(invalid("the step has no unit"))?;
        Ok(Arc::clone(&units.all[at].1))
    }

    /// Keeps a unit until it is put.
    fn keep(&self, kind: u32, gap: Option<Gap>, unit: Unit) -> onair_step {
        let mut units = locked(&self.units);
        units.last += 1;
        let number = units.last;
        let step = onair_step::of(kind, gap.as_ref(), &unit, number);
        units.all.push((number, Arc::new(unit)));
        step
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_attach(
    daemon: *const onair_daemon,
    name: *const c_char,
    group: *mut onair_group,
) -> c_int {
    call(|| {
        // SAFETY: the caller's promise.
        let (client, name) = unsafe { (client(daemon)?, text(name)?) };
        // SAFETY: the caller's promise.
        unsafe { set(group, 0)? };
        let attached = client.attach_group(name)?;
        let members = attached.members().iter();
        let members = members.map(|it| (it.name().to_owned(), kind(it.contents())));
        let attached = Attached {
            members: members.collect(),
            group: Mutex::new(attached),
            units: Mutex::default(),
            process: std::process::id(),
        };
        let full = Fault::Use(libc::EMFILE, "this process has too many groups");
        let handle = GROUPS.insert(Arc::new(attached)).ok_or(full)?;
        // SAFETY: the caller's promise.
        unsafe { set(group, handle)? };
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_member(
    group: onair_group,
    index: u32,
    name: *mut c_char,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        let member = attached.members.get(index as usize);
        let (own, kind) = member.ok_or(Fault::Use(libc::ENOENT, "no more members"))?;
        if bytes > 0 {
            if name.is_null() || isize::try_from(bytes).is_err() {
                return Err(invalid("a text is NULL"));
            }
            // SAFETY: the caller's promise: `bytes` bytes may be written.
            let target = unsafe {
                name.write_bytes(0, bytes);
                std::slice::from_raw_parts_mut(name, bytes)
            };
            copy(own, target);
        }
        Ok(*kind)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_next(
    group: onair_group,
    step: *mut onair_step,
    timeout_ms: u32,
) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(step)? };
        let next = match attached.group.try_lock() {
            Ok(mut group) => group.next(Timeout::millis(timeout_ms))?,
            Err(TryLockError::Poisoned(group)) => {
                group.into_inner().next(Timeout::millis(timeout_ms))?
            }
            Err(TryLockError::WouldBlock) => {
                return Err(invalid("another thread is in a call with the group"));
            }
        };
        place.write(&match next {
            Step::Unit(unit) => attached.keep(ONAIR_STEP_UNIT, None, unit),
            Step::Late(unit) => attached.keep(ONAIR_STEP_LATE, None, unit),
            Step::Resumed(gap, unit) => attached.keep(ONAIR_STEP_RESUMED, Some(gap), unit),
            Step::Retargeted(member) => onair_step::about(ONAIR_STEP_RETARGETED, member, None),
            Step::Missing(it) => onair_step::about(ONAIR_STEP_MISSING, it.member, it.ended),
        });
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_put(group: onair_group, step: *const onair_step) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        let mut units = locked(&attached.units);
        // SAFETY: the caller's promise.
        let at = unsafe { units.find(step)? };
        let unit = at.map(|at| units.all.swap_remove(at));
        drop(units);
        drop(unit);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_group_detach(group: onair_group) -> c_int {
    call(|| {
        // A child of a fork may release its handle, too.
        if let Err(fault @ Fault::Use(..)) = Attached::of(group).map(drop) {
            return Err(fault);
        }
        GROUPS.close(group);
        Ok(0)
    })
}
