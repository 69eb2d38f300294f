//! A disk that is full or read-only from the beginning. One that becomes so is in `history::faults`.

use std::fs;
use std::process::Command;

use crate::history::faults::{ended, seen_by, start_with_mount};
use crate::support::daemon::{CHATD, Daemon, LISTENERS, run_by};
use crate::support::journal::namespace;

/// A small file system without a free byte, with what was in the directory.
const FULL: &str = r#"copy=$1.copy; cp -a "$1" "$copy"; mount -t tmpfs -o size=16m,mode=700 tmpfs "$1"; cp -a "$copy"/. "$1"
    cat /dev/zero >"$1/filler" 2>&- || true"#;

#[test]
fn a_disk_that_is_full_from_the_beginning_stops_nothing_and_is_made_up_for() {
    let first = ended();
    let mut daemon = start_with_mount(&first, FULL);
    daemon.wait_for_log("nothing is kept in ");
    let (mut ana, mut bo) = (daemon.join_tls("ana"), daemon.join("bo"));
    ana.expect("*** bo has joined");
    ana.say("while it was full");
    bo.expect_next("ana: while it was full");
    assert!(daemon.chatctl(&["ban", "bo", "--reason", "full"]).status.success());
    bo.expect("*** Goodbye: banned: full.");
    // What cannot be done says so.
    let backup = daemon.path("backup");
    let output = daemon.chatctl(&["backup", backup.to_str().unwrap()]);
    assert!(!output.status.success() && !output.stderr.is_empty(), "{output:?}");
    assert!(!backup.exists());
    assert!(daemon.chatctl(&["reload"]).status.success());
    let state = seen_by(&daemon);
    fs::remove_file(state.join("filler")).unwrap();
    daemon.wait_for_log("what is said is kept again");
    ana.say("/search \"it was full\"");
    ana.expect("*** Found, times in UTC:");
    assert!(ana.line().ends_with("ana: while it was full"));
    // It is on the disk, and not only waiting.
    let again = daemon.path("again");
    fs::create_dir(&again).unwrap();
    for file in fs::read_dir(&state).unwrap().map(Result::unwrap).filter(|file| file.file_type().unwrap().is_file()) {
        fs::copy(file.path(), again.join(file.file_name())).unwrap();
    }
    daemon.signal("KILL");
    daemon.wait();
    let next = Daemon::launch(LISTENERS, |command| {
        command.env("STATE_DIRECTORY", &again);
    });
    next.wait_for_log(" is ready");
    let mut bo = next.connect();
    bo.say("bo");
    assert_eq!(bo.rest().last().unwrap(), "*** Goodbye: banned: full.");
    let mut cho = next.join("cho");
    while !cho.line().ends_with("ana: while it was full") {}
}

/// Without a place for its certificate, it does not make another one at each start.
#[test]
fn a_first_start_without_room_for_the_certificate_says_so() {
    for (mount, why) in [
        (
            r#"mkdir -p "$1"; mount -t tmpfs -o size=16k,mode=700 tmpfs "$1"; cat /dev/zero >"$1/filler" 2>&- || true"#,
            "No space left on device",
        ),
        (r#"mkdir -p "$1"; mount -t tmpfs -o ro,mode=700 tmpfs "$1""#, "Read-only file system"),
    ] {
        let mut daemon = Daemon::launch(LISTENERS, |command| {
            let state = command.get_envs().find(|(key, _)| *key == "STATE_DIRECTORY").unwrap().1.unwrap().to_owned();
            let mut runner = Command::new("unshare");
            let script = format!("{mount}\nshift\nexec \"$@\"");
            runner.args(namespace()).args(["sh", "-euc", &script, "sh"]).arg(state).arg(CHATD);
            run_by(command, runner);
        });
        let (status, log) = daemon.wait_with_log();
        assert_eq!(status.code(), Some(78));
        assert!(
            log.iter().any(|line| line.contains("cannot keep the self-signed certificate in ") && line.contains(why)),
            "{log:?}"
        );
    }
}
