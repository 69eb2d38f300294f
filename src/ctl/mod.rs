//! chatctl: sends one request to a running daemon and shows the reply as text or JSON.
//!
//! - [`arguments`]: the command line
//! - [`connection`]: finding the daemon, requests and replies
//! - [`show`]: replies as text, made with [`table`] and [`terminal`]
//! - [`failure`]: errors and exit statuses
//!
//! It is a plain blocking program, and shares only [`crate::admin`] with the daemon.

pub mod arguments;
pub mod connection;
pub mod failure;
pub mod show;
pub mod table;
pub mod terminal;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use self::arguments::{Arguments, Command, Options};
use self::connection::Connection;
use self::failure::Failure;
use crate::admin::request::Request;
use crate::admin::types::{Noticed, Reloaded, Status, Users, WatchEvent};
use crate::{directories, log};

/// chatctl's `main`.
pub fn main() -> ExitCode {
    let arguments = crate::arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe, such as `head`, has closed it; that is not an error.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // In the journal, the daemon's own entry is enough.
            let logged = if log::is_standard_error() { failure.logged() } else { None };
            complain(&logged.map_or_else(|| failure.to_string(), str::to_owned));
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let request = match arguments.command {
        Command::Completions { shell, program } => return print(arguments::completions(shell, program)),
        Command::Ask(action) => action.request(),
    };
    let Options { socket, json } = arguments.options;
    let sockets = socket.map_or_else(directories::admin_socket_candidates, |socket| vec![socket]);
    let mut connection = Connection::open(&sockets)?;
    if request.answers_more() {
        watch(&mut connection, &request, json)
    } else {
        let reply = connection.ask(&request)?;
        if json { print_json(&reply) } else { print_answer(&request, &reply) }
    }
}

/// Shows events until interrupted.
fn watch(connection: &mut Connection, request: &Request, json: bool) -> Result<(), Failure> {
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 0, always)
        .map_err(Failure::Interruptible)?;
    connection.watch(request)?;
    loop {
        let reply = connection.next_event()?;
        if json { print_json(&reply)? } else { print(show::watch_event(&parse::<WatchEvent>(&reply)?))? }
    }
}

fn print_answer(request: &Request, reply: &RawValue) -> Result<(), Failure> {
    match request {
        Request::List {} => print(show::users(&parse::<Users>(reply)?.users, SystemTime::now())),
        Request::Notice { .. } => print(show::noticed(parse::<Noticed>(reply)?)),
        Request::Status {} => print(show::status(&parse::<Status>(reply)?, SystemTime::now())),
        Request::Reload {} => {
            let reloaded: Reloaded = parse(reply)?;
            for warning in &reloaded.warnings {
                complain(&format!("warning: {}", terminal::printable(warning)));
            }
            print("configuration and certificates are reloaded\n")
        }
        // Nothing to show for a kick that worked.
        _ => Ok(()),
    }
}

fn parse<T: DeserializeOwned>(reply: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(reply.get()).map_err(|error| Failure::NotUnderstood(error.to_string()))
}

fn print_json(reply: &RawValue) -> Result<(), Failure> {
    print(terminal::printable_json(reply.get()) + "\n")
}

fn print(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_ref()).and_then(|()| output.flush()).map_err(Failure::Output)
}

fn complain(sentence: &str) {
    // If this cannot be written, there is nowhere to report it.
    let _ = writeln!(io::stderr().lock(), "chatctl: {sentence}");
}
