//! `onairctl group retarget`: each description is for the member that has its format.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use onair_api::operations::{RetargetGroup, Sent, ShowGroup, ShowSession};
use onair_api::{Direction, GroupName, SessionName};
use serde_json::{Value, json};

use crate::args::Options;
use crate::args::essence::{self, Fields};
use crate::client::Client;
use crate::command::session::retarget::{LONGEST_FRAME, described};
use crate::failure::{DONE, Failure};
use crate::render;

/// Other addresses for members of a group.
#[derive(Debug, Args)]
#[command(after_help = "\
Each description is for the member that has its format; members without one stay as they are. All changes are
checked before the first is made.

Example:
  onairctl group retarget studio1 --sdp picture2.sdp sound2.sdp")]
pub(crate) struct Retarget {
    /// Name of the group
    group: GroupName,

    /// Session descriptions, one a member
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    sdp: Vec<PathBuf>,
}

/// A member without a description yet.
struct Member {
    name: SessionName,
    direction: Direction,
    has_two_legs: bool,
    format: Fields,
}

impl Retarget {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let group = client.call::<ShowGroup>(&self.group, &()).await?.read()?;
        let mut members = Vec::new();
        for member in group.members {
            let session = member.session.id.into();
            let shown = client.call::<ShowSession>(&session, &()).await?;
            let view = shown.read()?;
            members.push(Member {
                name: view.name,
                direction: view.direction,
                has_two_legs: view.flow.second_leg.is_some(),
                format: essence::of_document(&shown.value),
            });
        }
        let mut changes = Vec::new();
        for path in &self.sdp {
            changes.push(self.change(path, &mut members)?);
        }
        let body = Sent::Body(json!({ "sessions": changes }));
        let extra = LONGEST_FRAME.saturating_add(Duration::from_secs(1));
        let answer = client.send::<RetargetGroup>(&self.group, body, extra);
        crate::command::show(options, &answer.await?, render::group::one)?;
        Ok(DONE)
    }

    /// The change by the description at `path` of the first of `members` that has its format, which is taken out.
    fn change(&self, path: &Path, members: &mut Vec<Member>) -> Result<Value, Failure> {
        let mut failure = None;
        for at in 0..members.len() {
            let member = &members[at];
            let legs = (member.direction, member.has_two_legs);
            match described(path, legs, &member.format) {
                Ok(described) => {
                    let mut change = described.timing.unwrap_or_default();
                    change.insert("flow".to_owned(), described.flow);
                    change.insert("notes".to_owned(), json!(described.notes));
                    let name = members.remove(at).name;
                    return Ok(json!({"name": name, "change": change}));
                }
                Err(error) => failure = Some(error),
            }
        }
        let shown = path.display();
        Err(match (failure, members.len()) {
            (Some(failure), 1) => failure,
            _ => Failure::Input(format!(
                "{shown} has the format of no member of group {}, or of one that has another description",
                self.group
            )),
        })
    }
}
