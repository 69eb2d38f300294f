//! Optional programs and Python libraries. If one is missing, the test says how to install it and returns; in CI it
//! fails, so that nothing is skipped there.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Finds a program on the path; `package` is the Debian package that contains it.
pub fn tool(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
    found.or_else(|| missing(&format!("{name} is missing: apt-get install {package}")))
}

/// The Python interpreter of a virtual environment with the packages of `tests/<name>/requirements.txt`.
pub fn python(name: &str) -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = environment.join("bin/python");
    if python.is_file() {
        return Some(python);
    }
    let environment = environment.display();
    missing(&format!(
        "a Python environment is missing: python3.11 -m venv {environment} && {environment}/bin/pip install \
         -r tests/{name}/requirements.txt"
    ))
}

fn missing(sentence: &str) -> Option<PathBuf> {
    assert!(std::env::var_os("CI").is_none(), "{sentence}");
    say_skipped(sentence);
    None
}

/// Reports what cannot be tested on this machine, and why. For what a supported system may lack entirely; everything
/// else is a [`tool`].
pub fn say_skipped(sentence: &str) {
    // eprintln! is captured by the test harness if the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {sentence}");
}
