//! The names of all who are in the room, ready to be sent: joined by spaces, in pieces of a bounded size.
//!
//! A newcomer to a big room is told thousands of names. They are put together when somebody comes or goes, one name at a
//! time, and not again for everybody who asks. They are in no order: a newcomer's name goes where there is room.

/// Bytes of a piece at most; larger than any name.
const PIECE: usize = 256;

/// All names.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Names {
    pieces: Vec<Piece>,
    /// Those that have room for more, besides the last one.
    open: Vec<u32>,
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Piece {
    text: String,
    is_open: bool,
}

impl Names {
    /// Adds a name; returns the piece that it is in.
    pub fn add(&mut self, name: &str) -> u32 {
        while let Some(index) = self.open.last().copied() {
            if let Some(piece) = self.pieces.get_mut(index as usize)
                && piece.add(name)
            {
                return index;
            }
            self.open.pop();
            if let Some(piece) = self.pieces.get_mut(index as usize) {
                piece.is_open = false;
            }
        }
        self.pieces.push(Piece { text: name.to_owned(), is_open: true });
        // There are not as many names.
        let index = u32::try_from(self.pieces.len() - 1).unwrap_or(u32::MAX);
        self.open.push(index);
        index
    }

    /// Takes a name out of the piece that it is in.
    pub fn remove(&mut self, index: u32, name: &str) {
        let Some(piece) = self.pieces.get_mut(index as usize) else { return };
        piece.remove(name);
        if !piece.is_open && piece.text.len() <= PIECE / 2 {
            piece.is_open = true;
            self.open.push(index);
        }
        // An empty room gives back what a full one needed.
        if piece.text.is_empty() && self.pieces.iter().all(|piece| piece.text.is_empty()) {
            *self = Names::default();
        }
    }

    /// All pieces that have names.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(|piece| piece.text.as_str()).filter(|text| !text.is_empty())
    }
}

impl Piece {
    /// Says whether there was room for it.
    fn add(&mut self, name: &str) -> bool {
        let separator = if self.text.is_empty() { "" } else { " " };
        let fits = self.text.len() + separator.len() + name.len() <= PIECE;
        if fits {
            self.text.push_str(separator);
            self.text.push_str(name);
        }
        fits
    }

    fn remove(&mut self, name: &str) {
        let mut start = 0;
        for known in self.text.split(' ') {
            let end = start + known.len();
            if known == name {
                // With the space before it, or behind it if it is the first.
                let range = if start > 0 { start - 1..end } else { 0..(end + 1).min(self.text.len()) };
                self.text.replace_range(range, "");
                return;
            }
            start = end + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pieces_hold_each_name_once_and_stay_compact(
            steps in proptest::collection::vec((0..60_u32, 1..40_usize), 0..400),
        ) {
            let mut names = Names::default();
            let mut here: BTreeMap<u32, (u32, String)> = BTreeMap::new();
            for (who, length) in steps {
                match here.remove(&who) {
                    Some((piece, name)) => names.remove(piece, &name),
                    None => {
                        let name = format!("{who}{}", "ñ".repeat(length));
                        here.insert(who, (names.add(&name), name));
                    }
                }
                let mut told: Vec<&str> = names.pieces().flat_map(|piece| piece.split(' ')).collect();
                told.sort_unstable();
                let mut expected: Vec<&str> = here.values().map(|(_, name)| name.as_str()).collect();
                expected.sort_unstable();
                prop_assert_eq!(told, expected);
                prop_assert!(names.pieces().all(|piece| piece.len() <= PIECE));
            }
            here.into_values().for_each(|(piece, name)| names.remove(piece, &name));
            prop_assert!(names.pieces.is_empty() && names.open.is_empty());
        }
    }
}
