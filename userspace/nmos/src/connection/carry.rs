//! Carries plans out by requests to the daemon.
//!
//! Members of one group that only change their addresses are one request, which the daemon takes as a whole or not at all;
//! everything else is a request each, beside each other.
//!
//! At a time: sessions that run and only change their addresses get the time with the request, some time ahead, so that all
//! of them change with the unit that begins then. The daemon starts and stops sessions at once: those requests wait for the
//! time.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use onair_api::operations::{
    RetargetGroup, RetargetSession, Sent, ShowSession, StartSession, StopSession,
};
use onair_api::{
    GroupName, GroupPatch, MAX_FRAME_TIMEOUT_MS, MemberPatch, SessionPatch, SessionState,
    SessionView,
};
use onair_control::Client;
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
    let mut groups = HashMap::<GroupName, Vec<Planned<'_>>>::new();
    let mut alone = Vec::new();
    for (at, (view, plan)) in plans.into_iter().enumerate() {
        match &view.member_of {
            Some(group) if is_change(view, &plan) => {
                groups
                    .entry(group.clone())
                    .or_default()
                    .push((at, view, plan));
            }
            _ => alone.push((at, view, plan)),
        }
    }
    let (several, single): (Vec<_>, Vec<_>) = groups
        .into_iter()
        .partition(|(_, members)| members.len() > 1);
    alone.extend(single.into_iter().flat_map(|(_, members)| members));
    let alone = alone
        .iter()
        .map(async |(place, view, plan)| (*place, one(client, view, plan, at).await));
    let several = several
        .into_iter()
        .map(|(group, members)| together(client, group, members, at));
    let (alone, several) = join(join_all(alone), join_all(several)).await;
    let mut done: Vec<_> = several.into_iter().flatten().chain(alone).collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, done)| done).collect()
}

/// Whether the daemon can do it at a time: a session that runs gets other addresses.
fn is_change(view: &SessionView, plan: &Plan) -> bool {
    plan.only_changes() && view.state == SessionState::Running
}

/// One request for members of a group.
async fn together(
    client: &Client,
    group: GroupName,
    members: Vec<Planned<'_>>,
    at: Option<Moment>,
) -> Vec<Done> {
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
    let answer = client.send::<RetargetGroup>(&group, body, LONGEST_FRAME);
    if let Err(error) = answer.await {
        let said = error.to_string();
        let mut views = members.iter().map(|(_, view, _)| view);
        let of_one = views.find(|it| said.starts_with(&format!("member {}:", it.name)));
        let side = Side::of(of_one.unwrap_or(&members[0].1).direction);
        let refusal = Refusal::of_change(side, error);
        let refused = |at| (at, Err(refusal.clone()));
        return members.into_iter().map(|(at, ..)| refused(at)).collect();
    }
    let each = members
        .into_iter()
        .map(async |(place, view, plan)| (place, Ok(settled(client, view, &plan, at).await)));
    join_all(each).await
}

/// The session once it has changed, which the daemon has promised.
async fn settled(
    client: &Client,
    view: &SessionView,
    plan: &Plan,
    at: Option<Moment>,
) -> SessionView {
    let due = at.map_or_else(Instant::now, |it| it.due);
    sleep_until(due).await;
    loop {
        let shown = client.call::<ShowSession>(&view.id.into(), &()).await;
        match shown.and_then(|it| it.read()) {
            Ok(shown) if shown.next.is_none() => return shown,
            Ok(_) if due.elapsed() < SETTLED => sleep(LOOK_AGAIN).await,
            // It is changed, whether that can be seen or not.
            Ok(_) | Err(_) => return changed(view, plan),
        }
    }
}

/// The session with the addresses of the plan.
fn changed(view: &SessionView, plan: &Plan) -> SessionView {
    let mut view = view.clone();
    let flow = plan.change.as_ref().map(|it| it.flow.clone());
    let flow = flow.unwrap_or_default();
    let of_second = flow.second_leg.unwrap_or_default();
    view.flow.destination = flow.destination.unwrap_or(view.flow.destination);
    view.flow.source = flow.source.unwrap_or(view.flow.source);
    if let Some(leg) = &mut view.flow.second_leg {
        leg.destination = of_second.destination.unwrap_or(leg.destination.clone());
        leg.source = of_second.source.unwrap_or(leg.source.clone());
    }
    view
}

/// The steps of one plan.
async fn one(
    client: &Client,
    view: &SessionView,
    plan: &Plan,
    at: Option<Moment>,
) -> Result<SessionView, Refusal> {
    let target = view.id.into();
    let mut last = None;
    if let (Some(at), Some(change)) = (at, plan.change.clone().filter(|_| is_change(view, plan))) {
        let change = SessionPatch {
            at_tai_ns: Some(at.tai_ns),
            ..*change
        };
        let body = Sent::Body(json!(change));
        let answer = client.send::<RetargetSession>(&target, body, LONGEST_FRAME);
        answer.await?.read()?;
        return Ok(settled(client, view, plan, Some(at)).await);
    }
    if let Some(at) = at {
        sleep_until(at.due).await;
    }
    if plan.stop {
        last = Some(client.call::<StopSession>(&target, &()).await?.read()?);
    }
    if let Some(change) = &plan.change {
        let body = Sent::Body(json!(change));
        let answer = client.send::<RetargetSession>(&target, body, LONGEST_FRAME);
        let answer = answer.await.and_then(|it| it.read());
        let refused = |error| Refusal::of_change(Side::of(view.direction), error);
        last = Some(answer.map_err(refused)?);
    }
    if plan.start {
        last = Some(client.call::<StartSession>(&target, &()).await?.read()?);
    }
    Ok(last.unwrap_or_else(|| view.clone()))
}
