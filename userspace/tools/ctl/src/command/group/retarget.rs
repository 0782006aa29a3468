//! `onairctl group retarget`: each description is for the member that has its format.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use onair_api::operations::{RetargetGroup, Sent, ShowGroup, ShowSession};
use onair_api::{Direction, GroupName, GroupPatch, MemberPatch, SessionName};
use onair_control::Client;
use onair_essence::FormatDocument;
use onair_sdp::session::Text;
use serde_json::json;

use crate::args::Options;
use crate::command::session::create::bytes_of;
use crate::command::session::retarget::{At, LONGEST_FRAME, described};
use crate::failure::{DONE, Failure};
use crate::render;

/// Other addresses for members of a group.
#[derive(Debug, Args)]
#[command(after_help = "\
Each description is for the member that has its format; members without one stay as they are. All changes are
checked before the first is made, and all members change with the unit that begins at one time.

Example:
  onairctl group retarget studio1 --sdp picture2.sdp sound2.sdp")]
pub(crate) struct Retarget {
    /// Name of the group
    group: GroupName,

    /// Session descriptions, one a member
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    sdp: Vec<PathBuf>,

    #[command(flatten)]
    at: At,
}

/// A member without a description yet.
struct Member {
    name: SessionName,
    direction: Direction,
    has_two_legs: bool,
    format: FormatDocument,
}

impl Retarget {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let group = client.call::<ShowGroup>(&self.group, &()).await?.read()?;
        let mut members = Vec::new();
        for member in group.members {
            let session = member.session.id.into();
            let view = client.call::<ShowSession>(&session, &()).await?.read()?;
            members.push(Member {
                name: view.name,
                direction: view.direction,
                has_two_legs: view.flow.second_leg.is_some(),
                format: view.format,
            });
        }
        let mut changes = Vec::new();
        for path in &self.sdp {
            changes.extend(self.changes(path, &mut members)?);
        }
        let body = Sent::Body(json!(GroupPatch {
            sessions: changes,
            at_tai_ns: self.at.tai_ns,
        }));
        let extra = LONGEST_FRAME.saturating_add(Duration::from_secs(1));
        let answer = client.send::<RetargetGroup>(&self.group, body, extra);
        crate::command::show(options, &answer.await?, render::group::one)?;
        Ok(DONE)
    }

    /// The changes by the description at `path`: of each stream, of the first of `members` that has its format, which is
    /// taken out.
    fn changes(&self, path: &Path, members: &mut Vec<Member>) -> Result<Vec<MemberPatch>, Failure> {
        let (mut failure, mut at) = (None, 0);
        let (mut changes, mut used) = (Vec::new(), Vec::new());
        while at < members.len() {
            let member = &members[at];
            let legs = (member.direction, member.has_two_legs);
            match described(path, legs, &member.format) {
                // Its stream is another member's.
                Ok(change) if used.contains(&change.flow.destination) => at += 1,
                Ok(change) => {
                    used.push(change.flow.destination.clone());
                    let name = members.remove(at).name;
                    changes.push(MemberPatch { name, change });
                }
                Err(error) => {
                    failure = Some(error);
                    at += 1;
                }
            }
        }
        let shown = path.display();
        if !changes.is_empty() {
            // Standard input is read once.
            if path == Path::new("-") {
                return Ok(changes);
            }
            let (name, bytes) = bytes_of(path)?;
            let (name, bytes) = (&*name, &*bytes);
            let (count, fit) = (Text { name, bytes }.count()?, changes.len());
            if fit < count {
                return Err(Failure::Input(format!(
                    "{shown} describes {count} streams, of which {fit} fit a member alone: give a description of each"
                )));
            }
            return Ok(changes);
        }
        Err(match (failure, members.len()) {
            (Some(failure), 1) => failure,
            _ => Failure::Input(format!(
                "{shown} has the format of no member of group {}, or of one that has another description",
                self.group
            )),
        })
    }
}
