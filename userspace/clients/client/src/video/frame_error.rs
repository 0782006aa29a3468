//! Why a frame is not sent, or not had.

use crate::{ConvertError, Error};

/// Why a frame is not sent, or not had.
///
/// ```no_run
/// use onair::{FrameError, PixelFormat, Session, Timeout};
///
/// fn send(session: &Session, pixels: &[u8]) -> Result<(), FrameError> {
///     session.send_frame(PixelFormat::V210, pixels, Timeout::NEVER)
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The session took or gave none.
    #[error(transparent)]
    Session(#[from] Error),
    /// The pixels do not fit.
    #[error(transparent)]
    Pixels(#[from] ConvertError),
}
