//! An event of iceoryx2, under names of our own.

use std::path::Path;

use anyhow::{Result, anyhow};
use iceoryx2::prelude::*;

type Service = ipc::Service;
type Factory = iceoryx2::service::port_factory::event::PortFactory<Service>;

/// Everything must live as long as the port.
struct Ends {
    _node: Node<Service>,
    service: Factory,
}

fn open(name: &str) -> Result<Ends> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.prefix = FileName::new(name.as_bytes()).map_err(told)?;
    let folder = folder(name);
    let folder = folder.to_string_lossy();
    let folder = iceoryx2::prelude::Path::new(folder.as_bytes()).map_err(told)?;
    config.global.set_root_path(&folder);
    let node = NodeBuilder::new()
        .config(&config)
        .create::<Service>()
        .map_err(told)?;
    let name = "onair-bench".try_into().map_err(told)?;
    let service = node
        .service_builder(&name)
        .event()
        .open_or_create()
        .map_err(told)?;
    Ok(Ends {
        _node: node,
        service,
    })
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("{name}iceoryx2"))
}

fn told(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow!("iceoryx2: {error:?}")
}

/// The end that tells.
pub(super) struct Notifier {
    _ends: Ends,
    port: iceoryx2::port::notifier::Notifier<Service>,
}

impl Notifier {
    pub(super) fn open(name: &str) -> Result<Self> {
        let ends = open(name)?;
        let port = ends.service.notifier_builder().create().map_err(told)?;
        Ok(Self { _ends: ends, port })
    }

    pub(super) fn notify(&self) -> Result<()> {
        let told_to = self.port.notify().map_err(told)?;
        anyhow::ensure!(told_to == 1, "iceoryx2 told {told_to} listeners");
        Ok(())
    }
}

/// The end that waits.
pub(super) struct Listener {
    _ends: Ends,
    port: iceoryx2::port::listener::Listener<Service>,
}

impl Listener {
    pub(super) fn open(name: &str) -> Result<Self> {
        let ends = open(name)?;
        let port = ends.service.listener_builder().create().map_err(told)?;
        Ok(Self { _ends: ends, port })
    }

    pub(super) fn wait(&self) -> Result<()> {
        self.port.blocking_wait(|_| ()).map_err(told)?;
        Ok(())
    }
}

/// Takes away what it leaves: its folder, and its files in `/dev/shm`.
pub(super) fn sweep(name: &str) {
    // What is not there is no error.
    let _ = std::fs::remove_dir_all(folder(name));
    let Ok(files) = std::fs::read_dir(Path::new("/dev/shm")) else {
        return;
    };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().starts_with(name) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}
