//! chatctl: sends one request to a running daemon and shows the reply as text or JSON.
//!
//! - [`arguments`]: the command line
//! - [`connection`]: finding the daemon, requests and replies
//! - [`backup`]: a backup as a file
//! - [`bans`]: bans as text
//! - [`show`]: replies as text, made with [`table`] and [`terminal`]
//! - [`failure`]: errors and exit statuses
//!
//! It is a plain blocking program, and shares only [`crate::admin`] with the daemon.

pub mod arguments;
pub mod backup;
pub mod bans;
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

use self::arguments::{Action, Arguments, Command, Options};
use self::connection::{Connection, LIMIT, Reply, not_back};
use self::failure::Failure;
use crate::admin::request::{BanQuery, HistoryQuery, Request};
use crate::admin::types::{Banned, Bans, Error, HistoryEntry, Noticed, Reloaded, Status, Users, WatchEvent};
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
    let action = match arguments.command {
        Command::Completions { shell, program } => return print(arguments::completions(shell, program)),
        Command::Ask(action) => action,
    };
    let Options { socket, json } = arguments.options;
    let sockets = socket.map_or_else(directories::admin_socket_candidates, |socket| vec![socket]);
    let mut connection = Connection::open(&sockets)?;
    if let Action::Backup { file } = &action {
        let saved = backup::save(&mut connection, file)?;
        return print(if json { show::backup_json(&saved) } else { show::backup(&saved, file) });
    }
    match action.request() {
        Request::Watch { .. } => watch(&mut connection, json),
        Request::History(query) => history(&mut connection, query, json),
        Request::Restart {} => restart(&mut connection, json),
        request => {
            let reply = connection.ask(&request)?;
            if json { print_json(&reply) } else { print_answer(&request, &reply) }
        }
    }
}

/// Has the daemon restart, and waits until it is back.
fn restart(connection: &mut Connection, json: bool) -> Result<(), Failure> {
    match connection.ask(&Request::Restart {}) {
        // It may be faster than its answer.
        Ok(_) | Err(Failure::Closed) => {}
        Err(failure) => return Err(failure),
    }
    connection.reconnect()?;
    let status = connection.ask(&Request::Status {}).map_err(not_back)?;
    if json { print("{}\n") } else { print(show::restarted(&parse(&status)?)) }
}

/// Shows events until interrupted.
fn watch(connection: &mut Connection, json: bool) -> Result<(), Failure> {
    end_when_interrupted()?;
    let mut resume = false;
    loop {
        connection.begin(&Request::Watch { resume })?;
        let failure = loop {
            match connection.next_reply(None) {
                Ok(Reply { parameters, .. }) if json => print_json(&parameters)?,
                Ok(Reply { parameters, .. }) => print(show::watch_event(&parse::<WatchEvent>(&parameters)?))?,
                Err(failure) => break failure,
            }
        };
        // Whoever connects to a daemon that has stopped may start it again, so only this one is followed.
        let Failure::Refused(Error::Restarting { .. }) = failure else { return Err(failure) };
        connection.reconnect()?;
        resume = true;
    }
}

/// Shows the history as it comes in.
fn history(connection: &mut Connection, mut query: HistoryQuery, json: bool) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Entries {
        entries: Vec<Box<RawValue>>,
    }
    let limit = if query.follow { None } else { Some(LIMIT) };
    let nothing = if query == HistoryQuery::default() { "the history is empty" } else { "nothing was found" };
    if query.follow {
        end_when_interrupted()?;
    }
    connection.begin(&Request::History(query.clone()))?;
    let mut any = false;
    loop {
        let Reply { parameters, continues } = match connection.next_reply(limit) {
            Ok(reply) => reply,
            Err(Failure::Refused(Error::Restarting { after })) => {
                if after.is_some() {
                    query = HistoryQuery { since: None, limit: None, after, ..query };
                }
                connection.reconnect()?;
                connection.begin(&Request::History(query.clone()))?;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let mut text = String::new();
        for entry in parse::<Entries>(&parameters)?.entries {
            any = true;
            if json {
                text += &terminal::printable_json(entry.get());
                text.push('\n');
            } else {
                text += &show::history_entry(&parse::<HistoryEntry>(&entry)?);
            }
        }
        print(text)?;
        if !continues {
            break;
        }
    }
    if !any && !json {
        complain(nothing);
    }
    Ok(())
}

/// From now on, Ctrl-C is a way to end the program in order.
fn end_when_interrupted() -> Result<(), Failure> {
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 0, always)
        .map_err(Failure::Interruptible)?;
    Ok(())
}

fn print_answer(request: &Request, reply: &RawValue) -> Result<(), Failure> {
    match request {
        Request::List {} => print(show::users(&parse::<Users>(reply)?.users, SystemTime::now())),
        Request::Ban(BanQuery { target, .. }) => print(bans::banned(&parse::<Banned>(reply)?, target)),
        Request::Unban { .. } => print(bans::unbanned(&parse::<Bans>(reply)?.bans)),
        Request::ListBans {} => print(bans::table(&parse::<Bans>(reply)?.bans)),
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
