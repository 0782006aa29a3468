//! The properties that both elements have.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use onair::Client;

/// How long the daemon may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Values of the properties.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) session: String,
    pub(crate) socket: String,
    pub(crate) reconnect: bool,
}

impl Settings {
    /// The daemon that the properties name.
    pub(crate) fn client(&self) -> Client {
        let client = match self.socket.as_str() {
            "" => Client::from_env(),
            socket => Client::at(socket),
        };
        client.response_timeout(ANSWER)
    }
}

/// The properties, each with what it is. A class has its own.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("session")
            .nick("Session")
            .blurb("Name or id of the session")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("socket")
            .nick("Attach socket")
            .blurb("Attach socket of the daemon; empty: $ONAIR_ATTACH, or the default")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("reconnect")
            .nick("Reconnect")
            .blurb("Attach again when the session or the daemon has ended, instead of an error")
            .mutable_playing()
            .build(),
    ]
}

/// Sets a property of [`properties`].
pub(crate) fn set(settings: &Mutex<Settings>, name: &str, value: &glib::Value) {
    let text = || {
        value
            .get::<Option<String>>()
            .ok()
            .flatten()
            .unwrap_or_default()
    };
    let mut settings = locked(settings);
    match name {
        "session" => settings.session = text(),
        "socket" => settings.socket = text(),
        "reconnect" => settings.reconnect = value.get().unwrap_or_default(),
        _ => {}
    }
}

/// The value of a property of [`properties`].
pub(crate) fn get(settings: &Mutex<Settings>, name: &str) -> glib::Value {
    let settings = locked(settings);
    match name {
        "session" => settings.session.to_value(),
        "socket" => settings.socket.to_value(),
        _ => settings.reconnect.to_value(),
    }
}

/// The lock; a thread that panicked with it changed one value at most.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The element's message of an error.
pub(crate) fn message(error: &dyn std::error::Error) -> gst::ErrorMessage {
    gst::error_msg!(gst::ResourceError::Failed, ("{error}"))
}
