//! chatctl's command line, and the shell completions of both programs.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Subcommand, ValueEnum, ValueHint};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::admin::request::{BanQuery, HistoryQuery, Request};
use crate::arguments::DaemonArguments;

/// Steers a running chatd.
#[derive(Debug, Clone, PartialEq, Eq, clap::Parser)]
#[command(name = "chatctl", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// What goes before or after every command.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[expect(missing_docs, reason = "clap would take a description of this group for that of the whole program")]
pub struct Options {
    /// The daemon's admin socket, when it is not where chatd puts it by default
    #[arg(long, value_name = "PATH", global = true, display_order = 100, value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Print what the daemon answered, as JSON
    #[arg(long, global = true, display_order = 100)]
    pub json: bool,
}

/// chatctl's commands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// A request to a daemon.
    #[command(flatten)]
    Ask(Action),
    /// Print the completions of a shell, for packages to install
    #[command(hide = true)]
    Completions {
        /// The shell that reads them
        shell: Shell,
        /// The program whose command line they complete
        #[arg(default_value = "chatctl")]
        program: Program,
    },
}

/// Requests to a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Action {
    /// Show who is here
    List,
    /// Disconnect a user, and tell them and the room why
    Kick {
        /// The user's name
        name: String,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Keep somebody out, and disconnect them if they are here: by name and account, or by address
    Ban {
        /// A name, an address, a network such as 192.0.2.0/24 or 2001:db8::/64, or an ADDRESS of `list`
        #[arg(value_name = "NAME-or-ADDRESS[/BITS]")]
        target: String,
        /// For how long, such as 30min, 2h or 7d; without it, until `unban`
        #[arg(long = "for", value_name = "DURATION", allow_hyphen_values = true)]
        duration: Option<String>,
        /// Why, in a few words; they and the room are told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// With the name of somebody who is here: keep out everybody who comes from their address, too
        #[arg(long)]
        address: bool,
        /// What is given is the name of an account, as client certificates have it
        #[arg(long, conflicts_with = "address")]
        account: bool,
    },
    /// End a ban; that of a name with what was banned by it
    Unban {
        /// What is banned, as `bans` shows it
        #[arg(value_name = "NAME-or-ADDRESS[/BITS]")]
        target: String,
        /// What is given is the name of an account
        #[arg(long)]
        account: bool,
    },
    /// Show who is kept out, the latest first
    Bans,
    /// Say something to everybody in the room, and print how many that is
    Notice {
        /// What to say; quote it
        text: String,
    },
    /// Show the numbers of the moment, the certificate, and limits that were reached
    Status,
    /// Show what happens, as it happens, until interrupted
    Watch,
    /// Show what was said and done: without options, the last 50 entries
    History {
        /// From this time on, in UTC: 14:30, 2026-11-20, "2026-11-20 14:30", or 2h, which is two hours ago
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        since: Option<String>,
        /// Before this time
        #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "follow")]
        until: Option<String>,
        /// Only what this user said and did
        #[arg(long, value_name = "NAME")]
        from: Option<String>,
        /// Only what has all these words, such as: tea cof* "at five"
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// Only the last N entries of these
        #[arg(short = 'n', long, value_name = "N")]
        lines: Option<u32>,
        /// Go on with what is said from then on, until interrupted
        #[arg(short, long)]
        follow: bool,
    },
    /// Write a copy of the history on disk to a new file
    Backup {
        /// The file, which must not exist
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Read configuration and certificates again; nobody is disconnected
    Reload,
    /// Restart the daemon, also after an upgrade; nobody is disconnected
    Restart,
}

impl Action {
    /// The admin call for this action.
    pub fn request(self) -> Request {
        match self {
            Action::List => Request::List {},
            Action::Kick { name, reason } => Request::Kick { name, reason },
            Action::Ban { target, duration, reason, address, account } => {
                Request::Ban(BanQuery { target, account, address, duration, reason })
            }
            Action::Unban { target, account } => Request::Unban { target, account },
            Action::Bans => Request::ListBans {},
            Action::Notice { text } => Request::Notice { text },
            Action::Status => Request::Status {},
            Action::Watch => Request::Watch { resume: false },
            Action::History { since, until, from, search, lines, follow } => {
                let limit = lines.map(u64::from);
                Request::History(HistoryQuery { since, after: None, until, from, search, limit, follow })
            }
            Action::Backup { .. } => Request::Backup {},
            Action::Reload => Request::Reload {},
            Action::Restart => Request::Restart {},
        }
    }
}

/// Shells that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Programs that have completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Program {
    Chatctl,
    Chatd,
}

/// Generates the completions of one program for one shell.
pub fn completions(shell: Shell, program: Program) -> Vec<u8> {
    let (name, mut command) = match program {
        Program::Chatd => ("chatd", DaemonArguments::command()),
        Program::Chatctl => ("chatctl", offered()),
    };
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(Bash, &mut command, name, &mut script),
        Shell::Zsh => generate(Zsh, &mut command, name, &mut script),
        Shell::Fish => generate(Fish, &mut command, name, &mut script),
    }
    script
}

/// The command line without hidden parts, which the completions would otherwise offer.
fn offered() -> clap::Command {
    let chatctl = clap::Command::new("chatctl").version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    Action::augment_subcommands(Options::augment_args(chatctl))
}
