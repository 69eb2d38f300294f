//! Memory is bounded also where the kernel keeps it, which counts as the daemon's (`MemoryMax=`).

use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST};

/// What the kernel has still to send from the daemon to this client, in bytes.
fn kept_by_kernel(daemon: &Daemon, client: &Client) -> u64 {
    let [from, to] = [daemon.plain(), client.socket().local_addr().unwrap()].map(|end| format!(":{:04X}", end.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.filter(|fields| fields[1].ends_with(&from) && fields[2].ends_with(&to));
    let unsent: Vec<_> =
        ours.map(|fields| u64::from_str_radix(fields[4].split_once(':').unwrap().0, 16).unwrap()).collect();
    assert_eq!(unsent.len(), 1);
    unsent[0]
}

#[test]
fn the_kernel_keeps_little_for_a_client_that_reads_nothing() {
    let daemon = Daemon::start(&format!("{FAST}max-lag = \"1GiB\"\n[history]\nkeep = \"0s\"\n"));
    let mut ana = daemon.join("ana");
    let slow = daemon.join("slow");
    ana.expect_next("*** slow has joined");
    let line = "x".repeat(1900);
    for _ in 0..1000 {
        ana.send(&format!("{line}\n").repeat(8));
        (0..8).for_each(|_| ana.expect_next(&format!("ana: {line}")));
    }
    let lag = daemon.find("slow").unwrap().lag_bytes;
    let kept = kept_by_kernel(&daemon, &slow);
    // It may take one write more than the bound, which is as large as a segment at most.
    assert!(kept <= (128 + 64) << 10, "{kept} bytes are in the kernel, and {lag} wait");
    assert!(lag > 10 << 20, "the rest waits where it is counted, and only once for all: {lag}");
}
