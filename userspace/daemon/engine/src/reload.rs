//! A new reading of the configuration's file, and the keys that it changes.

use onair_api::{ConfigRefusal, EventKind, Reload, ReloadOutcome, Timestamp};
use onair_settings::config::reload::compare;
use onair_settings::config::{Config, ConfigError, ms};

use crate::machine::{FilterError, ShuttingDown};
use crate::services::Services;

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
    #[error("{0}")]
    Panicked(String),
    /// The daemon ends.
    #[error(transparent)]
    ShuttingDown(#[from] ShuttingDown),
}

/// Applies what can be applied of `loaded`, the current file; nothing if it is invalid.
pub(crate) fn apply(services: &mut Services, loaded: Result<Box<Config>, ReloadError>) -> Reload {
    let is_read = loaded.is_ok();
    let machine = &services.machine;
    let in_service = machine.shutdown().check_service();
    let wanted = in_service.map_err(ReloadError::from).and(loaded);
    let set_filter = |filter: &str| machine.set_log_filter(filter);
    let at = machine.clock().wall();
    let reload = match merge(&services.config, wanted, at, set_filter) {
        Ok((config, reload)) => {
            log(&reload);
            services.machine.note_file(None);
            services.config = config;
            let config = &services.config;
            services.archive.retain(config.state.retention());
            services.machine.set_probe_mode(config.probe.mode);
            let graceful = ms(config.timeouts.graceful_ms);
            let shutdown = services.machine.shutdown();
            shutdown.configure(config.shutdown, graceful);
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
            failed(&error, at)
        }
    };
    services.hub.publish(None, event(&reload));
    services.last_reload = Some(reload.clone());
    reload
}

/// Merges what can be applied of `wanted`, the current file, into the configuration in force; nothing
/// if it is invalid. `set_filter` sets the log's filter. Returns the new configuration with the
/// result of `at`.
///
/// # Errors
/// [`ReloadError`]: the configuration in force stays.
fn merge(
    active: &Config,
    wanted: Result<Box<Config>, ReloadError>,
    at: Timestamp,
    set_filter: impl FnOnce(&str) -> Result<(), FilterError>,
) -> Result<(Config, Reload), ReloadError> {
    let mut compared = compare(active, &*wanted?)?;
    if compared.config.log.filter != active.log.filter {
        match set_filter(&compared.config.log.filter) {
            Ok(()) => {}
            Err(error @ FilterError::Parse { .. }) => return Err(error.into()),
            Err(error @ FilterError::Overridden(_)) => {
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
        at,
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
fn failed(error: &ReloadError, at: Timestamp) -> Reload {
    Reload {
        at,
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

    const AT: Timestamp = Timestamp(std::time::UNIX_EPOCH);

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
        let same = merge(&active, wanted(|_| {}), AT, |_| panic!("not set"));
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
        let (config, reload) = merge(&active, wanted(change), AT, set).unwrap();
        assert_eq!(config.log.filter, "debug");
        assert_eq!(keys(&reload).0, ["log.filter", "timeouts.quiesce_ms"]);

        let overridden = |_: &str| Err(FilterError::Overridden("ONAIR_LOG"));
        let (config, reload) = merge(&active, wanted(change), AT, overridden).unwrap();
        assert_eq!(config.log.filter, active.log.filter);
        let quiesce_ms = active.timeouts.quiesce_ms + 1;
        assert_eq!(config.timeouts.quiesce_ms, quiesce_ms);
        assert_eq!(reload.outcome, ReloadOutcome::Partly);
        let expected = (vec!["timeouts.quiesce_ms"], vec!["log.filter"]);
        assert_eq!(keys(&reload), expected);
    }
}
