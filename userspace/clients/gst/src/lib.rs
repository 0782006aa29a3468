//! GStreamer plug-in `onair`: `onairsrc` gives a session's frames to a pipeline, `onairsink` sends a pipeline's.
//!
//! Both are clients of the daemon through the crate `onair`. Nothing here opens a socket or converts a pixel by
//! itself.
#![deny(unsafe_code)]

mod attachment;
mod codestream;
mod data;
mod formats;
mod media;
mod settings;
mod sink;
mod sound;
mod source;

mod plugin {
    use gstreamer as gst;

    fn init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
        crate::source::register(plugin)?;
        crate::sink::register(plugin)
    }

    gst::plugin_define!(
        onair,
        env!("CARGO_PKG_DESCRIPTION"),
        init,
        env!("CARGO_PKG_VERSION"),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        "OnAir"
    );
}
