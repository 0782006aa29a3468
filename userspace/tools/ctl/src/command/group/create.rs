//! `onairctl group create`: one session of each stream that descriptions have.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use onair_api::operations::{CreateGroup, Sent};
use onair_api::{GroupName, LegDocument, NewGroupDocument, Source, SpecDocument};
use onair_control::Client;
use onair_essence::legs::Class;
use onair_essence::{EssenceKind, FormatDocument};
use onair_sdp::session::{Described, Text, one_or_several};
use serde_json::json;

use crate::args::Options;
use crate::args::essence::has_fields;
use crate::command::session::create::{Way, bytes_of, only_port};
use crate::command::session::fit::fit;
use crate::failure::{DONE, Failure};
use crate::render;

/// The sessions of a programme.
#[derive(Debug, Args)]
#[command(after_help = "\
Each stream of ST 2110-20, -22, -30, -31 or -40 in the descriptions (SDP) gives one session: NAME-audio, NAME-ancillary
and so on, or, of several in one description, by its title (i=) or mid. If one session cannot be created, none is; the
error names it. Senders begin at the same time of TAI.

Examples:
  onairctl group create studio1 --sdp programme.sdp --port b
  onairctl group create studio1 --sdp picture.sdp sound.sdp captions.sdp --port b
  onairctl group create studio1 --sdp picture.sdp sound.sdp --port a --second-port b
  onairctl group create out1 --sdp picture.sdp sound.sdp --direction send --pattern --port a")]
pub(crate) struct Create {
    /// Name of the group: 1 to 63 of a-z, 0-9, '.', '_', '-'
    name: GroupName,

    /// Session descriptions
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    sdp: Vec<PathBuf>,

    /// Frame rate of ancillary data whose description does not say it [default: that of the group's picture]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    ancillary: Option<String>,

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
        let mut sessions = self.sessions(&port)?;
        fit(client, &mut sessions).await?;
        let body = Sent::Body(json!(self.group(sessions)));
        let created = client.send::<CreateGroup>(&(), body, Duration::ZERO);
        crate::command::show(options, &created.await?, render::group::one)?;
        Ok(DONE)
    }

    fn group(&self, sessions: Vec<SpecDocument>) -> NewGroupDocument {
        NewGroupDocument {
            name: self.name.to_string(),
            sessions: sessions.into_iter().map(Into::into).collect(),
        }
    }

    /// The sessions. The daemon validates them.
    fn sessions(&self, port: &str) -> Result<Vec<SpecDocument>, Failure> {
        let receives = !matches!(self.direction, Some(Way::Send));
        let mut all = Vec::new();
        for path in &self.sdp {
            let (shown, bytes) = bytes_of(path)?;
            let (name, bytes) = (&*shown, &*bytes);
            let streams = Text { name, bytes }.all(receives)?;
            let is_one = streams.len() == 1;
            all.extend(streams.into_iter().map(|it| (shown.clone(), is_one, it)));
        }
        let is_of_legs = |it: &Described| it.second.is_some() || it.leaves_a_leg;
        let first = all.first().filter(|_| self.second_port.is_some());
        if let Some((shown, ..)) = first.filter(|_| !all.iter().any(|it| is_of_legs(&it.2))) {
            let text = format!("{shown} describes one leg: leave out --second-port");
            return Err(Failure::Input(text));
        }
        let picture = all.iter().filter(|(_, _, it)| !it.lacks_rate);
        let mut rates = picture.filter_map(|(_, _, it)| it.frame_rate());
        let rate = self.ancillary.clone().or(rates.next());
        // A description of ancillary data says nothing of fields: it has those of its picture.
        let in_fields = all.iter().any(|(_, _, it)| has_fields(&it.format));
        let mut names = Vec::new();
        let mut sessions = Vec::new();
        for (shown, is_one, mut described) in all {
            if described.lacks_rate {
                let is_ancillary = described.format.kind() == EssenceKind::Ancillary;
                let rate = rate.as_ref().filter(|_| is_ancillary);
                let rate = rate.ok_or_else(|| {
                    Failure::Input(format!(
                        "{shown}: no frame rate is described: give --ancillary RATE, or create the session of it \
                         with `onairctl session create`"
                    ))
                })?;
                described
                    .set_rate(EssenceKind::Ancillary, rate)
                    .map_err(Failure::Input)?;
            }
            if let (FormatDocument::Ancillary(format), true) = (&mut described.format, in_fields) {
                format.fields = Some(true);
            }
            let name = self.name_of(&described, is_one, &mut names);
            match &self.second_port {
                None => drop(described.leave_second()),
                Some(port) => described.note_one_leg(port),
            }
            for note in &described.notes {
                eprintln!("onairctl: {shown}: {name}: {note}");
            }
            sessions.push(self.session(described, &name, port));
        }
        Ok(sessions)
    }

    /// The name of a stream, which is added to `names`: `GROUP-ESSENCE`, or `GROUP-TITLE` if its description has
    /// several.
    fn name_of(&self, described: &Described, is_one: bool, names: &mut Vec<String>) -> String {
        let essence = described.format.kind().name().replace('_', "-");
        let title = described.title.as_deref().filter(|_| !is_one);
        let title = title.map(name_part).filter(|it| !it.is_empty());
        let of = format!("{}-{}", self.name, title.unwrap_or(essence));
        // Room for a number.
        let of = of.get(..LONGEST - 3).unwrap_or(&of).trim_end_matches('-');
        let mut name = of.to_owned();
        for number in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{of}-{number}");
        }
        names.push(name.clone());
        name
    }

    /// The session of a stream.
    fn session(&self, described: Described, name: &str, port: &str) -> SpecDocument {
        let mut flow = described.flow;
        let second = described.second.zip(self.second_port.clone());
        flow.second_leg = second.map(|(leg, port)| {
            let (source, sources) = one_or_several(leg.sources);
            LegDocument {
                port,
                destination: leg.destination,
                source,
                sources,
                payload_type: leg.payload_type,
                class: self.class,
            }
        });
        let names = (name.to_owned(), port.to_owned());
        let direction = self.direction.unwrap_or(Way::Receive).into();
        SpecDocument {
            source: self.pattern.then_some(Source::Pattern),
            persistent: self.persistent.then_some(true),
            notes: described.notes,
            ..SpecDocument::new(names, direction, (described.format, flow))
        }
    }
}

/// Most characters of a session's name.
const LONGEST: usize = 63;

/// A text as a part of a session's name.
fn name_part(text: &str) -> String {
    let characters = text.chars().map(|it| match it.to_ascii_lowercase() {
        it @ ('a'..='z' | '0'..='9' | '.' | '_') => it,
        _ => '-',
    });
    let parts: String = characters.collect();
    let parts = parts.split('-').filter(|it| !it.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use onair_api::NewGroupDocument;

    use super::*;
    use crate::cli::{Cli, Noun};
    use crate::command::group::GroupVerb;

    const PICTURE: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\nm=video 5006 RTP/AVP 98\n\
        c=IN IP4 192.0.2.7\na=rtpmap:98 raw/90000\na=fmtp:98 sampling=YCbCr-4:2:2; width=1280; \
        height=720; exactframerate=50; depth=10; colorimetry=BT709; PM=2110GPM; \
        SSN=ST2110-20:2017; TP=2110TPN; \n";
    const SOUND: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\nm=audio 5008 RTP/AVP 97\n\
        c=IN IP4 192.0.2.7\na=rtpmap:97 L24/48000/2\na=ptime:1\n";

    fn create(args: &[&str]) -> Create {
        let before = ["onairctl", "group", "create", "studio1", "--sdp"];
        let args = before.iter().chain(args);
        match Cli::try_parse_from(args).unwrap().noun {
            Noun::Group(GroupVerb::Create(create)) => create,
            other => panic!("{other:?}"),
        }
    }

    fn group(create: &Create) -> NewGroupDocument {
        create.group(create.sessions("a").unwrap())
    }

    fn names(group: &NewGroupDocument) -> Vec<&str> {
        group.sessions.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn group_of_descriptions_then_a_named_session_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (picture, sound) = (file("p.sdp", PICTURE), file("s.sdp", SOUND));
        let create = create(&[&picture, &sound, &sound, "--direction", "send", "--pattern"]);
        let body = group(&create);
        assert_eq!(
            names(&body),
            ["studio1-video", "studio1-audio", "studio1-audio-2"]
        );
        let group = onair_api::NewGroup::try_from(body).unwrap();
        assert!(group.sessions.iter().all(|it| it.source.is_some()));
        let legs = Create {
            second_port: Some("b".into()),
            ..create
        };
        let error = legs.sessions("a").unwrap_err().to_string();
        assert!(error.contains("p.sdp describes one leg"), "{error}");
    }

    #[test]
    fn group_of_one_description_then_a_session_of_each_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sdp");
        let media = |text: &str| text[text.find("m=").unwrap()..].to_owned();
        let captions =
            "m=video 5010 RTP/AVP 100\nc=IN IP4 192.0.2.7\na=rtpmap:100 smpte291/90000\n";
        let sounds = media(SOUND)
            .replace("c=", "i=2 Kanäle: Links, Rechts!\nc=")
            .repeat(2);
        let text = format!("{PICTURE}{sounds}{}a=mid:AES\n{captions}", media(SOUND));
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        let body = group(&create(&[&path]));
        let expected = [
            "studio1-video",
            "studio1-2-kan-le-links-rechts",
            "studio1-2-kan-le-links-rechts-2",
            "studio1-aes",
            "studio1-ancillary",
        ];
        assert_eq!(names(&body), expected);
        let made = onair_api::NewGroup::try_from(body).unwrap();
        // The captions have the rate of the picture, and say so.
        let captions = &made.sessions[4];
        assert!(
            captions.format.to_string().contains("50"),
            "{}",
            captions.format
        );
        assert_eq!(captions.notes[0].parameter, "exactframerate");
        let given = group(&create(&[&path, "--ancillary", "25"]));
        let rate =
            |group: &NewGroupDocument| group.sessions[4].ancillary.clone().unwrap().frame_rate;
        assert_eq!(rate(&given), "25");
    }

    #[test]
    fn group_of_an_interlaced_picture_then_its_captions_have_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sdp");
        let captions = "m=video 5010 RTP/AVP 100\nc=IN IP4 192.0.2.7\na=rtpmap:100 smpte291/90000\n\
            a=fmtp:100 exactframerate=25\n";
        for (scan, fields) in [("", None), ("; interlace", Some(true))] {
            let picture = PICTURE.replace("50;", "25;");
            let picture = picture.replace("TP=2110TPN; ", &format!("TP=2110TPN{scan}"));
            std::fs::write(&path, format!("{picture}{captions}")).unwrap();
            let body = group(&create(&[&path.display().to_string()]));
            assert_eq!(body.sessions[1].ancillary.as_ref().unwrap().fields, fields);
            onair_api::NewGroup::try_from(body).unwrap();
        }
    }

    #[test]
    fn group_of_streams_with_one_leg_and_two_then_each_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sdp");
        let media = |text: &str| text[text.find("m=").unwrap()..].to_owned();
        let (head, first) = PICTURE.split_at(PICTURE.find("m=").unwrap());
        let second = first.replace("192.0.2.7", "198.51.100.7");
        let text = format!(
            "{head}a=group:DUP 1 2\n{first}a=mid:1\n{second}a=mid:2\n{}",
            media(SOUND)
        );
        std::fs::write(&path, text).unwrap();
        let body = group(&create(&[
            &path.display().to_string(),
            "--second-port",
            "b",
        ]));
        let made = onair_api::NewGroup::try_from(body).unwrap();
        let legs = made.sessions.iter().map(|it| it.flow.second.is_some());
        assert_eq!(legs.collect::<Vec<_>>(), [true, false]);
        let note = &made.sessions[1].notes[0];
        assert!(note.reason.contains("one leg"), "{note}");
        // Without a port for it the second leg is not used, and that is noted.
        let body = group(&create(&[&path.display().to_string()]));
        let note = &body.sessions[0].notes[0];
        assert!(note.reason.contains("no port is given"), "{note}");
    }

    #[test]
    fn part_of_a_name_of_any_text_then_of_its_letters() {
        for (text, part) in [("CAM 1/A", "cam-1-a"), ("--", ""), ("ä", ""), ("1S", "1s")] {
            assert_eq!(name_part(text), part);
        }
    }
}
