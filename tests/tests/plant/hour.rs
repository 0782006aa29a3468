//! The quick rows of `cargo xtask plant`, each on both drivers.

use anyhow::{Context as _, Result};
use onair_tests::Backend;
use onair_tests::plant::{Kind, ROWS};

fn row(name: &str) -> Result<()> {
    let row = ROWS
        .iter()
        .find(|it| it.name == name)
        .context("such a row")?;
    for driver in [Backend::AfPacket, Backend::AfXdp] {
        println!("{name} on {driver}: {}", row.run(driver)?);
    }
    Ok(())
}

macro_rules! rows {
    ($($test:ident: $name:literal)*) => {$(
        #[test]
        fn $test() -> Result<()> {
            row($name)
        }
    )*

        #[test]
        fn each_quick_row_is_a_test() {
            let quick = ROWS.iter().filter(|it| it.kind == Kind::Quick).map(|it| it.name);
            assert_eq!(quick.collect::<Vec<_>>(), [$($name),*]);
        }
    };
}

rows! {
    services_beside_a_stream: "services"
    monitors_and_a_recorder_on_one_camera: "monitors"
    strangers_packets_move_nothing: "stranger"
    ffmpeg_then_picture_and_sound: "ffmpeg"
    all_descriptions_at_once: "all-sdps"
    refused_connect_then_parked_and_on_air: "refused-connect"
    source_taken_again_then_left_and_joined: "take-again"
    crosspoint_outlasts_restarts: "crosspoint"
    killed_client_then_certified: "killed-client"
}
