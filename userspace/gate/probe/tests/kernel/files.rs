//! The files of clients: attached once, kept, and let go.

use onair_probe::{Probe, ProbeError, SurveyError};

use crate::common::{Client, block_on, config, introduce, probe, program, until};

#[test]
fn file_of_two_clients_then_attached_once_and_kept() {
    let probe = probe();
    let (mut one, mut two) = (Client::start(), Client::start());
    let first = introduce(&probe, &mut one).unwrap();
    let links = probe.health().links;
    assert_eq!(links, 4, "two of this program, two of the client's");
    let second = introduce(&probe, &mut two).unwrap();
    assert_eq!((probe.health().links, probe.health().files), (links, 2));
    drop((first, second, one, two));
    assert_eq!(probe.health().links, links);
}

#[test]
fn file_no_place_left_then_idle_one_goes_and_held_one_stays() {
    let copy = |name: &str| {
        let path = program().with_file_name(format!("{name}-{}", std::process::id()));
        std::fs::copy(program(), &path).unwrap();
        path
    };
    let (a, b) = (copy("probe-client-a"), copy("probe-client-b"));
    let mut config = config();
    config.max_files = 2;
    let probe = Probe::start(config).unwrap();
    let (mut of_a, mut of_b) = (Client::of(&a), Client::of(&b));
    let (armed, _) = introduce(&probe, &mut of_a).unwrap();
    let full = block_on(probe.arm(of_b.pid()));
    assert!(
        matches!(
            &full,
            Err(ProbeError::Full(refused))
                if refused.share.what == "watched files" && refused.share.limit == 2
        ),
        "{full:?}"
    );
    armed.checker.look().expect("kept");
    drop(armed);
    let (armed, _) = introduce(&probe, &mut of_b).expect("the place of the idle one");
    armed.checker.look().expect("armed");
    assert_eq!(probe.health().files, 2);
    for path in [a, b] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn file_overwritten_in_place_then_let_go() {
    let path = program().with_file_name(format!("probe-client-w-{}", std::process::id()));
    std::fs::copy(program(), &path).unwrap();
    let probe = probe();
    let mut client = Client::of(&path);
    drop(introduce(&probe, &mut client).unwrap());
    assert_eq!(probe.health().files, 2);
    drop(client);
    std::fs::copy("/bin/true", &path).unwrap();
    until("the file to be let go", || {
        let health = probe.health();
        (health.files == 1 && health.detaching == 0).then_some(())
    });
    // The breakpoints would be in the middle of its instructions. A child that another test forked amid the copy has the
    // file open until its exec.
    let ran = until("no process to write to the file", || {
        let ran = std::process::Command::new(&path).status();
        let is_busy = |it: &std::io::Error| it.kind() == std::io::ErrorKind::ExecutableFileBusy;
        (!ran.as_ref().is_err_and(is_busy)).then_some(ran)
    });
    assert!(ran.unwrap().success());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn process_without_sites_then_refused() {
    let probe = probe();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    // Until its exec it is a copy of this program, which has sites.
    until("its exec", || {
        std::fs::read_to_string(format!("/proc/{}/comm", child.id()))
            .is_ok_and(|comm| comm.trim() == "sleep")
            .then_some(())
    });
    let refused = block_on(probe.arm(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        matches!(
            refused,
            Err(ProbeError::Process(SurveyError::NoSites { .. }))
        ),
        "{refused:?}"
    );
}
