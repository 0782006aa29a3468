//! Descriptions as the equipment and programs of several makers write them: `field/`, each with what becomes of it in
//! `field.json`. `BLESS=1` writes that anew.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use onair_sdp::{Media, SessionDescription};
use serde_json::{Value, json};

use crate::samples::{bare, parsed};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdp/field")
}

/// Name and bytes of each file.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder()).expect("the folder");
    let mut files: Vec<_> = files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(path).expect("bytes"))
        })
        .collect();
    files.sort();
    files
}

fn leg(media: &Media) -> Value {
    let to = SocketAddr::new(media.destination, media.port).to_string();
    let sources = media.sources.iter().map(ToString::to_string);
    let sources = sources.collect::<Vec<_>>().join(" ");
    format!("{sources} → {to}").trim_start().into()
}

fn found(bytes: &[u8]) -> Value {
    let description = match SessionDescription::read(bytes) {
        Ok(description) => description,
        Err(error) => return error.to_string().into(),
    };
    let streams = match description.streams() {
        Ok(streams) => streams,
        Err(error) => return error.to_string().into(),
    };
    let streams = streams.into_iter().map(|stream| match stream {
        Ok(stream) => {
            let notes = stream.notes.iter().map(ToString::to_string);
            let second = |leg: &Media| match leg.payload_type == stream.media.payload_type {
                true => self::leg(leg),
                false => json!([self::leg(leg), leg.payload_type]),
            };
            json!({
                "payload_type": stream.media.payload_type,
                "leg": leg(stream.media),
                "second": stream.second.map(second),
                "carried": stream.carried,
                "notes": notes.collect::<Vec<_>>(),
            })
        }
        Err(error) => error.to_string().into(),
    });
    streams.collect()
}

#[test]
fn descriptions_of_the_field_then_carried_or_noted_as_pinned() {
    let found = files()
        .into_iter()
        .map(|(name, bytes)| (name, found(&bytes)));
    let found = Value::Object(found.collect());
    let path = folder().with_extension("json");
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        fs::write(&path, text).unwrap();
    }
    let pinned: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, found) in found.as_object().unwrap() {
        assert_eq!(pinned[name], *found, "{name}");
    }
    assert_eq!(
        pinned.as_object().unwrap().len(),
        found.as_object().unwrap().len()
    );
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn descriptions_of_real_equipment_then_written_as_parsed() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    let mut files = 0;
    for entry in Path::new(&folder).join("sdp").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        files += 1;
        // It describes payload type 96 in a medium of 97.
        if path.ends_with("audio_AM824.sdp") {
            let error = SessionDescription::parse(&text).unwrap_err().to_string();
            assert!(
                error.contains("give 97, the payload type of the m= line"),
                "{error}"
            );
            continue;
        }
        let mut description = parsed(&text);
        for note in description.notes.iter() {
            eprintln!("{}: {note}", path.display());
        }
        let mut written = parsed(&description.to_string());
        bare(&mut written);
        bare(&mut description);
        assert_eq!(written.media, description.media, "{}", path.display());
    }
    assert!(files > 0, "no descriptions in {}", folder.display());
}
