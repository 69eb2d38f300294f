//! `--check-config`: reports what would keep the daemon from starting, without starting it.

use std::io::{self, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

use crate::config::file::STANDARD_PATH;
use crate::config::{Config, Endpoint};
use crate::net::BindError;
use crate::net::certificate::EXPIRY_WARNING;
use crate::net::tls::TlsInForce;
use crate::server::Source;

/// The exit status for mistakes in the configuration or in files that it names.
const EXIT_CONFIGURATION: u8 = 78;

/// Reports every mistake and every warning, one per line.
pub fn check(source: &Source) -> ExitCode {
    let service = source.path.as_deref().is_none_or(|path| path == std::path::Path::new(STANDARD_PATH));
    let service = if service { Service::installed() } else { None };
    if let Some(outcome) = service.as_ref().and_then(|service| service.check_as_its_user(source)) {
        return outcome;
    }
    let config = match source.load() {
        Ok(config) => config,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(error.exit_status());
        }
    };
    config.warnings("warning: ").iter().for_each(|warning| complain(warning));
    if config.file.is_none() {
        complain(&format!("there is no {STANDARD_PATH}; everything is as chatd.toml(5) says it is by default"));
    }
    let mistakes = [certificates(&config), addresses(&config, service.as_ref())].concat();
    mistakes.iter().for_each(|mistake| complain(mistake));
    if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIGURATION) }
}

fn complain(line: &str) {
    // Mistakes go to standard error; if it is closed, the exit status is still right.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Mistakes in the files of `[tls]`, which the daemon reads if a listener uses TLS.
fn certificates(config: &Config) -> Vec<String> {
    let Some(tls) = config.tls.as_ref().filter(|_| config.listen.iter().any(|listen| listen.tls)) else {
        return Vec::new();
    };
    let (file, now) = (config.file.as_deref(), SystemTime::now());
    match TlsInForce::check(tls, now) {
        Ok(facts) => {
            let when = humantime::format_rfc3339_seconds(facts.not_after);
            let ends = |verb| {
                let what = format!("warning: tls.certificate: {} {verb} on {when}", tls.certificate.path.display());
                complain(&tls.certificate.place.complaint(file, &what));
            };
            if facts.is_expired(now) {
                ends("has expired");
            } else if facts.expires_within(EXPIRY_WARNING, now) {
                ends("expires");
            }
            Vec::new()
        }
        Err(error) => vec![error.place().complaint(file, &error.to_string())],
    }
}

/// Reports addresses that the service's sandbox does not allow.
fn addresses(config: &Config, service: Option<&Service>) -> Vec<String> {
    if service.is_none_or(|service| service.has_network) {
        return Vec::new();
    }
    let refused = config.listen.iter().filter_map(|listen| match &listen.endpoint {
        Endpoint::Tcp(address) => {
            let error = BindError::Sandbox { address: address.clone() };
            Some(listen.place.complaint(config.file.as_deref(), &error.to_string()))
        }
        Endpoint::Unix(_) | Endpoint::Systemd(_) => None,
    });
    refused.collect()
}

/// The properties of chatd.service that matter here, as reported by systemd.
struct Service {
    user: String,
    has_network: bool,
}

impl Service {
    /// `None` if chatd is not installed as a systemd service.
    fn installed() -> Option<Service> {
        let mut command = Command::new("systemctl");
        command.args(["show", "chatd.service", "--property=LoadState,User,PrivateNetwork,RestrictAddressFamilies"]);
        let shown = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        let shown = String::from_utf8(shown.stdout).ok()?;
        let property =
            |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
        let families = property("RestrictAddressFamilies");
        let families_have_network = match families.strip_prefix('~') {
            Some(denied) => !denied.split(' ').any(|family| family == "AF_INET"),
            None => families.is_empty() || families.split(' ').any(|family| family == "AF_INET"),
        };
        (property("LoadState") == "loaded").then(|| Service {
            user: property("User").to_owned(),
            has_network: families_have_network && property("PrivateNetwork") != "yes",
        })
    }

    /// If run by root, repeats the check as the service's user, who may not be able to read the same files. `None` if
    /// that is not necessary or not possible.
    fn check_as_its_user(&self, source: &Source) -> Option<ExitCode> {
        if self.user.is_empty() || !rustix::process::geteuid().is_root() {
            return None;
        }
        let mut command = Command::new("runuser");
        command.args(["-u", &self.user, "--"]).arg(std::env::current_exe().ok()?).arg("--check-config");
        if let Some(path) = &source.path {
            command.arg("--config").arg(path);
        }
        match command.status().ok()?.code()? {
            // The service's user cannot run this executable, so it is not the one that the service runs.
            126 | 127 => None,
            code => u8::try_from(code).ok().map(ExitCode::from),
        }
    }
}
