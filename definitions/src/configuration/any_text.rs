//! No text makes reading it panic, as a configuration or as a crontab, and each fault is told at a place that the text has.

use matins_triggers::Zone;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::Configuration;
use crate::crontab;
use crate::diagnostic::Diagnostic;

const TEXTS: &[&str] = &[
    include_str!("../../../examples/matins.toml"),
    include_str!("../../../examples/timeline.toml"),
    r#"
    timezone = "Europe/Berlin"
    store = "sqlite:a"
    [ledger]
    days = 3
    [[hook]]
    on = ["failed"]
    shell = "x"
    [jobs.a]
    every = "5s"
    command = ["x"]
    umask = "077"
    nice = 3
    jitter = "3s"
    overlap = { allow = 2 }
    retry = { times = 3, first = "1s", longest = "1h" }
    environment = { A = "b" }
    tags = ["a"]
    [jobs.b]
    at = 2026-01-01T00:00:00
    shell = "x"
    "#,
    r#"{
    "store": "sqlite:a", "stores": {"scratch": {"url": "memory:"}}, "groups": {"database": 2},
    "job_defaults": {"retry": {"times": 3, "wait": "5s"}, "overlap": {"allow": 2}, "priority": -1},
    "hook": [{"on": ["failed"], "shell": "x"}], "crontab": [{"file": "/etc/crontab", "system": true}],
    "jobs": {"a\u0062": {"cron": "*/5 * * * *", "command": ["x", "y"], "group": "database", "nice": null}}
    }"#,
    "CRON_TZ=Europe/Berlin\nPATH=/bin\n*/5 9-17 * * MON-FRI echo a%b\n@reboot echo\n30 2 L * * x\n",
];

/// What may make a difference.
const WORDS: &[&str] = &[
    "",
    "\"",
    "'''",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    "\r",
    "\0",
    "#",
    ".",
    ",",
    "%",
    "-1",
    "1e9",
    "inf",
    "true",
    "60",
    "L",
    "W",
    "0x7fffffffffffffff",
    "99999999999999999999",
    "9999years",
    "10000years",
    "2026-02-30",
    "0000-01-01",
    "9999-12-31T23:59:59",
    "every",
    "cron",
    "at",
    "in",
    "jobs",
    "* * * * *",
    "@yearly",
    "CRON_TZ=",
    "\u{e9}",
    "\u{feff}",
];

/// One of the texts, in which a few places have been written over.
fn any_text() -> impl Strategy<Value = String> {
    let change = (any::<Index>(), 0..12_usize, select(WORDS));
    (select(TEXTS), prop::collection::vec(change, 0..5)).prop_map(|(text, changes)| {
        changes.into_iter().fold(text.to_owned(), |text, (place, length, word)| {
            let chars: Vec<char> = text.chars().collect();
            let from = place.index(chars.len() + 1);
            let until = (from + length).min(chars.len());
            chars[..from].iter().copied().chain(word.chars()).chain(chars[until..].iter().copied()).collect()
        })
    })
}

fn are_in(faults: &[Diagnostic], text: &str) -> bool {
    let width = |fault: &Diagnostic| text.split('\n').nth(fault.line - 1).map(|line| line.chars().count());
    !faults.is_empty()
        && faults.iter().all(|fault| width(fault).is_some_and(|width| fault.column <= width + 1))
}

proptest! {
    #![proptest_config(matins_conformance::proof::config(500))]

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in any_text()) {
        for read in [Configuration::parse, Configuration::parse_json] {
            if let Err(faults) = read(&text, Zone::utc()) {
                prop_assert!(are_in(&faults, &text), "{faults:#?}");
            }
        }
        if let Err(faults) = crontab::parse(text.as_bytes(), &crontab::Options::new(Zone::utc(), crontab::Form::User)) {
            prop_assert!(are_in(&faults, &text), "{faults:#?}");
        }
    }
}
