//! The house keeps its own rules: who may know whom, and what every file has.
//!
//! Every file is parsed and read to its end. Only what is marked `#[cfg(test)]` is left out: tests may do as they like.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::{House, files};

/// Lines of code in the longest file that is still one subject.
const LONGEST: usize = 400;

/// The parts of the house from low to high, each with all the parts that it names. A row names only rows above it, so
/// there is one direction and no circle.
const DIRECTION: &[(&str, &[&str])] = &[
    ("harmless", &[]),
    ("chat", &["harmless"]),
    ("people", &["chat"]),
    ("room", &["chat", "people"]),
    ("dialect", &["chat", "harmless"]),
    ("directories", &[]),
    ("files", &["directories"]),
    ("hangup", &[]),
    ("invitation", &[]),
    ("systemd", &["harmless"]),
    ("config", &["chat", "dialect", "directories", "files"]),
    ("log", &["config", "harmless"]),
    ("net", &["config", "directories", "files", "harmless"]),
    ("store", &["chat", "config"]),
    ("session", &["chat", "config", "dialect", "net", "people", "room"]),
    ("connections", &["chat", "config", "dialect", "net", "people", "room", "session"]),
    ("handover", &["config", "net", "room", "session"]),
    (
        "server",
        &[
            "chat",
            "config",
            "connections",
            "dialect",
            "directories",
            "handover",
            "log",
            "net",
            "people",
            "room",
            "session",
            "store",
            "systemd",
        ],
    ),
    ("signals", &["hangup", "net", "server", "systemd"]),
    ("trial", &["chat", "config", "connections", "dialect", "net", "people", "room", "server", "session"]),
    ("admin", &["chat", "connections", "log", "server"]),
    ("arguments", &[]),
    ("ctl", &["admin", "arguments", "directories", "harmless", "log"]),
    ("check", &["config", "net", "server"]),
    ("closed", &["admin", "net"]),
    (
        "daemon",
        &[
            "admin",
            "arguments",
            "check",
            "closed",
            "config",
            "dialect",
            "directories",
            "handover",
            "invitation",
            "log",
            "net",
            "server",
            "signals",
            "systemd",
            "trial",
        ],
    ),
];

/// Of some parts, others name no more than this.
const ONLY: &[(&str, &str, &[&str])] = &[
    ("session", "net", &["Address"]),
    ("session", "config", &["Limits"]),
    ("config", "chat", &["Nick", "parse_network"]),
    ("connections", "net", &["Address", "Admission", "Readiness", "Transport"]),
    ("connections", "config", &["Limits"]),
    ("admin", "connections", &["Snapshot"]),
    ("ctl", "admin", &["request", "types", "varlink"]),
    ("closed", "admin", &["types", "varlink"]),
];

/// The parts that are plain values, so that they can be tried at every byte in virtual time.
const PURE: &[&str] = &["harmless", "chat", "people", "room", "dialect", "session", "connections"];

/// What a plain value does not name: runtime, sockets, clocks, files, threads.
const IMPURE: &[&str] = &[
    "tokio",
    "rustls",
    "tokio_rustls",
    "rustix",
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Addresses are values, too.
const VALUES: &[&str] = &["std::net::IpAddr", "std::net::SocketAddr"];

#[test]
fn module_dependencies_point_in_one_direction() {
    let house = House::read();
    let mut above = BTreeSet::new();
    for (part, allowed) in DIRECTION {
        let wrong = allowed.iter().find(|known| !above.contains(**known));
        assert_eq!(wrong, None, "DIRECTION: {part} names something that is not above it");
        above.insert(*part);
        let named: BTreeSet<&str> = house.parts_named_by(part);
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let files: Vec<String> = named.difference(&allowed).flat_map(|other| house.uses(part, other)).collect();
        assert!(files.is_empty(), "src/{part} may know {allowed:?} only: {files:#?}");
        let unused: Vec<_> = allowed.difference(&named).collect();
        assert!(unused.is_empty(), "DIRECTION: {part} does not name {unused:?}");
    }
    let unlisted: Vec<_> = house.parts().into_iter().filter(|part| !above.contains(part)).collect();
    assert!(unlisted.is_empty(), "DIRECTION lacks {unlisted:?}");
}

#[test]
fn restricted_modules_expose_only_listed_items() {
    let house = House::read();
    for (part, other, allowed) in ONLY {
        let uses = house.uses(part, other);
        assert!(!uses.is_empty(), "ONLY: {part} names nothing of {other}");
        for path in uses {
            let item = path.split("::").nth(2).unwrap_or_default();
            assert!(allowed.contains(&item), "{path}, but {part} may know no more of {other} than {allowed:?}");
        }
    }
}

#[test]
fn pure_modules_have_no_io() {
    let house = House::read();
    for part in PURE {
        for (file, path) in house.foreign(part) {
            let begins = |start: &str| path == start || path.starts_with(&format!("{start}::"));
            let named = IMPURE.iter().any(|start| begins(start)) && !VALUES.iter().any(|start| begins(start));
            assert!(!named, "{file} names {path}, but has no runtime, no socket, no clock and no files");
        }
    }
}

/// A path leads to the file that defines what it names: re-exports are followed. A module's own file and the files below
/// it are parts of one thing, so a file may name what its parents' files define.
#[test]
fn files_have_no_cyclic_dependencies() {
    let house = House::read();
    let circle = house.circle();
    assert!(circle.is_empty(), "these files name each other in a circle: {circle:#?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in files("src").into_iter().chain(files("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not begin with `//!`", path.display());
    }
}

#[test]
fn no_file_is_too_long() {
    for path in files("src") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines, and {LONGEST} are enough for one subject", path.display());
    }
}

/// Benchmarks and fuzz targets are programs of their own.
#[test]
fn every_test_module_is_run() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let run = source::modules_below(&tests.join("main.rs"));
    for path in files("tests") {
        let own = ["bench", "fuzz", "soak"].iter().any(|program| path.starts_with(tests.join(program)));
        assert!(own || run.contains(&path), "no `mod` leads from tests/main.rs to {}", path.display());
    }
}
