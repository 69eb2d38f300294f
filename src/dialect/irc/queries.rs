//! Queries that are answered from the view of the room.

use super::Irc;
use super::message::Message;
use super::who::{Who, find};
use crate::chat::{Answer, Nick, PersonView};

/// The maximum length of a client's MONITOR list.
pub const MAX_WATCHED: usize = 100;
/// The maximum number of names in one query.
const MAX_NAMES: usize = 16;

impl Irc {
    /// Answers a query about users or the room.
    pub(super) fn answer_query(&mut self, question: &str, message: &Message<'_>, answer: &mut Answer<'_>) {
        let first = message.filled(0);
        let names = || message.parameters().iter().flat_map(|names| names.split(' ')).filter(|name| !name.is_empty());
        match (question, first) {
            ("NAMES", channel) => {
                self.names(channel.and_then(|list| list.split(',').next()).unwrap_or("*"), None, answer);
            }
            ("LIST", channel) => self.list(channel, answer),
            ("LUSERS", _) => self.lusers(false, answer),
            ("WHO", mask) => self.who(Who::new(mask.unwrap_or("*"), message.parameter(1)), answer),
            ("WHOIS" | "WHOWAS", None) => self.numeric(answer, "431", &[], "No nickname given"),
            // With two parameters, the first is a server name.
            ("WHOIS", Some(nick)) => self.whois(message.filled(1).unwrap_or(nick), answer),
            ("WHOWAS", Some(nick)) => {
                let most = message.parameter(1).and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                self.whowas(nick, most.unwrap_or(usize::MAX), answer);
            }
            (_, None) => self.need_more(answer, question),
            ("USERHOST", _) => self.user_host(names().take(5), answer),
            (_, _) => self.is_on(names().take(MAX_NAMES), answer),
        }
    }

    /// LIST. Shows the room only if it has members: in IRC, an empty channel does not exist.
    fn list(&self, channel: Option<&str>, answer: &mut Answer<'_>) {
        self.numeric(answer, "321", &["Channel"], "Users  Name");
        let is_asked_for = channel.is_none_or(|list| list.split(',').any(|channel| self.server.is_room(channel)));
        let present = answer.view.present();
        if is_asked_for && present > 0 {
            let topic = answer.view.topic();
            self.numeric(answer, "322", &[&self.server.channel(), &present.to_string()], &topic.text);
        }
        self.numeric(answer, "323", &[], "End of LIST");
    }

    /// RPL_LUSERCLIENT and related numerics. `entering`: the client is about to join, so the channel counts as formed.
    pub(super) fn lusers(&self, entering: bool, answer: &mut Answer<'_>) {
        let all = answer.view.named();
        let (are, users, clients) = if all == 1 { ("is", "user", "client") } else { ("are", "users", "clients") };
        let formed = entering || answer.view.present() > 0;
        let (count, channels) = if formed { ("1", "channel formed") } else { ("0", "channels formed") };
        self.numeric(answer, "251", &[], &format!("There {are} {all} {users} and 0 invisible on 1 server"));
        self.numeric(answer, "252", &["0"], "operator(s) online");
        self.numeric(answer, "254", &[count], channels);
        self.numeric(answer, "255", &[], &format!("I have {all} {clients} and 0 servers"));
        let (all, most) = (all.to_string(), answer.view.peak().to_string());
        self.numeric(answer, "265", &[&all, &most], &format!("Current local users {all}, max {most}"));
        self.numeric(answer, "266", &[&all, &most], &format!("Current global users {all}, max {most}"));
    }

    fn user_host<'n>(&self, names: impl Iterator<Item = &'n str>, answer: &mut Answer<'_>) {
        let view = answer.view;
        let found = names.filter_map(|name| find(view, name)).map(|seen| {
            let away = if seen.away.is_some() { '-' } else { '+' };
            format!("{}={away}{}@{}", seen.person.as_str(), seen.person.profile.user, self.server.name)
        });
        self.numeric_list(answer, "302", " ", found);
    }

    fn is_on<'n>(&self, names: impl Iterator<Item = &'n str>, answer: &mut Answer<'_>) {
        let view = answer.view;
        let found = names.filter_map(|name| find(view, name)).map(|seen| seen.person.as_str());
        self.numeric_list(answer, "303", " ", found);
    }

    /// MONITOR: which of these users are online and which are not.
    pub(super) fn status(&self, names: &[Nick], answer: &mut Answer<'_>) {
        for names in names.chunks(4) {
            let (mut here, mut gone) = (Vec::new(), Vec::new());
            for nick in names {
                match answer.view.find(nick) {
                    Some(PersonView { person, .. }) => {
                        here.push(format!("{}!{}@{}", person.as_str(), person.profile.user, self.server.name));
                    }
                    None => gone.push(nick.as_str().to_owned()),
                }
            }
            for (number, names) in [("730", here), ("731", gone)] {
                if !names.is_empty() {
                    self.numeric_list(answer, number, ",", names.iter());
                }
            }
        }
    }
}
