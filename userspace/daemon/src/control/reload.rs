//! A new reading of the configuration's file, and what of it is taken.

use std::path::Path;

use onair_api::{ConfigRefusal, EventKind, Reload, ReloadOutcome, Timestamp};
use onair_engine::services::Services;
use onair_settings::config::reload::compare;
use onair_settings::config::{Config, ConfigError, ms};

use crate::log::{FilterError, set_filter};
use crate::shutdown::ShutdownCoordinator;

/// Why the configuration is not reloaded.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// No file is known.
    #[error("the daemon was started without a file")]
    NoFile,
    /// The file is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `log.filter` is invalid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The thread that read the file panicked.
    #[error(transparent)]
    Panicked(#[from] tokio::task::JoinError),
    /// The daemon ends.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

/// Reads the file again.
///
/// # Errors
/// [`ReloadError`]: there is no file, or it is invalid.
pub fn load(file: Option<&Path>) -> Result<Box<Config>, ReloadError> {
    let file = file.ok_or(ReloadError::NoFile)?;
    Ok(Box::new(Config::load(file)?))
}

/// Applies what can be applied of `loaded`, the current file; nothing if it is invalid.
pub(super) fn apply(
    services: &mut Services,
    shutdown: &ShutdownCoordinator,
    loaded: Result<Box<Config>, ReloadError>,
) -> Reload {
    let is_shutting_down = shutdown.is_shutting_down();
    let is_read = loaded.is_ok();
    let reload = match merge(&services.config, loaded, is_shutting_down, set_filter) {
        Ok((config, reload)) => {
            log(&reload);
            services.machine.note_file(None);
            services.config = config;
            let config = &services.config;
            services.archive.retain(config.state.retention());
            services.machine.set_probe_mode(config.probe.mode);
            shutdown.configure(config.shutdown, ms(config.timeouts.graceful_ms));
            reload
        }
        Err(error) => {
            tracing::error!(
                %error,
                "the configuration is not reloaded: the current one stays in force"
            );
            // Merged with keys that stay, a valid file may be refused, too.
            if matches!(error, ReloadError::Config(_) if !is_read)
                || matches!(error, ReloadError::Filter(_))
            {
                services.machine.note_file(Some(error.to_string()));
            }
            failed(&error)
        }
    };
    services.hub.publish(None, event(&reload));
    services.last_reload = Some(reload.clone());
    reload
}

/// Merges what can be applied of `wanted`, the current file, into the configuration in force; nothing
/// if it is invalid. `set_filter` sets the log's filter. Returns the new configuration with the
/// result.
///
/// # Errors
/// [`ReloadError`]: the configuration in force stays.
fn merge(
    active: &Config,
    wanted: Result<Box<Config>, ReloadError>,
    is_shutting_down: bool,
    set_filter: impl FnOnce(&str) -> Result<(), FilterError>,
) -> Result<(Config, Reload), ReloadError> {
    if is_shutting_down {
        return Err(ReloadError::ShuttingDown);
    }
    let mut compared = compare(active, &*wanted?)?;
    if compared.config.log.filter != active.log.filter {
        match set_filter(&compared.config.log.filter) {
            Ok(()) => {}
            Err(error @ FilterError::Parse { .. }) => return Err(error.into()),
            Err(error @ FilterError::Overridden) => {
                compared.config.log.filter.clone_from(&active.log.filter);
                let of_filter = compared.applied.extract_if(.., |it| it.key == "log.filter");
                compared
                    .refused
                    .extend(of_filter.map(|change| ConfigRefusal {
                        change,
                        reason: error.to_string(),
                    }));
            }
        }
    }
    let reload = Reload {
        at: Timestamp::now(),
        outcome: if compared.refused.is_empty() {
            ReloadOutcome::Applied
        } else {
            ReloadOutcome::Partly
        },
        error: None,
        applied: compared.applied,
        refused: compared.refused,
    };
    Ok((compared.config, reload))
}

/// The result of a reload that changes nothing.
fn failed(error: &ReloadError) -> Reload {
    Reload {
        at: Timestamp::now(),
        outcome: ReloadOutcome::Failed,
        error: Some(error.to_string()),
        applied: Vec::new(),
        refused: Vec::new(),
    }
}

/// The event that says what was reloaded.
fn event(reload: &Reload) -> EventKind {
    let applied = reload.applied.iter().map(|it| it.key.clone());
    let refused = reload.refused.iter().map(|it| it.change.key.clone());
    EventKind::ConfigReloaded {
        outcome: reload.outcome,
        error: reload.error.clone(),
        applied: applied.collect(),
        refused: refused.collect(),
    }
}

/// Says each change in the log.
fn log(reload: &Reload) {
    for change in &reload.applied {
        let (key, from, to) = (&change.key, &change.from, &change.to);
        tracing::info!(key, from, to, "reloaded");
    }
    for refusal in &reload.refused {
        let (key, from, to) = (
            &refusal.change.key,
            &refusal.change.from,
            &refusal.change.to,
        );
        tracing::warn!(key, from, to, reason = refusal.reason, "not reloaded");
    }
    if reload.applied.is_empty() && reload.refused.is_empty() {
        tracing::info!("the configuration was read again: nothing has changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(change: impl FnOnce(&mut Config)) -> Result<Box<Config>, ReloadError> {
        let mut config = Box::<Config>::default();
        change(&mut config);
        Ok(config)
    }

    fn keys(reload: &Reload) -> (Vec<&str>, Vec<&str>) {
        let applied = reload.applied.iter().map(|it| &*it.key).collect();
        let refused = reload.refused.iter().map(|it| &*it.change.key);
        (applied, refused.collect())
    }

    #[test]
    fn filter_is_set_only_if_it_changes_and_refused_if_overridden() {
        let active = Config::default();
        let same = merge(&active, wanted(|_| {}), false, |_| panic!("not set"));
        let (_, reload) = same.unwrap();
        assert_eq!(reload.outcome, ReloadOutcome::Applied);
        assert_eq!(keys(&reload), (vec![], vec![]));

        let change = |config: &mut Config| {
            config.log.filter = "debug".to_owned();
            config.timeouts.quiesce_ms += 1;
        };
        let set = |filter: &str| {
            assert_eq!(filter, "debug");
            Ok(())
        };
        let (config, reload) = merge(&active, wanted(change), false, set).unwrap();
        assert_eq!(config.log.filter, "debug");
        assert_eq!(keys(&reload).0, ["log.filter", "timeouts.quiesce_ms"]);

        let overridden = |_: &str| Err(FilterError::Overridden);
        let (config, reload) = merge(&active, wanted(change), false, overridden).unwrap();
        assert_eq!(config.log.filter, active.log.filter);
        let quiesce_ms = active.timeouts.quiesce_ms + 1;
        assert_eq!(config.timeouts.quiesce_ms, quiesce_ms);
        assert_eq!(reload.outcome, ReloadOutcome::Partly);
        let expected = (vec!["timeouts.quiesce_ms"], vec!["log.filter"]);
        assert_eq!(keys(&reload), expected);
    }

    #[test]
    fn file_read_during_the_shutdown_then_nothing_is_taken_of_it() {
        let change = |config: &mut Config| config.log.filter = "debug".to_owned();
        let set = |_: &str| panic!("not set");
        let refused = merge(&Config::default(), wanted(change), true, set).unwrap_err();
        assert!(matches!(refused, ReloadError::ShuttingDown));
        let reload = failed(&refused);
        assert_eq!(reload.outcome, ReloadOutcome::Failed);
        assert_eq!(reload.error.as_deref(), Some("the daemon is shutting down"));
    }

    #[test]
    fn file_that_cannot_be_read_then_its_error_and_no_filter_is_set() {
        let set = |_: &str| panic!("not set");
        let refused = merge(&Config::default(), load(None), false, set).unwrap_err();
        assert!(matches!(refused, ReloadError::NoFile));
    }
}
