//! The benchmark's clients: all in one process and one thread, counting the lines they read.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// How many clients send, and how many lines each keeps in flight.
const SENDERS: usize = 10;
const WINDOW: usize = 16;
/// The size of a delivered line in bytes, including its line end.
const LINE: usize = 64;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_millis(1500);

/// The results of a measurement.
pub struct Outcome {
    /// Lines read by all clients together.
    pub deliveries: u64,
    /// The server's CPU time meanwhile.
    pub cpu_seconds: f64,
}

/// Loads a server. `greets`: it asks for a name and puts it before each line; otherwise the clients do that.
pub fn run(address: SocketAddr, greets: bool, clients: usize, cpu_seconds: impl Fn() -> f64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async move {
        let mut sockets = Vec::new();
        for index in 0..clients {
            sockets.push(join(address, greets, index).await);
        }
        let (delivered, mut tasks) = (Rc::new(Cell::new(0)), JoinSet::new());
        for (index, socket) in sockets.into_iter().enumerate() {
            tasks.spawn_local(client(socket, index, greets, delivered.clone()));
        }
        tokio::time::sleep(WARM_UP).await;
        let (before, cpu, start) = (delivered.get(), cpu_seconds(), Instant::now());
        tokio::time::sleep_until((start + MEASURED).into()).await;
        Outcome { deliveries: delivered.get() - before, cpu_seconds: cpu_seconds() - cpu }
    })
}

fn name(index: usize) -> String {
    format!("c{index}")
}

async fn join(address: SocketAddr, greets: bool, index: usize) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    if greets {
        socket.write_all(format!("{}\n", name(index)).as_bytes()).await.unwrap();
        let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
        while !read.windows(10).any(|window| window == b"*** Topic:") {
            let length = socket.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..length]);
        }
    }
    socket
}

/// Reads for ever; a sender sends another line for each of its own that comes back.
async fn client(mut socket: TcpStream, index: usize, greets: bool, delivered: Rc<Cell<u64>>) {
    let prefix = format!("{}: ", name(index));
    let text = format!("{}\n", "x".repeat(LINE - prefix.len() - 1));
    let line = if greets { text } else { format!("{prefix}{text}") };
    if index < SENDERS {
        socket.write_all(line.repeat(WINDOW).as_bytes()).await.unwrap();
    }
    let (mut buffer, mut filled) = (vec![0; 256 * 1024], 0);
    loop {
        match socket.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(length) => filled += length,
        }
        let whole = buffer[..filled].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (mut own, mut lines) = (0, 0);
        for line in buffer[..whole].split_inclusive(|byte| *byte == b'\n') {
            own += usize::from(line.starts_with(prefix.as_bytes()));
            lines += 1;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        delivered.set(delivered.get() + lines);
        if index < SENDERS && own > 0 && socket.write_all(line.repeat(own).as_bytes()).await.is_err() {
            return;
        }
    }
}
