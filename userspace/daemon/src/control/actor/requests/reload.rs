//! Applies those changes of the configuration file that can be applied at run time.

use onair_api::{ActiveConfig, ConfigRefusal, EventKind, Reload, ReloadOutcome, Timestamp};

use crate::config::reload;
use crate::config::{Config, ms};
use crate::control::actor::Actor;
use crate::control::reload::ReloadError;
use crate::log;

impl Actor {
    /// The configuration in force.
    pub(crate) fn active_config(&self) -> ActiveConfig {
        let config = &self.services.config;
        ActiveConfig {
            file: config.file.as_ref().map(|file| file.display().to_string()),
            active: reload::json(config),
            last_reload: self.services.last_reload.clone(),
        }
    }

    /// Applies what can be applied of `loaded`, the current file; nothing if it is invalid.
    pub(crate) fn reload(&mut self, loaded: Result<Box<Config>, ReloadError>) -> Reload {
        let loaded = match self.shutdown.is_shutting_down() {
            true => Err(ReloadError::ShuttingDown),
            false => loaded,
        };
        let reload = match loaded.and_then(|wanted| self.take(&wanted)) {
            Ok(reload) => reload,
            Err(error) => {
                tracing::error!(
                    %error,
                    "the configuration is not reloaded: the current one stays in force"
                );
                Reload {
                    at: Timestamp::now(),
                    outcome: ReloadOutcome::Failed,
                    error: Some(error.to_string()),
                    applied: Vec::new(),
                    refused: Vec::new(),
                }
            }
        };
        self.services.hub.publish(
            None,
            EventKind::ConfigReloaded {
                outcome: reload.outcome,
                applied: reload.applied.iter().map(|it| it.key.clone()).collect(),
                refused: reload
                    .refused
                    .iter()
                    .map(|it| it.change.key.clone())
                    .collect(),
            },
        );
        self.services.last_reload = Some(reload.clone());
        reload
    }

    fn take(&mut self, wanted: &Config) -> Result<Reload, ReloadError> {
        let active = &self.services.config;
        let mut compared = reload::compare(active, wanted)?;
        if compared.config.log.filter != active.log.filter {
            match log::set_filter(&compared.config.log.filter) {
                Ok(()) => {}
                Err(error @ log::FilterError::Parse { .. }) => return Err(error.into()),
                Err(error @ log::FilterError::Overridden) => {
                    compared.config.log.filter.clone_from(&active.log.filter);
                    let filter = compared
                        .applied
                        .iter()
                        .position(|it| it.key == "log.filter");
                    compared.refused.extend(filter.map(|place| ConfigRefusal {
                        change: compared.applied.remove(place),
                        reason: error.to_string(),
                    }));
                }
            }
        }
        for change in &compared.applied {
            tracing::info!(
                key = change.key,
                from = change.from,
                to = change.to,
                "reloaded"
            );
        }
        for refusal in &compared.refused {
            tracing::warn!(
                key = refusal.change.key,
                from = refusal.change.from,
                to = refusal.change.to,
                reason = refusal.reason,
                "not reloaded"
            );
        }
        if compared.applied.is_empty() && compared.refused.is_empty() {
            tracing::info!("the configuration was read again: nothing has changed");
        }
        self.services.config = compared.config;
        let retention = self.services.config.state.retention();
        self.services.archive.retain(retention);
        let config = &self.services.config;
        self.services.probe.set_mode(config.probe.mode);
        self.shutdown
            .configure(config.shutdown, ms(config.timeouts.graceful_ms));
        Ok(Reload {
            at: Timestamp::now(),
            outcome: if compared.refused.is_empty() {
                ReloadOutcome::Applied
            } else {
                ReloadOutcome::Partly
            },
            error: None,
            applied: compared.applied,
            refused: compared.refused,
        })
    }
}
