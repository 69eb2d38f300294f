//! The cost of a delivery in chatd, as a multiple of a bare write loop's, end to end and in the same run.
//!
//! Both servers run as separate processes, driven by the same clients over loopback: N clients in the room, ten of
//! which keep sixteen lines in flight each. The bare loop has no names and no protocol: whatever arrived since the last
//! round is sent to everybody with one write(2) each. CPU time is the server's, user and system, from /proc. Only the
//! ratios are meaningful.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that meets what it does not expect stops, and says where"
)]

mod bare;
mod load;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The numbers of clients in the room.
const SIZES: [usize; 2] = [100, 1000];
/// Runs of each server and size, alternating, so that a disturbance affects both; the median counts.
const RUNS: usize = 5;

fn main() {
    // `cargo bench` passes --bench; the bare server is this program, started again.
    if std::env::args().nth(1).as_deref() == Some("bare-loop") {
        bare::serve();
    }
    println!("clients  chatd us  bare us  ratio   (CPU of the server per delivery, 64-byte lines, medians of {RUNS})");
    for size in SIZES {
        let (mut chatd, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            chatd.push(cost(Server::chatd(), size));
            bare.push(cost(Server::bare(), size));
        }
        let (chatd, bare) = (median(chatd), median(bare));
        println!("{size:7}  {chatd:8.4}  {bare:7.4}  {:5.2}", chatd / bare);
    }
}

/// CPU time per line delivered, in microseconds.
fn cost(server: Server, clients: usize) -> f64 {
    let outcome = load::run(server.address, server.greets, clients, || server.cpu_seconds());
    outcome.cpu_seconds * 1e6 / outcome.deliveries as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A server under test; it is killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Whether it asks for a name and puts it before each line.
    greets: bool,
    _directory: tempfile::TempDir,
}

impl Server {
    fn chatd() -> Server {
        let directory = tempfile::tempdir().unwrap();
        let config = "[room]\nhistory = 0\n[history]\nkeep = \"0s\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"text\"\n\
                      [limits]\nconnections-per-address = 100000\nmessage-rate = 1000000\nmessage-burst = 1000000\n\
                      max-lag = \"256MiB\"\n";
        let path = directory.path().join("chatd.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
        command.arg("--config").arg(path);
        command
            .env("RUNTIME_DIRECTORY", directory.path().join("run"))
            .env("STATE_DIRECTORY", directory.path().join("state"));
        Server::start(command, true, directory)
    }

    fn bare() -> Server {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("bare-loop");
        Server::start(command, false, tempfile::tempdir().unwrap())
    }

    fn start(mut command: Command, greets: bool, directory: tempfile::TempDir) -> Server {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on ").and_then(|(_, address)| address.parse().ok()))
            .expect("the server says where it listens");
        // Further output is not needed, but must be read so that it does not block the server.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address, greets, _directory: directory }
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("stat")).unwrap();
        // proc_pid_stat(5): utime and stime are fields 14 and 15; the name before them may contain spaces.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
        ticks / rustix::param::clock_ticks_per_second() as f64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
