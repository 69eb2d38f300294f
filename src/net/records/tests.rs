//! The record layer against the example of RFC 8448, section 3, and against peers that break the rules.

use std::io::IoSlice;

use super::direction::{Direction, LONGEST_PLAINTEXT};
use super::{Layer, RecordError, SavedDirection, SavedTls, Secret, Suite, frame};

const CLIENT_SECRET: &str = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
const SERVER_SECRET: &str = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
const CLIENT_DATA: &str = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b\
                           62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
const SERVER_DATA: &str = "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8\
                           fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d";
const CLIENT_ALERT: &str = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
const SERVER_ALERT: &str = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";

const SUITES: [Suite; 3] = [Suite::Aes128, Suite::Aes256, Suite::ChaCha20];
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const KEY_UPDATE_WITH_ANSWER: [u8; 5] = [24, 0, 0, 1, 1];
const RECORDS_PER_KEY: u64 = 1 << 23;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hexadecimal.as_bytes().chunks(2).map(pair).collect()
}

fn saved(suite: Suite, ours: (&[u8], u64), theirs: (&[u8], u64)) -> SavedTls {
    let direction = |(secret, sequence)| SavedDirection { secret: Secret::new(secret).unwrap(), sequence };
    SavedTls {
        suite: suite.number(),
        ours: direction(ours),
        theirs: direction(theirs),
        partial: Vec::new(),
        unread: Vec::new(),
        unsent: Vec::new(),
    }
}

/// The server of the example, after its ticket.
fn example() -> Layer {
    Layer::restore(saved(Suite::Aes128, (&bytes(SERVER_SECRET), 1), (&bytes(CLIENT_SECRET), 0))).unwrap()
}

/// A server whose next record has this number, and its client.
fn pair(suite: Suite, sequence: u64) -> (Layer, Layer) {
    let (one, other) = (vec![1; suite.secret_length()], vec![2; suite.secret_length()]);
    let server = Layer::restore(saved(suite, (&one, sequence), (&other, 0))).unwrap();
    (server, Layer::restore(saved(suite, (&other, 0), (&one, sequence))).unwrap())
}

/// A server, and what its client encrypts with, to send whatever it likes.
fn against_a_client(suite: Suite) -> (Layer, Direction) {
    let secret = Secret::new(&vec![2; suite.secret_length()]).unwrap();
    (pair(suite, 0).0, Direction::new(suite, SavedDirection { secret, sequence: 0 }).unwrap())
}

fn record(client: &mut Direction, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    client.seal(kind, &mut record, |out| out.extend(content)).unwrap();
    record
}

fn open(layer: &mut Layer, mut records: Vec<u8>) -> Vec<u8> {
    let length = layer.open(&mut records);
    records.truncate(length);
    records
}

fn seal(layer: &mut Layer, data: &[u8]) {
    assert_eq!(layer.seal(&[IoSlice::new(data)]), Ok(data.len()));
}

fn take_unsent(layer: &mut Layer) -> Vec<u8> {
    let unsent = layer.unsent().to_vec();
    layer.note_sent(unsent.len());
    unsent
}

/// The records, each on its own.
fn split(mut records: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(length) = frame::first(records).filter(|length| *length > 0) {
        let (record, rest) = records.split_at(length);
        all.push(record);
        records = rest;
    }
    assert!(records.is_empty());
    all
}

#[test]
fn keys_are_those_of_the_example() {
    for (secret, key, iv) in [
        (CLIENT_SECRET, "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"),
        (SERVER_SECRET, "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"),
    ] {
        let secret = Secret::new(&bytes(secret)).unwrap();
        let derived = Suite::Aes128.with_key(&secret, |key, iv| (key.to_vec(), iv.to_vec())).unwrap();
        assert_eq!(derived, (bytes(key), bytes(iv)));
    }
}

#[test]
fn records_are_those_of_the_example() {
    let (mut server, data) = (example(), (0..50).collect::<Vec<u8>>());
    assert_eq!(open(&mut server, bytes(CLIENT_DATA)), data);
    let (start, end) = data.split_at(20);
    assert_eq!(server.seal(&[IoSlice::new(start), IoSlice::new(&[]), IoSlice::new(end)]), Ok(50));
    assert_eq!(take_unsent(&mut server), bytes(SERVER_DATA));
    assert_eq!(open(&mut server, bytes(CLIENT_ALERT)), b"");
    assert!(server.peer_has_ended() && server.failure().is_none());
    server.send_close_notify();
    server.send_close_notify();
    assert_eq!(take_unsent(&mut server), bytes(SERVER_ALERT));
    assert!(server.seal(&[IoSlice::new(b"more")]).is_err());
    assert!(server.save().is_err());
}

#[test]
fn a_record_with_any_bit_changed_is_refused() {
    let whole = bytes(CLIENT_DATA);
    for bit in 0..whole.len() * 8 {
        let (mut server, mut changed) = (example(), whole.clone());
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&mut server, changed), b"", "bit {bit}");
        match (bit / 8, server.failure()) {
            (0, Some(RecordError::Unexpected)) | (1.., Some(RecordError::Forged)) => {}
            // The length: longer than is there, or than is allowed.
            (3 | 4, None | Some(RecordError::TooLong)) => {}
            (_, other) => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn records_of_wrong_lengths_are_refused() {
    for suite in SUITES {
        for length in 0..40_u8 {
            let (mut server, _) = against_a_client(suite);
            let cut = [&[23, 3, 3, 0, length][..], &vec![7; length.into()]].concat();
            assert_eq!(open(&mut server, cut), b"");
            assert_eq!(server.failure(), Some(RecordError::Forged), "{length}");
        }
        let (mut server, mut client) = against_a_client(suite);
        assert_eq!(open(&mut server, record(&mut client, DATA, &[7; LONGEST_PLAINTEXT])).len(), LONGEST_PLAINTEXT);
        open(&mut server, record(&mut client, DATA, &[7; LONGEST_PLAINTEXT + 1]));
        assert_eq!(server.failure(), Some(RecordError::TooLong));
        let (mut server, mut client) = against_a_client(suite);
        open(&mut server, record(&mut client, DATA, &[7; LONGEST_PLAINTEXT + 300]));
        assert_eq!(server.failure(), Some(RecordError::TooLong));
    }
}

#[test]
fn padding_is_removed() {
    let (mut server, mut client) = against_a_client(Suite::Aes128);
    // The type, then zeros; the last one is written as if it were the type.
    let padded = |content: &[u8]| [content, &[DATA], &[0; 100]].concat();
    assert_eq!(open(&mut server, record(&mut client, 0, &padded(b"data\0\0"))), b"data\0\0");
    assert_eq!(open(&mut server, record(&mut client, 0, &padded(b""))), b"");
    assert_eq!(server.failure(), None);
    open(&mut server, record(&mut client, 0, &[0; 100]));
    assert_eq!(server.failure(), Some(RecordError::Unexpected));
}

#[test]
fn the_peer_is_told_why_it_is_refused() {
    let alert = |level, description| (ALERT, vec![level, description]);
    for ((kind, content), error, told) in [
        ((HANDSHAKE, KEY_UPDATE[..4].to_vec()), RecordError::Unexpected, Some(10)),
        ((HANDSHAKE, [KEY_UPDATE, KEY_UPDATE].concat()), RecordError::Unexpected, Some(10)),
        ((HANDSHAKE, vec![24, 0, 0, 1, 2]), RecordError::Illegal, Some(47)),
        ((HANDSHAKE, vec![1, 0, 0, 0]), RecordError::Unexpected, Some(10)),
        ((HANDSHAKE, vec![]), RecordError::Unexpected, Some(10)),
        ((20, vec![1]), RecordError::Unexpected, Some(10)),
        ((24, vec![1, 0, 1, 7]), RecordError::Unexpected, Some(10)),
        ((ALERT, vec![]), RecordError::Unexpected, Some(10)),
        ((ALERT, vec![1]), RecordError::Malformed, Some(50)),
        ((ALERT, vec![1, 0, 0]), RecordError::Malformed, Some(50)),
        (alert(2, 40), RecordError::Alert(40), None),
        (alert(1, 40), RecordError::Alert(40), None),
    ] {
        let (mut server, mut client) = against_a_client(Suite::Aes128);
        let mut records = record(&mut client, DATA, b"before");
        records.extend(record(&mut client, kind, &content));
        records.extend(record(&mut client, DATA, b"behind"));
        assert_eq!(open(&mut server, records), b"before", "{error:?}");
        assert_eq!(server.failure(), Some(error));
        assert!(server.seal(&[IoSlice::new(b"more")]).is_err());
        let unsent = take_unsent(&mut server);
        server.send_close_notify();
        assert_eq!(server.unsent(), b"", "nothing follows a fatal alert");
        let (_, mut client) = pair(Suite::Aes128, 0);
        open(&mut client, unsent);
        assert_eq!(client.failure(), told.map(RecordError::Alert));
        assert!(server.save().is_err());
    }
}

#[test]
fn a_cancelled_peer_closes() {
    let (mut server, mut client) = against_a_client(Suite::Aes128);
    let mut records = record(&mut client, ALERT, &[1, 90]);
    records.extend(record(&mut client, ALERT, &[1, 0]));
    records.extend(b"what follows is ignored");
    open(&mut server, records);
    assert!(server.peer_has_ended() && server.failure().is_none() && server.unsent().is_empty());
    seal(&mut server, b"the other direction is still open");
}

#[test]
fn records_without_data_are_bounded() {
    let all = [(DATA, &b""[..]), (HANDSHAKE, &KEY_UPDATE), (HANDSHAKE, &KEY_UPDATE_WITH_ANSWER), (ALERT, &[1, 90])];
    for ((kind, content), data) in all.into_iter().flat_map(|one| [(one, &b""[..]), (one, b"x")]) {
        let (mut server, mut client) = against_a_client(Suite::Aes128);
        let mut sent = 0;
        while server.failure().is_none() {
            open(&mut server, record(&mut client, kind, content));
            if kind == HANDSHAKE {
                client.update().unwrap();
            }
            sent += 1;
            if !data.is_empty() && server.failure().is_none() {
                assert_eq!(open(&mut server, record(&mut client, DATA, data)), data);
            }
        }
        assert_eq!(server.failure(), Some(RecordError::WithoutData));
        assert_eq!(sent, 32 + data.len(), "{kind}: a byte of data pays for a byte");
    }
    let (mut server, mut client) = against_a_client(Suite::Aes128);
    for _ in 0..100 {
        open(&mut server, record(&mut client, HANDSHAKE, &KEY_UPDATE));
        client.update().unwrap();
        assert_eq!(open(&mut server, record(&mut client, DATA, &[7; 1024])).len(), 1024);
    }
}

#[test]
fn a_key_update_may_come_in_parts() {
    for cut in 1..5 {
        let (mut server, mut client) = against_a_client(Suite::Aes128);
        let (start, end) = KEY_UPDATE.split_at(cut);
        open(&mut server, record(&mut client, HANDSHAKE, start));
        assert!(server.failure().is_none() && server.cannot_be_saved().is_some());
        open(&mut server, record(&mut client, HANDSHAKE, end));
        client.update().unwrap();
        assert_eq!(open(&mut server, record(&mut client, DATA, b"new key")), b"new key");
        assert!(server.save().is_ok());
        // Nothing comes in between, and nothing else is made of it.
        for (kind, content) in [(DATA, &b"data"[..]), (ALERT, &[1, 0]), (HANDSHAKE, &[1, 2, 3, 4, 5]), (HANDSHAKE, b"")]
        {
            let (mut server, mut client) = against_a_client(Suite::Aes128);
            open(&mut server, record(&mut client, HANDSHAKE, start));
            assert_eq!(open(&mut server, record(&mut client, kind, content)), b"");
            assert_eq!(server.failure(), Some(RecordError::Unexpected), "{cut} {kind}");
        }
    }
}

#[test]
fn a_key_update_is_followed_and_answered_once_before_the_next_data() {
    for suite in SUITES {
        let (mut server, mut sealing) = against_a_client(suite);
        let (_, mut client) = pair(suite, 0);
        for number in 0..3 {
            for _ in 0..3 {
                open(&mut server, record(&mut sealing, HANDSHAKE, &KEY_UPDATE_WITH_ANSWER));
                sealing.update().unwrap();
            }
            assert_eq!(open(&mut server, record(&mut sealing, DATA, b"new key")), b"new key");
            assert_eq!(server.unsent(), b"", "an answer waits for the next data");
            if number == 1 {
                // It does not wait when the connection is carried on.
                let saved = server.save().unwrap();
                assert_eq!(split(&saved.unsent).len(), 1);
                server = Layer::restore(saved).unwrap();
            }
            seal(&mut server, b"answer");
            let answer = take_unsent(&mut server);
            assert_eq!(split(&answer).len(), 2);
            assert_eq!(open(&mut client, answer), b"answer");
        }
        open(&mut server, record(&mut sealing, HANDSHAKE, &KEY_UPDATE));
        sealing.update().unwrap();
        seal(&mut server, b"no answer");
        assert_eq!(split(server.unsent()).len(), 1);
    }
}

#[test]
fn the_key_is_changed_before_it_is_used_too_often() {
    for suite in SUITES {
        let (mut server, mut client) = pair(suite, RECORDS_PER_KEY - 2);
        for (data, records) in [(&b"two"[..], 1), (b"one", 1), (b"new", 2), (b"also new", 1)] {
            seal(&mut server, data);
            let sent = take_unsent(&mut server);
            assert_eq!(split(&sent).len(), records);
            assert_eq!(open(&mut client, sent), data);
        }
        let saved = server.save().unwrap();
        assert_eq!(saved.ours.sequence, 2);
    }
}

#[test]
fn no_sequence_number_is_used_twice() {
    let secret = [2; 32];
    // The last number but one: of the change of the key.
    let (mut server, mut client) = pair(Suite::ChaCha20, u64::MAX - 1);
    seal(&mut server, b"data");
    assert_eq!(open(&mut client, take_unsent(&mut server)), b"data");
    let mut server = Layer::restore(saved(Suite::ChaCha20, (&secret, u64::MAX), (&secret, u64::MAX))).unwrap();
    assert_eq!(server.seal(&[IoSlice::new(b"data")]), Err(RecordError::Exhausted));
    assert_eq!(server.unsent(), b"");
    let (_, mut sealing) = against_a_client(Suite::ChaCha20);
    open(&mut server, record(&mut sealing, DATA, b"data"));
    assert_eq!(server.failure(), Some(RecordError::Exhausted));
}

#[test]
fn writes_fill_records_and_stop_at_the_limit() {
    let (mut server, mut client) = pair(Suite::Aes256, 0);
    let pieces = vec![vec![7; 1000]; 100];
    let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let taken = server.seal(&pieces).unwrap();
    assert_eq!(taken, 64 * 1024);
    assert_eq!(server.seal(&pieces), Ok(0));
    let sent = take_unsent(&mut server);
    assert_eq!(split(&sent).len(), 4);
    assert_eq!(open(&mut client, sent), vec![7; taken]);
}

#[test]
fn nonsense_is_not_restored_and_secrets_are_not_shown() {
    let secret = [0xab; 48];
    let good = |length: usize| saved(Suite::Aes128, (&secret[..length], 0), (&secret[..length], 0));
    assert!(Layer::restore(good(32)).is_ok());
    for length in [0, 31, 33, 48] {
        assert!(Layer::restore(good(length)).is_err());
    }
    assert!(Layer::restore(SavedTls { suite: 0x1304, ..good(32) }).is_err());
    assert!(Layer::restore(SavedTls { unsent: vec![0; 1 << 20], ..good(32) }).is_err());
    assert!(Secret::new(&[1; 49]).is_none());
    let too_long: Result<Secret, _> = postcard::from_bytes(&postcard::to_allocvec(&vec![1_u8; 49]).unwrap());
    assert!(too_long.is_err());
    let shown = format!("{:?}", SavedTls { unread: b"private".to_vec(), ..good(32) });
    assert!(!shown.contains("171") && !shown.contains("ab, ab") && !shown.contains("112"), "{shown}");
}

#[test]
fn records_are_found_in_what_has_arrived() {
    let two = [bytes(CLIENT_DATA), bytes(CLIENT_ALERT)].concat();
    for length in 0..=two.len() {
        let part = &two[..length];
        let whole = if length < 72 {
            0
        } else if length < two.len() {
            72
        } else {
            two.len()
        };
        assert_eq!(frame::whole(part, usize::MAX), whole);
        assert_eq!(frame::whole(part, 1), whole.min(72), "one at least");
    }
    assert_eq!(frame::missing(b"\x17\x03\x03"), Some(2));
    assert_eq!(frame::missing(b"\x17\x03\x03\0\x05ab"), Some(3));
    for impossible in [&b"GET /"[..], b"\x17\x03\x03\xff\xff", b"\x15\x03\x03\0\0"] {
        assert_eq!(frame::missing(impossible), None);
        assert_eq!(frame::whole(impossible, usize::MAX), impossible.len());
    }
}
