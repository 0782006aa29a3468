//! Carries plans out by requests to the daemon, of which each does all or nothing.
//!
//! Sessions that run and only change their addresses are one request, which the daemon checks as a whole: two receivers can
//! exchange what they receive. They get the time with the request, some time ahead, so that all of them change with the unit
//! that begins then. The daemon starts and stops sessions at once, and joins groups again at once: those are a request each,
//! which waits for the time. A session that is to be off is stopped also if the daemon does not take its addresses, which
//! matter when it is on again.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use onair_api::operations::{
    RetargetSession, RetargetSessions, Sent, ShowSession, StartSession, StopSession,
};
use onair_api::{
    GroupPatch, MAX_FRAME_TIMEOUT_MS, MemberPatch, Problem, SessionState, SessionView, SpecError,
};
use onair_control::{Client, ControlError};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::refusal::Refusal;
use super::side::Side;
use super::staged::Plan;

/// A retarget waits for the frame in transit.
const LONGEST_FRAME: Duration = Duration::from_millis(MAX_FRAME_TIMEOUT_MS as u64);

/// A session changes within this time after the one that it was given: the longest unit in transit, and a look.
const SETTLED: Duration = LONGEST_FRAME.saturating_add(Duration::from_secs(1));
/// Time between looks whether a session has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// When plans are carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the daemon's clock: ns of TAI.
    pub(super) tai_ns: u64,
    /// The same moment.
    pub(super) due: Instant,
}

/// A session, what is to be done with it, and its place among the answers.
type Planned<'a> = (usize, &'a SessionView, Plan);
/// The session as it is then, with its place.
type Done = (usize, Result<SessionView, Refusal>);

/// Carries all plans out. Each session as it is then, in their order.
pub(super) async fn carry_out(
    client: &Client,
    plans: impl IntoIterator<Item = (&SessionView, Plan)>,
    at: Option<Moment>,
) -> Vec<Result<SessionView, Refusal>> {
    let plans = plans.into_iter().enumerate();
    let plans = plans.map(|(place, (view, plan))| (place, view, plan));
    let is_change =
        |(_, view, plan): &Planned<'_>| plan.only_changes() && view.state == SessionState::Running;
    let (changes, others): (Vec<_>, Vec<_>) = plans.partition(is_change);
    let changes = changes.chunks(GroupPatch::MOST);
    let changes = changes.map(|it| together(client, it.to_vec(), at));
    let others = others
        .iter()
        .map(async |(place, view, plan)| (*place, one(client, view, plan, at).await));
    let (changes, others) = join(join_all(changes), join_all(others)).await;
    let mut done: Vec<_> = changes.into_iter().flatten().chain(others).collect();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, done)| done).collect()
}

/// Changes sessions that run, at one time. Those that the daemon refuses stay as they are, and the others are asked for
/// again.
async fn together(client: &Client, mut members: Vec<Planned<'_>>, at: Option<Moment>) -> Vec<Done> {
    let mut done = Vec::new();
    while !members.is_empty() {
        let sessions = members.iter().filter_map(|(_, view, plan)| {
            Some(MemberPatch {
                name: view.name.clone(),
                change: *plan.change.clone()?,
            })
        });
        let sessions = sessions.collect();
        let at_tai_ns = at.map(|it| it.tai_ns);
        let body = Sent::Body(json!(GroupPatch {
            sessions,
            at_tai_ns
        }));
        let answer = client.send::<RetargetSessions>(&(), body, LONGEST_FRAME);
        let Err(error) = answer.await else { break };
        let mut refused = refusals(&members, &error);
        if refused.is_empty() {
            let error = Refusal::from(error);
            refused = (0..members.len()).map(|it| (it, error.clone())).collect();
        }
        let all = std::mem::take(&mut members).into_iter().enumerate();
        for (number, member) in all {
            match refused.remove(&number) {
                Some(refusal) => done.push((member.0, Err(refusal))),
                None => members.push(member),
            }
        }
    }
    let each = members
        .into_iter()
        .map(async |(place, view, _)| (place, settled(client, view, at).await));
    done.extend(join_all(each).await);
    done
}

/// Why the daemon refuses some of `members`, by their number.
fn refusals(members: &[Planned<'_>], error: &ControlError) -> HashMap<usize, Refusal> {
    let mut fields = HashMap::<usize, Vec<SpecError>>::new();
    let Some(problem) = error.problem() else {
        return HashMap::new();
    };
    for error in &problem.errors {
        let field = error.field.strip_prefix("sessions[");
        let field = field.and_then(|it| it.split_once(']'));
        let number = field.and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        if let Some((number, rest)) = number.filter(|(it, _)| *it < members.len()) {
            let field = rest.strip_prefix(".change.").unwrap_or("session");
            let own = SpecError::new(field, error.problem.clone());
            fields.entry(number).or_default().push(own);
        }
    }
    let refusal = |(number, errors): (usize, _)| {
        let problem = Problem::of_fields(problem.code, errors);
        let error = ControlError::Refused(Box::new(problem));
        let side = Side::of(members[number].1.direction);
        (number, Refusal::of_change(side, error))
    };
    fields.into_iter().map(refusal).collect()
}

/// The session once it has changed, which the daemon has promised.
async fn settled(
    client: &Client,
    view: &SessionView,
    at: Option<Moment>,
) -> Result<SessionView, Refusal> {
    let due = at.map_or_else(Instant::now, |it| it.due);
    sleep_until(due).await;
    loop {
        let shown = client.call::<ShowSession>(&view.id.into(), &()).await?;
        let shown = shown.read()?;
        if shown.next.is_none() {
            return Ok(shown);
        }
        if due.elapsed() > SETTLED {
            return Err(Refusal::Late);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// One plan.
async fn one(
    client: &Client,
    view: &SessionView,
    plan: &Plan,
    at: Option<Moment>,
) -> Result<SessionView, Refusal> {
    if let Some(at) = at {
        sleep_until(at.due).await;
    }
    let target = view.id.into();
    if let Some(change) = plan.patch() {
        let body = Sent::Body(json!(change));
        let answer = client.send::<RetargetSession>(&target, body, LONGEST_FRAME);
        match answer.await.and_then(|it| it.read()) {
            Ok(view) => return Ok(view),
            Err(error) if plan.runs || error.is_unreachable() => {
                return Err(Refusal::of_change(Side::of(view.direction), error));
            }
            Err(error) => {
                let name = &view.name;
                tracing::info!(%name, %error, "off, with addresses that the daemon does not take");
            }
        }
    }
    let answer = match (plan.turns, plan.runs) {
        (false, _) => return Ok(view.clone()),
        (true, true) => client.call::<StartSession>(&target, &()).await?,
        (true, false) => client.call::<StopSession>(&target, &()).await?,
    };
    Ok(answer.read()?)
}
