//! RPL_ISUPPORT (005): the server's features and limits.

use super::capability::ALL;
use super::{Irc, history, queries};
use crate::chat::{Answer, MAX_WIDTH, TEXT_LENGTH, View};

/// The maximum length of a user name in bytes.
pub const USER_LENGTH: usize = 16;
/// The maximum number of tokens in one line (RPL_ISUPPORT in modern.ircdocs.horse).
const TOKENS_PER_LINE: usize = 13;

impl Irc {
    /// Sends all tokens.
    pub(super) fn isupport(&self, answer: &mut Answer<'_>) {
        let tokens = [
            format!("AWAYLEN={TEXT_LENGTH}"),
            "BOT=B".to_owned(),
            // Non-ASCII names are compared by RFC 8266, for which no token exists.
            "CASEMAPPING=ascii".to_owned(),
            "CHANLIMIT=#:1".to_owned(),
            "CHANMODES=b,,,n".to_owned(),
            format!("CHANNELLEN={}", self.server.channel().len()),
            "CHANTYPES=#".to_owned(),
            format!("CHATHISTORY={}", history::MOST),
            "ELIST=".to_owned(),
            format!("HOSTLEN={}", self.server.name.len()),
            "MAXTARGETS=1".to_owned(),
            "MODES=1".to_owned(),
            format!("MONITOR={}", queries::MAX_WATCHED),
            "MSGREFTYPES=msgid,timestamp".to_owned(),
            format!("NAMELEN={TEXT_LENGTH}"),
            "NETWORK=chatd".to_owned(),
            format!("NICKLEN={MAX_WIDTH}"),
            "PREFIX=(ov)@+".to_owned(),
            "SAFELIST".to_owned(),
            "TARGMAX=JOIN:,LIST:1,NAMES:1,NOTICE:1,PART:,PRIVMSG:1,TAGMSG:1,WHOIS:1".to_owned(),
            format!("TOPICLEN={TEXT_LENGTH}"),
            format!("USERLEN={USER_LENGTH}"),
            "UTF8ONLY".to_owned(),
            "WHOX".to_owned(),
        ];
        for tokens in tokens.chunks(TOKENS_PER_LINE) {
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            self.numeric(answer, "005", &tokens, "are supported by this server");
        }
    }

    /// The capabilities offered to this client, with their values.
    pub(super) fn capability_list(&self, view: &dyn View) -> Vec<String> {
        let mut list: Vec<String> = ALL
            .iter()
            .filter(|(_, capability, _)| self.can(*capability, view))
            .map(|(name, _, value)| match value {
                value if self.version_302 && !value.is_empty() => format!("{name}={value}"),
                _ => (*name).to_owned(),
            })
            .collect();
        if let (Some(port), true, true) = (self.server.secure_port, self.offers_sts, self.version_302) {
            // Clients keep the STS policy for one day after each connection: long enough for daily users, but soon
            // forgotten if the administrator turns TLS off.
            list.push(if self.encrypted { "sts=duration=86400".to_owned() } else { format!("sts=port={port}") });
        }
        list
    }
}
