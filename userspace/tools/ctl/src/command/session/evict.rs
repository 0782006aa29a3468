//! `onairctl session evict`.

use clap::Args;
use onair_api::operations::{EvictAll, EvictAttachment, ShowSession};
use onair_api::{AttachmentView, Eviction, EvictionList, Problem, ProblemCode, SessionRef};
use onair_control::Client;

use super::dry_run::{self, Wanted};
use crate::args::Options;
use crate::failure::{DONE, Failure};
use crate::{output, render};

/// Clients to evict.
#[derive(Debug, Args)]
#[command(after_help = "\
For the client: each of its calls returns ESTALE at once and for ever, also a call that sleeps. Its
mappings stay, so its reads do not fault. The daemon takes its loaned frames back. The client may attach
again. A frame that the client was reading is not reused until the client releases it or exits. An
eviction works on running and on stopped sessions, and on frozen clients (SIGSTOP).

Examples:
  onairctl session show cam1                     # attachments with their numbers
  onairctl session evict cam1 --attachment 7
  onairctl session evict cam1 --pid 4711
  onairctl session evict cam1 --all --dry-run")]
pub(crate) struct Evict {
    /// Session id or name
    session: SessionRef,

    #[command(flatten)]
    whom: EvictTarget,

    /// Forecast the result and change nothing (exit code 0: it would pass; 4: it would be refused)
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct EvictTarget {
    /// Evict the attachment with this number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    attachment: Option<u64>,

    /// Evict every attachment of this process
    #[arg(long, value_name = "PID", allow_negative_numbers = true)]
    pid: Option<u32>,

    /// Evict every attachment
    #[arg(long)]
    all: bool,
}

impl EvictTarget {
    fn means(&self, one: &AttachmentView) -> bool {
        self.all || self.attachment == Some(one.attachment) || self.pid == Some(one.pid)
    }
}

impl Evict {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        if self.dry_run {
            let some = self.chosen(client).await?;
            return dry_run::run(options, client, &self.session, Wanted::Evict(some)).await;
        }
        let evicted = match &self.whom {
            EvictTarget { all: true, .. } => {
                let answer = client.call::<EvictAll>(&self.session, &()).await?;
                answer.read()?.evicted
            }
            EvictTarget {
                attachment: Some(number),
                ..
            } => vec![self.evict(client, *number).await?],
            EvictTarget { .. } => {
                let mut evicted = Vec::new();
                for one in self.chosen(client).await? {
                    evicted.push(self.evict(client, one.attachment).await?);
                }
                evicted
            }
        };
        let list = EvictionList { evicted };
        if options.json {
            output::json(&list)?;
        } else {
            output::text(&render::session::eviction::list(&list))?;
        }
        Ok(DONE)
    }

    /// The selected attachments. `--all` may select none; a named attachment or process must exist.
    async fn chosen(&self, client: &Client) -> Result<Vec<AttachmentView>, Failure> {
        let view = client
            .call::<ShowSession>(&self.session, &())
            .await?
            .read()?;
        let mut some = view.attachments;
        some.retain(|one| self.whom.means(one));
        if some.is_empty() && !self.whom.all {
            let who = match (self.whom.attachment, self.whom.pid) {
                (Some(number), _) => format!("attachment {number}"),
                (None, pid) => format!("attachment of process {}", render::or_dash(pid)),
            };
            let what = format!("session {} has no {who}", view.name);
            let problem = Problem::new(ProblemCode::NoSuchAttachment, what);
            return Err(Box::new(problem).into());
        }
        Ok(some)
    }

    async fn evict(&self, client: &Client, attachment: u64) -> Result<Eviction, Failure> {
        let target = (self.session.clone(), attachment);
        Ok(client.call::<EvictAttachment>(&target, &()).await?.read()?)
    }
}
