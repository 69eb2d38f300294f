//! Whatever is in chatd.toml: a configuration, or mistakes with places in it.
#![no_main]

use chatd::config::file;
use chatd::directories::Directories;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let nowhere = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
    if let Err(mistakes) = file::parse(text, &nowhere) {
        assert!(!mistakes.is_empty());
        let lines = text.split('\n').count();
        assert!(mistakes.iter().all(|mistake| (1..=lines).contains(&mistake.line) && mistake.column > 0));
    }
});
