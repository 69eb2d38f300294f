//! The daemon: its files, its process, its configuration, and what the system says of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::kinds::CLASSICS;
use super::observer::Event;
use super::support::daemon::{CHATCTL, CHATD, own_environment};

/// For every wait; it measures nothing.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How much a client may lag behind the room: more than may be said at once, which is as much as in two seconds.
const MAX_LAG: &str = "512KiB";
const ROOM_RATE: &str = "16KiB";

/// Where clients come in, by what is spoken there: all but the classics' are `auto`.
#[derive(Default, Clone)]
pub struct Ports {
    pub plain: Option<SocketAddr>,
    pub tls: Option<SocketAddr>,
    pub classics: Vec<SocketAddr>,
    pub podsixnet: Option<SocketAddr>,
    pub podsixnet_tls: Option<SocketAddr>,
}

pub struct Service {
    pub directory: Option<TempDir>,
    path: PathBuf,
    child: Option<Child>,
    renewals: u64,
}

/// The numbers of the process and its sockets.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// Private memory in KiB.
    pub memory: u64,
    pub descriptors: usize,
    /// TCP connections of the daemon's ports that are not closed, and the bytes in their buffers.
    pub sockets: usize,
    pub buffered: u64,
}

impl Service {
    pub fn new() -> Service {
        // In memory, if there is such a place: what others write to the disk is not to hold up this program.
        let place = Some(PathBuf::from("/dev/shm")).filter(|place| place.is_dir()).unwrap_or_else(std::env::temp_dir);
        let directory = tempfile::Builder::new().prefix("chatd-soak-").tempdir_in(place).unwrap();
        let path = directory.path().to_owned();
        // So that whoever builds meanwhile disturbs nobody.
        for program in [CHATD, CHATCTL] {
            fs::copy(program, path.join(Path::new(program).file_name().unwrap())).unwrap();
        }
        let mut service = Service { directory: Some(directory), path, child: None, renewals: 0 };
        service.renew();
        service.configure(0);
        service
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes the configuration; each `version` has other limits, and another topic.
    pub fn configure(&self, version: u64) {
        let mut text = format!(
            "[room]\nhistory = {}\ntopic = 'topic {version}'\n[tls]\ncertificate = {:?}\nprivate-key = {:?}\n\
             [limits]\nmax-lag = '{MAX_LAG}'\nroom-rate = '{ROOM_RATE}'\nmessage-rate = {}\nconnections-per-address = 1000\n\
             connection-rate-per-address = 1000\nconnection-rate = 1000\nroom-rate-per-address = '1MiB'\n\
             handshake-timeout = '2min'\nlogin-timeout = '2min'\n",
            30 + version % 3 * 20,
            self.path("certificate.pem"),
            self.path("key.pem"),
            5 + version % 2 * 5,
        );
        let mut listen = |keys: String| text += &format!("[[listen]]\n{keys}\n");
        listen("address = '127.0.0.1:0'".to_owned());
        listen("address = '127.0.0.1:0'\ntls = true".to_owned());
        listen(format!("address = {:?}", self.path("chat.sock")));
        for tls in ["", "tls = true"] {
            listen(format!("address = '127.0.0.1:0'\nprotocol = 'podsixnet'\n{tls}"));
        }
        for classic in &CLASSICS {
            let paced = "[listen.classic]\ngap = '1ms'";
            listen(format!("address = '127.0.0.1:0'\nprotocol = 'classic'\npreset = '{}'\n{paced}", classic.preset));
        }
        fs::write(self.path("chatd.toml"), text).unwrap();
    }

    /// Puts a mistake into the configuration.
    pub fn misconfigure(&self) {
        let text = fs::read_to_string(self.path("chatd.toml")).unwrap();
        fs::write(self.path("chatd.toml"), format!("{text}\n[nonsense]\n")).unwrap();
    }

    /// Replaces the certificate as a renewal does; returns the new one.
    pub fn renew(&mut self) -> Vec<u8> {
        self.renewals += 1;
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, format!("renewal {}", self.renewals));
        let certificate = parameters.self_signed(&key).unwrap();
        for (name, text) in [("key.pem", key.serialize_pem()), ("certificate.pem", certificate.pem())] {
            let new = self.path(&format!("{name}.new"));
            fs::write(&new, text).unwrap();
            fs::rename(new, self.path(name)).unwrap();
        }
        certificate.der().to_vec()
    }

    /// Starts it on what is in its directory.
    pub fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(self.path("chatd"));
        command.arg("--config").arg(self.path("chatd.toml"));
        own_environment(&mut command, &self.path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> Option<String> {
        self.child.as_mut()?.try_wait().unwrap().map(|status| status.to_string())
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill -s {name}");
    }

    /// How many lines of the log contain this.
    pub fn logged(&self, text: &str) -> usize {
        let log = fs::read(self.path("log")).unwrap_or_default();
        memchr::memmem::find_iter(&log, text).count()
    }

    pub fn chatctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("chatctl"));
        own_environment(&mut command, &self.path);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Sockets of the daemon's ports and the memory of the process.
    pub fn used(&self, ports: &Ports) -> Use {
        let process = PathBuf::from(format!("/proc/{}", self.pid()));
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
        let mut numbers: Vec<u16> = ports.classics.iter().map(SocketAddr::port).collect();
        let others = [ports.plain, ports.tls, ports.podsixnet, ports.podsixnet_tls];
        numbers.extend(others.iter().flatten().map(SocketAddr::port));
        let (mut sockets, mut buffered) = (0, 0);
        for line in fs::read_to_string("/proc/net/tcp").unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
            let port = fields[1].split_once(':').map_or(0, |(_, port)| number(port));
            // Neither listening (0A) nor waiting for time to pass (06).
            if numbers.iter().any(|own| u64::from(*own) == port) && !["0A", "06"].contains(&fields[3]) {
                sockets += 1;
                let (to_send, to_read) = fields[4].split_once(':').unwrap_or(("0", "0"));
                buffered += number(to_send) + number(to_read);
            }
        }
        let descriptors = fs::read_dir(process.join("fd")).map_or(0, Iterator::count);
        Use { memory: memory.and_then(|text| text.trim().parse().ok()).unwrap_or(0), descriptors, sockets, buffered }
    }

    /// What the process has open.
    pub fn descriptors(&self) -> Vec<String> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).into_iter().flatten().flatten();
        open.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect()
    }

    /// Keeps the directory, and says where it is.
    pub fn keep(&mut self) -> PathBuf {
        self.directory.take().map_or_else(|| self.path.clone(), TempDir::keep)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The JSON that chatctl has printed.
pub fn json(output: &Output) -> Option<Value> {
    output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
}

/// Where clients come in, from the status; the order is that of the configuration.
pub fn ports(status: &Value) -> Ports {
    let mut ports = Ports::default();
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let Ok(address) = listener["address"].as_str().unwrap_or_default().parse() else { continue };
        match (listener["protocol"].as_str().unwrap_or_default(), listener["tls"] == true) {
            ("auto", false) => ports.plain = Some(address),
            ("auto", true) => ports.tls = Some(address),
            ("podsixnet", false) => ports.podsixnet = Some(address),
            ("podsixnet", true) => ports.podsixnet_tls = Some(address),
            _ => ports.classics.push(address),
        }
    }
    ports
}

/// The events of the room that `chatctl history --json` has printed, each with its identifier.
pub fn events(printed: &[u8]) -> Result<Vec<(Event, String)>, String> {
    let mut events = Vec::new();
    for line in printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let entry: Value = serde_json::from_slice(line).map_err(|e| format!("{e} in the history"))?;
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let (name, id) = (text("name"), text("msgid").to_owned());
        match text("kind") {
            "join" => events.push((Event::Joined(name.into()), id)),
            "leave" => events.push((Event::Left(name.into()), id)),
            "message" if text("text").contains('<') => {
                events.push((Event::Said(name.into(), super::line::number(name, text("text"))?), id));
            }
            "gap" => return Err(format!("the history has a gap: {entry}")),
            _ => {}
        }
    }
    Ok(events)
}

/// Until when something has to have happened.
pub fn deadline() -> Instant {
    Instant::now() + PATIENCE
}
