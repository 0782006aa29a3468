//! The end of `onaird --demo`: removes its folder, which nothing reads again.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use onair_settings::config::Config;

use crate::resources::FILE;

/// Removes the state directory of a demo that has ended, and the folder above if nothing else is in it.
/// Recordings stay, with their folder: returns whether there are some. Call it in the process that ran
/// the demo: another demo does not start in the folder while this process lives.
///
/// # Errors
/// The kernel's: something cannot be removed.
pub fn remove_demo_folder(config: &Config) -> io::Result<bool> {
    let dir = &config.state.dir;
    let recordings = config.recorder.folder(dir);
    let has_recordings = match fs::read_dir(&recordings) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_kept = entry.file_name() == FILE || (has_recordings && entry.path() == recordings);
        match entry.file_type()?.is_dir() {
            _ if is_kept => {}
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    // The last one: until then no other demo starts here.
    gone(fs::remove_file(dir.join(FILE)))?;
    if !has_recordings {
        gone(fs::remove_dir(dir))?;
        remove_if_empty(dir.parent());
    }
    Ok(has_recordings)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        // Not empty: another demo has begun.
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty].contains(&error.kind()) =>
        {
            Ok(())
        }
        removed => removed,
    }
}

/// The sockets' folder of another daemon is not empty, and stays.
fn remove_if_empty(folder: Option<&Path>) {
    let _ = folder.map(fs::remove_dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(above: &Path) -> Config {
        let mut config = Config::demo();
        config.state.dir = above.join("demo");
        for folder in ["demo/certificates", "demo/sessions", "demo/recordings"] {
            fs::create_dir_all(above.join(folder)).unwrap();
        }
        for file in [FILE, "certificates.wal", "certificates/1.json"] {
            fs::write(config.state.dir.join(file), "").unwrap();
        }
        config
    }

    #[test]
    fn demo_ended_then_its_folder_and_the_empty_one_above_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let above = folder.path().join("onair");
        assert!(!remove_demo_folder(&demo(&above)).unwrap());
        assert!(!above.exists());
    }

    #[test]
    fn folder_above_with_sockets_of_another_daemon_then_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let above = folder.path().join("onair");
        let config = demo(&above);
        fs::write(above.join("control.sock"), "").unwrap();
        assert!(!remove_demo_folder(&config).unwrap());
        assert!(!config.state.dir.exists() && above.join("control.sock").exists());
    }

    #[test]
    fn recordings_then_they_stay_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let config = demo(folder.path());
        let recording = config.state.dir.join("recordings/full.json");
        fs::write(&recording, "").unwrap();
        assert!(remove_demo_folder(&config).unwrap());
        assert!(recording.exists());
        assert_eq!(fs::read_dir(&config.state.dir).unwrap().count(), 1);
    }
}
