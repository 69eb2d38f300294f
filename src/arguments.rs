//! chatd's command line, and the parsing that chatctl shares.
//!
//! chatctl's arguments are in [`crate::ctl::arguments`].

use std::path::PathBuf;

/// Exit status for an invalid command line (sysexits.h: EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// One chat room as a system service.
///
/// Without --config, /etc/chatd/chatd.toml is read if it exists; otherwise chatd serves this machine alone, with
/// plaintext on 127.0.0.1:6667 and TLS on 127.0.0.1:6697.
#[derive(Debug, Clone, PartialEq, Eq, clap::Parser)]
#[command(name = "chatd", version)]
pub struct DaemonArguments {
    /// Read the configuration from this file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Only report every mistake in the configuration, and exit
    #[arg(long)]
    pub check_config: bool,

    /// Only serve the classic listeners, and show all that their clients send and are sent
    #[arg(long, conflicts_with = "check_config")]
    pub try_classic: bool,
}

/// Parses the command line of this process. Does not return if help or the version is requested (exit 0), or if it is
/// invalid (exit [`EXIT_USAGE`], with the reason on standard error).
pub fn parse<T: clap::Parser>() -> T {
    T::try_parse().unwrap_or_else(|answer| {
        // If this cannot be written, there is nowhere to report it.
        let _ = answer.print();
        std::process::exit(if answer.use_stderr() { EXIT_USAGE.into() } else { 0 })
    })
}
