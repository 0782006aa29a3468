//! The keyboard while the view is refreshed.

use std::io::Read as _;
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// Ctrl-C, as a terminal sends it.
const INTERRUPT: u8 = 3;

/// The keyboard. Its terminal passes each key at once, until this is dropped.
pub(super) struct Keys {
    pressed: mpsc::Receiver<u8>,
    /// Absent if standard input is no terminal.
    terminal: Option<Termios>,
}

impl Keys {
    pub(super) fn read() -> Self {
        let (sender, pressed) = mpsc::channel(16);
        let terminal = tcgetattr(std::io::stdin()).ok();
        if let Some(mut raw) = terminal.clone() {
            // Ctrl-C as a key: a signal would leave the terminal as it is.
            raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            // Refused by a terminal that hangs up: then no key comes.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &raw);
        }
        // The thread ends with the process: a read of a terminal cannot be cancelled.
        thread::spawn(move || {
            let mut keys = std::io::stdin().lock().bytes().map_while(Result::ok);
            // Fails when the view has ended.
            let _ = keys.try_for_each(|key| sender.blocking_send(key));
            // Without a keyboard the view goes on.
            std::mem::forget(sender);
        });
        Self { pressed, terminal }
    }

    /// The next key; `None` if it ends the view.
    pub(super) async fn next(&mut self) -> Option<u8> {
        let key = self.pressed.recv().await?;
        (!matches!(key, b'q' | b'Q' | INTERRUPT)).then_some(key)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(terminal) = &self.terminal {
            // If the terminal is gone, nothing is left to restore.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, terminal);
        }
    }
}
