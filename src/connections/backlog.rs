//! The bound on the memory for unsent bytes of all clients together.

use super::Connections;
use crate::chat::{Now, Reason};
use crate::net::Transport;
use crate::people::SessionId;

impl<T: Transport> Connections<T> {
    /// If the bound is exceeded, disconnects the clients that are the furthest behind until a quarter of it is free.
    pub(super) fn bound_backlog(&mut self, now: Now) {
        let limit = self.limits.backlog;
        if self.state.log.backlog().bytes() <= limit {
            return;
        }
        for (_, id) in self.behind() {
            if self.state.log.backlog().bytes() <= limit / 4 * 3 {
                break;
            }
            match self.all.get_mut(id as usize) {
                Some(connection) if connection.session.is_open() => self.close(id, now, &Reason::Backlog(limit)),
                // It is closing already, and reads too slowly even for its goodbye.
                Some(connection) => connection.session.abort(&mut self.state),
                None => {}
            }
            self.wake(id);
        }
    }

    /// Who is behind, and how many bytes; the furthest first.
    fn behind(&self) -> Vec<(u64, SessionId)> {
        let mut behind: Vec<(u64, SessionId)> = (self.all.iter())
            .map(|(id, connection)| {
                let output = connection.session.output();
                (output.lag(&self.state.log) + output.answers() as u64, SessionId::try_from(id).unwrap_or_default())
            })
            .filter(|(lag, _)| *lag > 0)
            .collect();
        behind.sort_unstable_by(|one, other| other.cmp(one));
        behind
    }
}
