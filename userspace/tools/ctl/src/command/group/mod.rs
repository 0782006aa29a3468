//! `onairctl group …`: the verbs, and a file for each that has much to do.

mod create;
mod retarget;

use std::time::Duration;

use clap::Subcommand;
use onair_api::operations::{
    ApiOperation, DestroyGroup, DestroyGroupWait, Input as _, ListGroups, ShowGroup, StartGroup,
    StopGroup,
};
use onair_api::{DestroyWait, GroupName, GroupView};
use onair_control::Client;

use self::create::Create;
use self::retarget::Retarget;
use super::session::longest;
use super::watch::{Watch, WatchView};
use super::{show, stop_first, wait};
use crate::args::Options;
use crate::args::parse::whole_ms;
use crate::failure::{DONE, Failure};
use crate::render::group;

/// Verbs of `group`.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// Create the sessions of a programme from their descriptions: all or none
    Create(Create),
    /// List the groups
    #[command(
        visible_alias = "ls",
        after_help = "\
Example:
  onairctl group list"
    )]
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show the members of a group: state, signal and skew
    #[command(after_help = "\
SKEW is the TAI time of a member's newest unit minus that of the first member, by their RTP timestamps. Of members
in step it stays below one unit (a frame, a block of sound).

Examples:
  onairctl group show studio1 --watch
  onairctl --json group show studio1 | jq '.members[] | {name, skew_ns}'")]
    Show {
        /// Name of the group
        group: GroupName,
        #[command(flatten)]
        watch: Watch,
    },
    /// Stop all members at once: their callers return EAGAIN
    #[command(after_help = "\
Example:
  onairctl group stop studio1")]
    Stop {
        /// Name of the group
        group: GroupName,
    },
    /// Start all members together, or none
    #[command(after_help = "\
Example:
  onairctl group start studio1")]
    Start {
        /// Name of the group
        group: GroupName,
    },
    /// Give members the addresses of other descriptions
    Retarget(Retarget),
    /// Destroy all members together, now or not at all
    #[command(after_help = "\
No member is destroyed before none has a user. Without --wait, a group in use stays unchanged (exit code 4, with
the blockers of all members). Ctrl-C ends the wait; the members stay stopped. Each has its own certificate.

Example:
  onairctl group destroy studio1 --stop --wait 5s")]
    Destroy {
        /// Name of the group
        group: GroupName,
        /// Wait for the users to leave, at most this long: 500ms, 5s, 1m30s
        #[arg(long, value_name = "DURATION", value_parser = longest, allow_hyphen_values = true)]
        wait: Option<Duration>,
        /// Stop the members first
        #[arg(long)]
        stop: bool,
    },
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &GroupVerb,
) -> Result<u8, Failure> {
    match verb {
        GroupVerb::Create(create) => return create.run(options, client).await,
        GroupVerb::List { watch } => {
            let look = async || {
                let answer = client.call::<ListGroups>(&(), &()).await?;
                WatchView::of(answer, group::list)
            };
            return watch.run(options, None, look).await;
        }
        GroupVerb::Show { group, watch } => {
            let look = async || {
                let answer = client.call::<ShowGroup>(group, &()).await?;
                WatchView::of(answer, group::one)
            };
            return watch.run(options, None, look).await;
        }
        GroupVerb::Stop { group } => turn::<StopGroup>(options, client, group).await?,
        GroupVerb::Start { group } => turn::<StartGroup>(options, client, group).await?,
        GroupVerb::Retarget(retarget) => return retarget.run(options, client).await,
        GroupVerb::Destroy { group, wait, stop } => {
            if *stop {
                stop_first::<StopGroup>(client, group).await?;
            }
            let answer = match *wait {
                None => client.call::<DestroyGroup>(group, &()).await?,
                Some(wait) => {
                    let bar = wait::line();
                    bar.set_message(format!("waiting for the users of group {group}"));
                    let deadline_ms = whole_ms(wait);
                    let body = DestroyWait { deadline_ms }.sent();
                    let answer = client.send::<DestroyGroupWait>(group, body, wait).await;
                    bar.finish_and_clear();
                    answer?
                }
            };
            show(options, &answer, group::ended)?;
        }
    }
    Ok(DONE)
}

async fn turn<O>(options: &Options, client: &Client, group: &GroupName) -> Result<(), Failure>
where
    O: ApiOperation<Target = GroupName, Input = (), Document = GroupView>,
{
    let answer = client.call::<O>(group, &()).await?;
    show(options, &answer, group::one)?;
    Ok(())
}
