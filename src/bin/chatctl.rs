//! The administrator's command; all of it is in the library.

fn main() -> std::process::ExitCode {
    chatd::ctl::main()
}
