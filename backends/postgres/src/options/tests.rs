//! What URLs say, and what is not shown of them.

use super::*;

fn options(text: &str) -> PostgresOptions {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_url_says_where_the_database_is_and_is_shown_without_its_password() {
    let all = options(
        "postgresql://ada:s%3Acret@db:5433/jobs?schema=nightly&lease=2s&label=rack%203&connect_timeout=3&sslmode=disable",
    );
    assert_eq!(all.to_string(), "postgres://ada@db:5433/jobs, schema nightly");
    assert_eq!((all.label.as_deref(), all.lease), (Some("rack 3"), Some(Duration::from_secs(2))));
    let config = all.config().unwrap();
    assert_eq!(config.get_password(), Some(&b"s:cret"[..]));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    for shown in [all.to_string(), format!("{all:?}")] {
        assert!(!shown.contains("cret"), "{shown}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, said) in [
        ("mysql://db/jobs", "does not begin with postgres://"),
        ("postgres://db/jobs?schema=a;b", "the parameter schema is \"a;b\""),
        ("postgres://db/jobs?schema=Nightly", "lowercase letters"),
        ("postgres://db/jobs?schema=1st", "does not begin with a digit"),
        ("postgres://db/jobs?lease=soon", "the parameter lease is \"soon\""),
        ("postgres://db/jobs?lease=2h", "from 1s to 1h"),
        ("postgres://db/jobs?sslmode=maybe", "it may be disable, or verify-full"),
        ("postgres://db/jobs?colour=red", "this is not a URL of PostgreSQL"),
    ] {
        let error = text.parse::<PostgresOptions>().unwrap_err();
        let shown = matins_core::error_chain(&error);
        assert!(shown.contains(said), "{text}: {shown}");
    }
}

#[test]
fn what_leaves_the_machine_is_encrypted() {
    for (text, encrypts) in [
        ("postgres://db.example.org/jobs", true),
        ("postgres://localhost/jobs", false),
        ("postgres://127.0.0.1,10.0.0.7/jobs", true),
        ("postgres://%2Fvar%2Frun/jobs", false),
        ("postgres://db/jobs?sslmode=disable", false),
        ("postgres://localhost/jobs?sslmode=require", true),
        ("postgres://db/jobs?sslmode=prefer", true),
    ] {
        assert_eq!(options(text).encrypts(), encrypts, "{text}");
    }
}

#[test]
fn the_password_may_be_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    std::fs::write(&path, "secret\n").unwrap();
    let named = options(&format!("postgres://ada@db/jobs?password_file={}", path.display()));
    assert_eq!(named.config().unwrap().get_password(), Some(&b"secret"[..]));
    let lost = options("postgres://ada@db/jobs?password_file=/no/such/file");
    assert!(lost.config().unwrap_err().to_string().contains("/no/such/file"));
}
