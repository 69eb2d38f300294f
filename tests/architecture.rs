//! The house keeps its own rules: who may know whom, and what every file has.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code in the longest file that is still one subject.
const LONGEST: usize = 400;

/// What a part of the house does not name, and why.
const RULES: &[(&[&str], &[&str], &str)] = &[
    (
        &["src/chat", "src/dialect", "src/room"],
        &[
            "tokio",
            "std::net",
            "std::os",
            "TcpStream",
            "UnixStream",
            "Instant",
            "SystemTime",
            "std::fs",
            "crate::net",
            "crate::session",
            "crate::server",
        ],
        "it has no runtime, no socket, no clock and no files",
    ),
    (&["src/chat"], &["crate::room", "crate::dialect", "crate::config"], "it is only vocabulary"),
    (&["src/dialect"], &["crate::room"], "dialects and the room meet in a session only"),
    (&["src/room"], &["crate::dialect"], "dialects and the room meet in a session only"),
    (
        &["src/net"],
        &["crate::chat", "crate::room", "crate::dialect", "crate::session", "crate::server", "crate::admin"],
        "it is about sockets and keys",
    ),
    (&["src/session"], &["crate::server", "crate::admin"], "the direction is server to session"),
];

/// All files of this kind below a directory of the project.
fn files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{directory} has no source files");
    found
}

/// The code of a file: without comments, and without its unit tests, which may do as they like.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_parts_of_the_house_know_only_whom_they_may() {
    for (directories, forbidden, why) in RULES {
        for path in directories.iter().flat_map(|directory| files(directory)) {
            let code = code(&path);
            // Grouped imports, `use crate::{log, net}`, are named one by one.
            let grouped: Vec<String> = (code.split("use crate::{").skip(1))
                .flat_map(|rest| rest.split("};").next().unwrap().split([',', ' ', '\n', '{', ':']))
                .map(|name| format!("crate::{}", name.trim()))
                .collect();
            for word in *forbidden {
                let named = code.contains(word) || grouped.iter().any(|name| name == word);
                assert!(!named, "{} names {word}, but {why}", path.display());
            }
        }
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in files("src").into_iter().chain(files("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not begin with `//!`", path.display());
    }
}

#[test]
fn no_file_is_longer_than_one_subject() {
    for path in files("src") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines, and {LONGEST} are enough for one subject", path.display());
    }
}

#[test]
fn every_test_module_is_run() {
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/main.rs")).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_module = path.is_file() || path.join("mod.rs").exists();
        if is_module && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "tests/main.rs lacks `mod {name};`");
        }
    }
}
