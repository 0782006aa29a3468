//! `onairctl session exchange`: each session gets what the description of the other says, in one request.

use std::time::Duration;

use clap::Args;
use onair_api::operations::{DescribeSession, RetargetSessions, Sent, ShowSession};
use onair_api::{GroupPatch, MemberPatch, SessionRef, SessionView};
use onair_control::Client;
use onair_sdp::session::Text;
use serde_json::json;

use super::retarget::{At, LONGEST_FRAME};
use crate::args::Options;
use crate::command::show;
use crate::failure::{DONE, Failure};
use crate::render;

/// Two sessions whose flows change places.
#[derive(Debug, Args)]
#[command(after_help = "\
Both change with the unit that begins at one time, or neither does. They need one format, one
direction and as many legs. Clients stay attached: a program that reads the first session then has
the pictures of the second.

Examples:
  onairctl session exchange cam1 cam2
  onairctl session exchange cam1 cam2 --at 1795942149")]
pub(crate) struct Exchange {
    /// Session id or name
    session: SessionRef,

    /// The session that it changes places with: id or name
    other: SessionRef,

    #[command(flatten)]
    at: At,
}

impl Exchange {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let (one, other) = (
            described(client, &self.session).await?,
            described(client, &self.other).await?,
        );
        if let Some(why) = unlike(&one.0, &other.0) {
            return Err(Failure::Input(why));
        }
        let body = Sent::Body(json!(GroupPatch {
            sessions: vec![with(&one.0, &other)?, with(&other.0, &one)?],
            at_tai_ns: self.at.tai_ns,
        }));
        let extra = LONGEST_FRAME.saturating_add(Duration::from_secs(1));
        let answer = client.send::<RetargetSessions>(&(), body, extra).await?;
        show(options, &answer, render::session::list)?;
        Ok(DONE)
    }
}

/// A session and its description, both of one id: another session may take the name between the two requests.
async fn described(
    client: &Client,
    session: &SessionRef,
) -> Result<(SessionView, String), Failure> {
    let view = client.call::<ShowSession>(session, &()).await?.read()?;
    let text = client.call::<DescribeSession>(&view.id.into(), &()).await?;
    Ok((view, text.read()?))
}

/// Why they cannot change places. Their formats are compared as those of any description.
fn unlike(one: &SessionView, other: &SessionView) -> Option<String> {
    let legs = |it: &SessionView| 1 + u8::from(it.flow.second_leg.is_some());
    let names = format!("{} and {}", one.name, other.name);
    if one.id == other.id {
        return Some(format!("{} has nothing to exchange with itself", one.name));
    }
    if one.direction != other.direction {
        return Some(format!("of {names} one sends and the other receives"));
    }
    (legs(one) != legs(other)).then(|| {
        format!(
            "{names} have {} and {} legs: exchange sessions of as many",
            legs(one),
            legs(other)
        )
    })
}

/// `session` with the flow of another.
fn with(session: &SessionView, (of, text): &(SessionView, String)) -> Result<MemberPatch, Failure> {
    let legs = (session.direction, session.flow.second_leg.is_some());
    let (name, bytes) = (&*format!("the description of {}", of.name), text.as_bytes());
    let change = Text { name, bytes }.change(legs, &session.format)?;
    let name = session.name.clone();
    Ok(MemberPatch { name, change })
}
