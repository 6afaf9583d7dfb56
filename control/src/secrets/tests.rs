//! The rule for secrets, by tables and by properties.

use std::borrow::Cow;

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::*;

#[test]
fn secrets_are_known_by_their_names() {
    for name in [
        "DB_PASSWORD",
        "GITHUB_TOKEN",
        "API_KEY",
        "apiKey",
        "client-secret",
        "AWS_SECRET_ACCESS_KEY",
        "MYSQL_PWD",
        "PGPASSWORD",
        "PGPASS",
        "DB_PASS",
        "dbPass",
        "DATABASE_URL",
        "BEARER",
        "SSHKEY",
        "SENTRY_DSN",
        "RESTIC_PASSWORD",
        "--pass",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in [
        "PATH",
        "KEYBOARD",
        "MONKEY",
        "HOME",
        "AUTHOR",
        "program",
        "PWD",
        "OLDPWD",
        "COMPASS",
        "PASSENGER_APP_ENV",
        "",
        "--",
        "directory",
        "private",
    ] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn the_book_lists_the_rule() {
    let page = include_str!("../../../book/src/how-to/safety.md").to_lowercase();
    let lists = [&names::PARTS[..], &names::WORDS, &names::ENDS, &names::PLAIN, &text::HEADERS];
    for word in lists.concat() {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
    for (programs, options, _) in programs::OPTIONS {
        for word in programs.iter().chain(options) {
            assert!(page.contains(&format!("`{}`", word.replace('*', "...").to_lowercase())), "{word}");
        }
    }
}

#[test]
fn values_are_hidden_by_the_names_and_options_before_them() {
    let mut value = json!({
        "program": "/usr/bin/curl",
        "arguments": ["-u", "ada:x y", "--token=a b", "--password", "pass word", "--verbose", "DB_PASS=a b", "https://u:p@h/x"],
        "environment": {"MYSQL_PWD": "my secret", "PATH": "/bin", "EMPTY_TOKEN": ""},
        "command": ["mysql", "-phunter2", "-p", "-h", "db"],
        "shell": {"program": "/bin/sh", "arguments": ["-c", "PGPASSWORD='a b' psql --password x"]},
        "count": 3,
    });
    hide(&mut value);
    let expected = json!({
        "program": "/usr/bin/curl",
        "arguments": ["-u", HIDDEN, "--token=(hidden)", "--password", HIDDEN, "--verbose", "DB_PASS=(hidden)", "https://(hidden)@h/x"],
        "environment": {"MYSQL_PWD": HIDDEN, "PATH": "/bin", "EMPTY_TOKEN": ""},
        "command": ["mysql", "-p(hidden)", "-p", "-h", "db"],
        "shell": {"program": "/bin/sh", "arguments": ["-c", "PGPASSWORD=(hidden) psql --password (hidden)"]},
        "count": 3,
    });
    assert_eq!(value, expected);
}

#[test]
fn secrets_within_a_text_are_hidden() {
    for (text, expected) in [
        ("PGPASSWORD=hunter2 psql -h db", "PGPASSWORD=(hidden) psql -h db"),
        ("PGPASS='a b' psql", "PGPASS=(hidden) psql"),
        (r"DB_PASS=a\ b c", "DB_PASS=(hidden) c"),
        (r#"-e "DB_PASS=a b" c"#, r#"-e "DB_PASS=(hidden)" c"#),
        ("it's TOKEN=don't x", "it's TOKEN=(hidden) x"),
        ("password = x", "password = (hidden)"),
        ("x --password s3 -v", "x --password (hidden) -v"),
        ("x --password=s3 -v", "x --password=(hidden) -v"),
        (r#"["x", "--password", "s 3", "-v"]"#, r#"["x", "--password", "(hidden)", "-v"]"#),
        (r#"["x","--token","s3"]"#, r#"["x","--token","(hidden)"]"#),
        ("x --token --verbose", "x --token --verbose"),
        ("curl -s -u ada:x https://h", "curl -s -u (hidden) https://h"),
        ("a | mysqldump -px db", "a | mysqldump -p(hidden) db"),
        ("mkdir -p a; ssh -p 22 h", "mkdir -p a; ssh -p 22 h"),
        ("sshpass -p x ssh h", "sshpass -p (hidden) ssh h"),
        (r#"{"password": "a \" b", "user": "c"}"#, r#"{"password": "(hidden)", "user": "c"}"#),
        (r#""{\"api_key\":\"a b\",\"c\":1}""#, r#""{\"api_key\":\"(hidden)\",\"c\":1}""#),
        (r#"{"pwd":123,"x":1}"#, r#"{"pwd":(hidden),"x":1}"#),
        ("-H 'Authorization: Bearer abc def' x", "-H 'Authorization: (hidden)' x"),
        ("< Cookie: a=b; c=d\nHost: h", "< Cookie: (hidden)\nHost: h"),
        ("got Bearer abcdefgh.ijk, bearer of news", "got Bearer (hidden) bearer of news"),
        ("from postgres://ada:pw@db/x to b", "from postgres://(hidden)@db/x to b"),
        ("https://tok@h, redis://:p@h:1", "https://(hidden)@h, redis://(hidden)@h:1"),
        ("amqp://u:p/w@h/x", "amqp://(hidden)@h/x"),
        ("https://h:8080/ada https://h/@ada x@y", "https://h:8080/ada https://h/@ada x@y"),
        ("http://[::1]:80/@a", "http://[::1]:80/@a"),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
            "a\n-----BEGIN RSA PRIVATE KEY-----(hidden)-----END RSA PRIVATE KEY-----\nb",
        ),
        ("0 9 * * MON-FRI, hour=9 day_of_week=mon-fri", "0 9 * * MON-FRI, hour=9 day_of_week=mon-fri"),
        ("rotate-key: every 5 minutes", "rotate-key: every 5 minutes"),
        ("[ $TOKEN == x ] && KEYBOARD=us", "[ $TOKEN == x ] && KEYBOARD=us"),
        ("PWD=/srv", "PWD=/srv"),
    ] {
        assert_eq!(hide_in_text(text), expected, "{text}");
        assert_eq!(hide_in_text(expected), expected, "hidden twice");
    }
    for text in [
        "a://",
        "https://",
        "--token",
        "--token ",
        "token=",
        "\"token\":",
        "Authorization:",
        "Bearer ",
        "-----BEGIN ",
        "curl -u",
    ] {
        assert_eq!(hide_in_text(text), text);
    }
    assert!(matches!(hide_in_text("a = b, c: d"), Cow::Borrowed(_)));
}

/// A job's output, of which the ledger keeps 8 KiB, is up to its command, and many runs are listed at once.
#[test]
fn no_text_takes_long() {
    for part in [
        "a://",
        "a://:",
        "-p ",
        "curl -u ",
        "a -a",
        "token='",
        "\\\"token\\\":\\\"",
        "'authorization:",
        "-----BEGIN ",
    ] {
        let text = part.repeat(8 * 1024 / part.len());
        // Of the processor's time: others may want it too.
        let begun = clock_gettime(ClockId::ThreadCPUTime).tv_sec;
        let _ = hide_in_text(&text);
        assert!(clock_gettime(ClockId::ThreadCPUTime).tv_sec - begun < 10, "{part}");
    }
}

/// A value that a person may use as a secret, and that is nowhere else in the texts below.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!$%+*,.:;/?_é-]{0,6}S3CR3T[A-Za-z0-9!$%+*,.:;/?_é-]{0,6}"
        .prop_filter("it is an option", |text| !text.starts_with('-'))
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "MYSQL_PWD",
        "PGPASSWORD",
        "PGPASS",
        "DB_PASS",
        "DATABASE_URL",
        "BEARER",
        "SSHKEY",
        "api-key",
    ])
}

proptest! {
    #![proptest_config(matins_conformance::proof::config(500))]

    #[test]
    fn a_secret_is_in_no_text_that_is_shown(secret in secret(), name in name(), before in "[ -~]{0,12}", after in "[ -~é\n]{0,12}") {
        let spoken: Vec<String> = vec![
            format!("{name}={secret} {after}"),
            format!("x --{name} {secret} {after}"),
            format!("x --{name}={secret} {after}"),
            format!("{{\"{name}\": \"{secret}\"}} {after}"),
            format!("curl -u a:{secret} {after}"),
            format!("-H 'Authorization: Basic {secret}' {after}"),
            format!("https://ada:{secret}@example.org/{after}"),
        ];
        for text in spoken {
            let text = format!("{before}\n{text}");
            let shown = hide_in_text(&text);
            prop_assert!(!shown.contains("S3CR3T"), "{shown}");
            prop_assert_eq!(&hide_in_text(&shown), &shown);
        }
    }

    #[test]
    fn a_secret_with_anything_in_it_is_in_no_value_that_is_shown(secret in "\\PC{0,8}S3CR3T(?s:.){0,8}", name in name()) {
        prop_assume!(!secret.starts_with("--"));
        let flag = format!("--{name}");
        let mut value = json!({
            "environment": {name: secret},
            "arguments": ["x", flag, secret, format!("{name}={secret}"), format!("{flag}={secret}")],
            "deep": [{"a": {name: secret}}],
        });
        hide(&mut value);
        prop_assert!(!value.to_string().contains("S3CR3T"), "{value}");
    }

    #[test]
    fn any_text_can_be_hidden_in(text in "(?s:.){0,60}", marks in "[-=:\"'@/\\\\ a-ebr\n]{0,60}") {
        let _ = hide_in_text(&text);
        let both = format!("{marks}{text}{marks}");
        let once = hide_in_text(&both).into_owned();
        let mut value = Value::from(once);
        hide(&mut value);
    }
}
