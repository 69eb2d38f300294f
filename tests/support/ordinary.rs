//! Runs programs as an ordinary user, even if root runs the tests: with access only to the tester's files, and in a
//! network namespace of its own, where all ports are free.

use std::ffi::OsStr;
use std::process::Command;

/// Set in the environment of a test that has been restarted as an ordinary user.
const AGAIN: &str = "CHATD_TEST_AS_ORDINARY_USER";

/// A command that runs `program` as an ordinary user (user ID 1000) in its own namespaces: the tester's files belong to
/// that user, the network has only a loopback interface, and the system has no configuration of chatd and no running
/// daemon.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    const ENTER: &str = r#"
        PATH=$PATH:/usr/sbin:/sbin ip link set lo up
        for directory in /etc/chatd /run/chatd; do
            [ ! -e "$directory" ] || mount -t tmpfs tmpfs "$directory"
        done
        exec unshare --user --map-user=1000 --map-group=1000 "$@"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount", "sh", "-euc", ENTER, "sh"]).arg(program);
    command
}

/// Restarts the calling test, which has this name, as an ordinary user. Returns whether this is the restarted run;
/// otherwise the test has nothing more to do.
pub fn is_ordinary(test: &str) -> bool {
    if std::env::var_os(AGAIN).is_some() {
        return true;
    }
    let mut command = command(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(AGAIN, "yes").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "as an ordinary user (unshare(1) must be allowed to make user namespaces):\n{text}"
    );
    false
}
