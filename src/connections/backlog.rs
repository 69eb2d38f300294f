//! The one bound of all that is kept because clients have not been sent it.

use super::Connections;
use crate::chat::{Now, Reason};
use crate::net::Transport;
use crate::people::SessionId;

impl<T: Transport> Connections<T> {
    /// Disconnects those who are the furthest behind when all together are too far behind, until a quarter is free again.
    pub(super) fn bound_backlog(&mut self, now: Now) {
        let limit = self.limits.backlog;
        if self.state.log.backlog().bytes() <= limit {
            return;
        }
        let mut behind: Vec<(u64, SessionId)> = (self.all.iter())
            .map(|(id, connection)| {
                let output = connection.session.output();
                (output.lag(&self.state.log) + output.answers() as u64, SessionId::try_from(id).unwrap_or_default())
            })
            .filter(|(lag, _)| *lag > 0)
            .collect();
        behind.sort_unstable_by(|one, other| other.cmp(one));
        for (_, id) in behind {
            if self.state.log.backlog().bytes() <= limit / 4 * 3 {
                break;
            }
            match self.all.get_mut(id as usize) {
                Some(connection) if connection.session.is_open() => self.close(id, now, &Reason::Backlog(limit)),
                // It was to be sent its last words, and reads too slowly for that, too.
                Some(connection) => connection.session.give_up(&mut self.state),
                None => {}
            }
            self.wake(id);
        }
    }
}
