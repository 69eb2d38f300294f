//! The list of bans, as `MODE #room b` asks for it.

use super::Irc;
use crate::chat::{Answer, Ban, Now, Subject};

/// How many bans are listed. `chatctl bans` has all of them.
const MOST: usize = 100;

impl Irc {
    /// RPL_BANLIST and RPL_ENDOFBANLIST.
    pub(super) fn ban_list(&self, now: Now, answer: &mut Answer<'_>) {
        let (view, room) = (answer.view, self.server.channel());
        let mut bans = view.bans(now);
        for ban in bans.by_ref().take(MOST) {
            let since = (ban.since / 1000).to_string();
            self.short_numeric(answer, "367", &[&room, &mask(ban), &self.server.name, &since]);
        }
        let end = match bans.count() {
            0 => "End of channel ban list".to_owned(),
            more => format!("End of channel ban list; there are {more} more"),
        };
        self.numeric(answer, "368", &[&room], &end);
    }
}

/// A ban as a mask. Nobody's address is shown to others, so it is not shown here either.
fn mask(ban: &Ban) -> String {
    match &ban.subject {
        Subject::Name(nick) => format!("{nick}!*@*"),
        Subject::Account(account) => format!("$a:{account}"),
        Subject::Network(_) | Subject::User(_) => "*!*@address.hidden".to_owned(),
    }
}
