//! What there is of each for every client. Whoever makes one larger pays for it as often.

use super::Connection;
use crate::chat::Person;
use crate::dialect::irc::Irc;
use crate::dialect::text::Text;
use crate::net::Socket;
use crate::people::PersonEntry;
use crate::session::Session;

#[test]
fn an_idle_client_is_small() {
    let sizes = [
        size_of::<Session>(),
        size_of::<Connection<Socket>>(),
        size_of::<Text>(),
        size_of::<Irc>(),
        size_of::<Person>(),
        size_of::<PersonEntry>(),
    ];
    assert!(sizes.iter().zip([240, 312, 64, 112, 48, 64]).all(|(size, bound)| *size <= bound), "{sizes:?}");
}
