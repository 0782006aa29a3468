//! The clients of a session, by their attachment and by their connection.

use std::collections::BTreeMap;

use crate::session::attachment::{Connected, Outlived};

/// The clients of a session by the number of their attachment, until it has ended.
#[derive(Debug, Default)]
pub(crate) struct ConnectedClients {
    clients: BTreeMap<u64, Connected>,
    /// Number of the attachment that each connection carries.
    numbers: BTreeMap<u64, u64>,
    changes: Vec<ConnectionChange>,
}

/// A connection carries an attachment of the session from now on, or no longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionChange {
    /// The connection.
    pub(crate) connection: u64,
    /// Whether it carries an attachment of the session now.
    pub(crate) is_carried: bool,
}

impl ConnectedClients {
    pub(crate) fn get(&self, number: u64) -> Option<&Connected> {
        self.clients.get(&number)
    }

    /// Library name and version of a client, as it reports them.
    pub(crate) fn library(&self, number: u64) -> &str {
        self.get(number).map_or("", |it| &it.client.library)
    }

    /// The user of the client whose process is `pid`.
    pub(crate) fn uid_of(&self, pid: u32) -> Option<u32> {
        let mut who = self.clients.values().map(|it| &it.client.who);
        Some(who.find(|it| it.pid == pid)?.uid)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Connected> {
        self.clients.get_mut(&number)
    }

    /// The attachment that `connection` carries.
    pub(crate) fn carried_by(&self, connection: u64) -> Option<u64> {
        self.numbers.get(&connection).copied()
    }

    pub(crate) fn insert(&mut self, number: u64, client: Connected) {
        let connection = client.client.connection;
        self.clients.insert(number, client);
        self.numbers.insert(connection, number);
        self.changes.push(ConnectionChange {
            connection,
            is_carried: true,
        });
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Connected> {
        let client = self.clients.remove(&number)?;
        let connection = client.client.connection;
        // It may carry a later attachment.
        if self.carried_by(connection) == Some(number) {
            self.numbers.remove(&connection);
            self.changes.push(ConnectionChange {
                connection,
                is_carried: false,
            });
        }
        Some(client)
    }

    /// The connection of a client closed. `outlived` is dropped when its attachment has ended.
    pub(crate) fn hung_up(&mut self, number: u64, outlived: Outlived) {
        if let Some(connected) = self.clients.get_mut(&number) {
            connected.outlived = Some(outlived);
        }
    }

    pub(crate) fn clear(&mut self) {
        let numbers: Vec<u64> = self.clients.keys().copied().collect();
        for number in numbers {
            self.remove(number);
        }
    }

    /// Takes the changes since the last call, in order.
    pub(crate) fn take_changes(&mut self) -> Vec<ConnectionChange> {
        std::mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::attachment::{ClientProcess, Connected};

    fn client(connection: u64) -> Connected {
        let file = std::fs::File::open("/dev/null").expect("it is always there");
        Connected {
            client: ClientProcess {
                who: onair_api::Who {
                    uid: 0,
                    gid: 0,
                    pid: 1,
                    command: String::new(),
                    via: onair_api::Via::Attach,
                },
                library: String::new(),
                pidfd: Arc::new(file.into()),
                connection,
                after: None,
                fills: false,
                samples: false,
            },
            watched: None,
            life: None,
            outlived: None,
        }
    }

    #[test]
    fn connection_reused_by_an_attachment_then_not_taken_from_it() {
        let mut clients = ConnectedClients::default();
        clients.insert(1, client(7));
        clients.insert(2, client(8));
        clients.insert(3, client(7));
        assert!(clients.remove(1).is_some());
        assert_eq!(clients.carried_by(7), Some(3));
        clients.clear();
        assert_eq!((clients.carried_by(7), clients.carried_by(8)), (None, None));
        let mut carried = std::collections::BTreeSet::new();
        for change in clients.take_changes() {
            if change.is_carried {
                carried.insert(change.connection);
            } else {
                carried.remove(&change.connection);
            }
        }
        assert!(carried.is_empty(), "{carried:?}");
        assert!(clients.take_changes().is_empty());
    }
}
