//! The sizes of the types that exist once for each client.

use super::Connection;
use crate::chat::Person;
use crate::dialect::irc::Irc;
use crate::dialect::text::Text;
use crate::net::Socket;
use crate::people::PersonEntry;
use crate::session::Session;

#[test]
fn the_sizes_per_client_are_bounded() {
    let sizes = [
        size_of::<Session>(),
        size_of::<Connection<Socket>>(),
        size_of::<Text>(),
        size_of::<Irc>(),
        size_of::<Person>(),
        size_of::<PersonEntry>(),
    ];
    assert!(sizes.iter().zip([240, 320, 64, 112, 48, 64]).all(|(size, bound)| *size <= bound), "{sizes:?}");
}
