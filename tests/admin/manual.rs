//! chatctl(8) matches the program.

use chatd::admin::varlink::MAXIMUM_CALL;
use chatd::ctl::arguments::Arguments;
use chatd::ctl::failure::{EXIT_NO_DAEMON, EXIT_NOT_PERMITTED, EXIT_OUTPUT, EXIT_REFUSED};
use clap::CommandFactory;

const MANUAL: &str = include_str!("../../man/chatctl.8");
const DESCRIPTION: &str = include_str!("../../src/admin/org.chatd.Admin.varlink");

#[test]
fn every_command_and_option_is_in_the_manual() {
    let program = Arguments::command();
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        assert!(MANUAL.contains(&format!("\n.Cm {name}\n")), "{name} in the synopsis");
        assert!(MANUAL.lines().any(|line| line.starts_with(&format!(".It Cm {name}"))), "{name} under COMMANDS");
    }
    let all = program.get_subcommands().flat_map(clap::Command::get_arguments).chain(program.get_arguments());
    for option in all.filter_map(clap::Arg::get_long).filter(|option| *option != "help" && *option != "version") {
        assert!(MANUAL.contains(&format!("Fl -{option}")), "--{option}");
    }
}

#[test]
fn every_method_error_and_number_is_in_the_manual() {
    for line in DESCRIPTION.lines() {
        let name = |keyword: &str| line.strip_prefix(keyword)?.split(['(', ' ']).next();
        if let Some(method) = name("method ") {
            assert!(MANUAL.contains(&format!("\n.It Li {method}(")), "{method}");
        }
        if let Some(error) = name("error ") {
            assert!(MANUAL.contains(&format!("\n.It Li org.chatd.Admin.{error}(")), "{error}");
        }
    }
    assert!(MANUAL.contains(&format!("\n{MAXIMUM_CALL} bytes")));
    for status in [0, EXIT_REFUSED, chatd::arguments::EXIT_USAGE, EXIT_NO_DAEMON, EXIT_OUTPUT, EXIT_NOT_PERMITTED] {
        assert!(MANUAL.contains(&format!("\n.It {status}\n")), "{status}");
    }
}
