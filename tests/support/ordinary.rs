//! An ordinary user, whoever runs the tests: with no rights over anything but the tester's files, and with a network of
//! its own, in which all ports are free.

use std::ffi::OsStr;
use std::process::Command;

/// Set for a test that has been started again as an ordinary user.
const AGAIN: &str = "CHATD_TEST_AS_ORDINARY_USER";

/// A command that runs `program` as an ordinary user (user id 1000), in namespaces of its own: files of the tester are
/// that user's, the network is nothing but a loopback interface, nobody has configured chatd, and the system runs none.
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

/// Starts the calling test, which has this name, once more as an ordinary user, and says whether this is that run. The
/// test has nothing to do otherwise.
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
