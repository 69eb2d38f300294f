//! What the room shows of itself to whoever asks.

use std::collections::vec_deque;

use super::{Locked, Member};
use crate::chat::{Gone, Nick, Past, People, Seen, Topic, View};

impl<M> View for Locked<'_, M> {
    fn room(&self) -> &str {
        &self.state.name
    }

    fn topic(&self) -> &Topic {
        &self.state.topic
    }

    fn find(&self, nick: &Nick) -> Option<Seen<'_>> {
        self.state.roster.find(nick).map(Member::seen)
    }

    fn people(&self) -> People<'_> {
        Box::new(self.state.roster.iter().map(Member::seen))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.state.roster.names())
    }

    fn named(&self) -> usize {
        self.state.roster.len()
    }

    fn present(&self) -> usize {
        self.state.roster.present()
    }

    fn most(&self) -> usize {
        self.state.roster.most()
    }

    fn gone(&self) -> Box<dyn Iterator<Item = &Gone> + '_> {
        Box::new(self.state.roster.gone())
    }

    fn history(&self) -> vec_deque::Iter<'_, Past> {
        self.state.history.iter()
    }
}
