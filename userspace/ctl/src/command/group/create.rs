//! `onairctl group create`: one session of each description.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use onair_api::GroupName;
use onair_api::operations::{CreateGroup, Sent};
use onair_essence::legs::Class;
use serde_json::{Value, json};

use crate::args::Options;
use crate::client::Client;
use crate::command::session::create::{Way, only_port, text_of};
use crate::command::session::description::Described;
use crate::failure::{DONE, Failure};
use crate::render;

/// The sessions of a programme.
#[derive(Debug, Args)]
#[command(after_help = "\
Each description (SDP) of ST 2110-20, -22, -30, -31 or -40 gives one session, NAME-audio, NAME-ancillary and so on. If
one session cannot be created, none is; the error names it. Senders begin at the same time of TAI.

Examples:
  onairctl group create studio1 --sdp picture.sdp sound.sdp captions.sdp --port b
  onairctl group create studio1 --sdp picture.sdp sound.sdp --port a --second-port b
  onairctl group create out1 --sdp picture.sdp sound.sdp --direction send --pattern --port a")]
pub(crate) struct Create {
    /// Name of the group: 1 to 63 of a-z, 0-9, '.', '_', '-'
    name: GroupName,

    /// Session descriptions, one a session
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    sdp: Vec<PathBuf>,

    /// Direction of the packets, seen from the daemon's host [default: receive]
    #[arg(long)]
    direction: Option<Way>,

    /// Name of a port in the daemon's configuration [default: the only port]
    #[arg(long)]
    port: Option<String>,

    /// Use the second leg of each description, too (ST 2022-7): the name of its port
    #[arg(long, value_name = "PORT")]
    second_port: Option<String>,

    /// How far the legs may be apart, as for session create
    #[arg(long, requires = "second_port")]
    class: Option<Class>,

    /// Send the built-in test signals instead of clients' units
    #[arg(long)]
    pattern: bool,

    /// Restore the sessions when the daemon restarts, unless a user destroyed them
    #[arg(long)]
    persistent: bool,
}

impl Create {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let port = match &self.port {
            Some(port) => port.clone(),
            None => only_port(client).await?,
        };
        let body = Sent::Body(self.body(&port)?);
        let created = client.send::<CreateGroup>(&(), body, Duration::ZERO);
        crate::command::show(options, &created.await?, render::group::one)?;
        Ok(DONE)
    }

    /// The request body. The daemon validates it.
    fn body(&self, port: &str) -> Result<Value, Failure> {
        let mut names = Vec::new();
        let mut sessions = Vec::new();
        for path in &self.sdp {
            let session = self.session(path, port, &mut names)?;
            sessions.push(session);
        }
        Ok(json!({"name": self.name, "sessions": sessions}))
    }

    /// One session, whose name is added to `names`.
    fn session(&self, path: &Path, port: &str, names: &mut Vec<String>) -> Result<Value, Failure> {
        let (shown, text) = text_of(path)?;
        let direction = self.direction.unwrap_or(Way::Receive);
        let described = Described::read(path, &text, matches!(direction, Way::Receive))?;
        for note in &described.notes {
            eprintln!("onairctl: {}", render::printable(note));
        }
        let essences: Vec<_> = described
            .format
            .keys()
            .map(|it| it.replace('_', "-"))
            .collect();
        let name = format!("{}-{}", self.name, essences.join("-"));
        let same = names.iter().filter(|it| **it == name).count();
        names.push(name.clone());
        let mut session = described.format;
        session.insert(
            "name".to_owned(),
            match same {
                0 => json!(name),
                _ => json!(format!("{name}-{}", same + 1)),
            },
        );
        let mut flow = described.flow;
        if let Some(second) = &self.second_port {
            let mut leg = described.second.ok_or_else(|| {
                Failure::Input(format!(
                    "{shown} describes one leg: leave out --second-port"
                ))
            })?;
            leg["port"] = json!(second);
            if let Some(class) = self.class {
                leg["class"] = json!(class);
            }
            flow["second_leg"] = leg;
        }
        let mut put = |key: &str, value: Value| drop(session.insert(key.to_owned(), value));
        put("direction", json!(direction.as_str()));
        put("port", json!(port));
        put("flow", flow);
        if self.pattern {
            put("source", json!("pattern"));
        }
        if self.persistent {
            put("persistent", json!(true));
        }
        Ok(Value::Object(session))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use onair_api::NewGroupDocument;

    use super::*;
    use crate::cli::{Cli, Noun};
    use crate::command::group::Verb;

    const PICTURE: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\nm=video 5006 RTP/AVP 98\n\
        c=IN IP4 192.0.2.7\na=rtpmap:98 raw/90000\na=fmtp:98 sampling=YCbCr-4:2:2; width=1280; \
        height=720; exactframerate=50; depth=10; colorimetry=BT709; PM=2110GPM; \
        SSN=ST2110-20:2017; TP=2110TPN; \n";
    const SOUND: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\nm=audio 5008 RTP/AVP 97\n\
        c=IN IP4 192.0.2.7\na=rtpmap:97 L24/48000/2\na=ptime:1\n";

    #[test]
    fn group_of_descriptions_then_a_named_session_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (picture, sound) = (file("p.sdp", PICTURE), file("s.sdp", SOUND));
        let args = ["onairctl", "group", "create", "studio1", "--sdp"];
        let args = args.into_iter().chain([&*picture, &*sound, &*sound]);
        let args = args.chain(["--direction", "send", "--pattern"]);
        let Noun::Group(Verb::Create(create)) = Cli::try_parse_from(args).unwrap().noun else {
            panic!("another verb");
        };
        let body: NewGroupDocument = serde_json::from_value(create.body("a").unwrap()).unwrap();
        let names: Vec<_> = body.sessions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["studio1-video", "studio1-audio", "studio1-audio-2"]);
        let group = onair_api::NewGroup::try_from(body).unwrap();
        assert!(group.sessions.iter().all(|it| it.source.is_some()));
        let legs = Create {
            second_port: Some("b".into()),
            ..create
        };
        let error = legs.body("a").unwrap_err().to_string();
        assert!(error.contains("p.sdp describes one leg"), "{error}");
    }
}
