//! Descriptions of other people's equipment, where the folder is given.

use std::path::Path;

use onair_sdp::SessionDescription;

use crate::samples::{bare, parsed};

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn descriptions_of_real_equipment_then_written_as_parsed() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    let mut files = 0;
    for entry in Path::new(&folder).join("sdp").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
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
