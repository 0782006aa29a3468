//! Applies those changes of the configuration file that can be applied at run time.

use onair_api::Reload;

use crate::config::{Config, ms};
use crate::control::actor::Actor;
use crate::control::reload::{self, ReloadError};
use crate::log;

impl Actor {
    /// Applies what can be applied of `loaded`, the current file; nothing if it is invalid.
    pub(crate) fn reload(&mut self, loaded: Result<Box<Config>, ReloadError>) -> Reload {
        let services = &mut self.services;
        let is_shutting_down = self.shutdown.is_shutting_down();
        let merged = reload::merge(&services.config, loaded, is_shutting_down, log::set_filter);
        let reload = match merged {
            Ok((config, reload)) => {
                reload::log(&reload);
                services.config = config;
                let config = &services.config;
                services.archive.retain(config.state.retention());
                services.probe.set_mode(config.probe.mode);
                let graceful = ms(config.timeouts.graceful_ms);
                self.shutdown.configure(config.shutdown, graceful);
                reload
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "the configuration is not reloaded: the current one stays in force"
                );
                reload::failed(&error)
            }
        };
        services.hub.publish(None, reload::event(&reload));
        services.last_reload = Some(reload.clone());
        reload
    }
}
