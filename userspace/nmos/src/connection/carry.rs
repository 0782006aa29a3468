//! Carries plans out by requests to the daemon.
//!
//! Members of one group that only change their addresses are one request, which the daemon takes as a whole or not at all;
//! everything else is a request each, beside each other.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use onair_api::operations::{
    RetargetGroup, RetargetSession, Sent, ShowSession, StartSession, StopSession,
};
use onair_api::{GroupName, GroupPatch, MAX_FRAME_TIMEOUT_MS, MemberPatch, SessionView};
use onair_control::Client;
use serde_json::json;

use super::refusal::Refusal;
use super::side::Side;
use super::staged::Plan;

/// A retarget waits for the frame in transit.
const LONGEST_FRAME: Duration = Duration::from_millis(MAX_FRAME_TIMEOUT_MS as u64);

/// A session, what is to be done with it, and its place among the answers.
type Planned<'a> = (usize, &'a SessionView, Plan);
/// The session as it is then, with its place.
type Done = (usize, Result<SessionView, Refusal>);

/// Carries all plans out. Each session as it is then, in their order.
pub(super) async fn carry_out(
    client: &Client,
    plans: impl IntoIterator<Item = (&SessionView, Plan)>,
) -> Vec<Result<SessionView, Refusal>> {
    let mut groups = HashMap::<GroupName, Vec<Planned<'_>>>::new();
    let mut alone = Vec::new();
    for (at, (view, plan)) in plans.into_iter().enumerate() {
        match &view.member_of {
            Some(group) if plan.only_changes() => {
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
        .map(async |(at, view, plan)| (*at, one(client, view, plan).await));
    let several = several
        .into_iter()
        .map(|(group, members)| together(client, group, members));
    let (alone, several) = join(join_all(alone), join_all(several)).await;
    let mut done: Vec<_> = several.into_iter().flatten().chain(alone).collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, done)| done).collect()
}

/// One request for members of a group.
async fn together(client: &Client, group: GroupName, members: Vec<Planned<'_>>) -> Vec<Done> {
    let sessions = members.iter().filter_map(|(_, view, plan)| {
        Some(MemberPatch {
            name: view.name.clone(),
            change: *plan.change.clone()?,
        })
    });
    let sessions = sessions.collect();
    let body = Sent::Body(json!(GroupPatch { sessions }));
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
    let each = members.into_iter().map(async |(at, view, plan)| {
        let shown = client.call::<ShowSession>(&view.id.into(), &()).await;
        let shown = shown.and_then(|it| it.read());
        // It is changed, whether that can be seen or not.
        (at, Ok(shown.unwrap_or_else(|_| changed(view, &plan))))
    });
    join_all(each).await
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
async fn one(client: &Client, view: &SessionView, plan: &Plan) -> Result<SessionView, Refusal> {
    let target = view.id.into();
    let mut last = None;
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
