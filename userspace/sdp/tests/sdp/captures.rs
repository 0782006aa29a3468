//! Descriptions of other people's equipment, where the folder is given.

use std::path::Path;

use crate::samples::parsed;

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn descriptions_of_real_equipment_then_written_as_parsed() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    let mut files = 0;
    for entry in Path::new(&folder).join("sdp").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let mut description = parsed(&std::fs::read_to_string(&path).unwrap());
        for warning in std::mem::take(&mut description.warnings) {
            eprintln!("{}: {warning:?}", path.display());
        }
        let written = parsed(&description.to_string());
        // A slip of the original is written as it was understood.
        let slips = ["has", "taken for"];
        let of_counts = written
            .warnings
            .iter()
            .all(|it| slips.iter().any(|slip| it.text.contains(slip)));
        assert!(of_counts, "{:?}", written.warnings);
        assert_eq!(written.media, description.media, "{}", path.display());
        files += 1;
    }
    assert!(files > 0, "no descriptions in {}", folder.display());
}
