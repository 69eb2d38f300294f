//! What the server tells of itself and its limits: RPL_ISUPPORT (005).

use super::capability::ALL;
use super::{Irc, history, queries};
use crate::chat::{Answer, MAX_WIDTH, TEXT_LENGTH, View};

/// Bytes of a user name.
pub const USER_LENGTH: usize = 16;
/// Tokens in one line (RPL_ISUPPORT in modern.ircdocs.horse).
const TOKENS_PER_LINE: usize = 13;

impl Irc {
    /// All tokens, each true.
    pub(super) fn isupport(&self, answer: &mut Answer<'_>) {
        let tokens = [
            format!("AWAYLEN={TEXT_LENGTH}"),
            "BOT=B".to_owned(),
            // Names outside of ASCII are compared by RFC 8266, for which there is no word here.
            "CASEMAPPING=ascii".to_owned(),
            "CHANLIMIT=#:1".to_owned(),
            "CHANMODES=,,,n".to_owned(),
            format!("CHANNELLEN={}", self.server.channel().len()),
            "CHANTYPES=#".to_owned(),
            format!("CHATHISTORY={}", history::MOST),
            "ELIST=".to_owned(),
            format!("HOSTLEN={}", self.server.name.len()),
            "MAXTARGETS=1".to_owned(),
            "MODES=1".to_owned(),
            format!("MONITOR={}", queries::MOST_WATCHED),
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

    /// The capabilities, as a client of this kind is told of them.
    pub(super) fn capability_list(&self, view: &dyn View) -> Vec<String> {
        let mut list: Vec<String> = ALL
            .iter()
            .filter(|(_, capability, _)| self.can(*capability, view))
            .map(|(name, _, value)| match value {
                value if self.version_302 && !value.is_empty() => format!("{name}={value}"),
                _ => (*name).to_owned(),
            })
            .collect();
        if let (Some(port), true, true) = (self.server.secure_port, self.strict, self.version_302) {
            // The policy is kept for a day after each visit: long enough for those who come daily, and forgotten soon
            // when the administrator gives TLS up.
            list.push(if self.encrypted { "sts=duration=86400".to_owned() } else { format!("sts=port={port}") });
        }
        list
    }
}
