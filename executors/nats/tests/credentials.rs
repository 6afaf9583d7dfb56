//! Credentials files, as `nsc` writes them: a user's token, which its account has signed, and the key that proves who shows it.

mod rig;

use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use matins_conformance::nats::Nats;
use matins_core::{Executor, Outcome, error_chain};
use matins_executor_nats::{NatsExecutor, NatsServer, Worker};
use matins_task_function::TaskRegistry;
use nkeys::KeyPair;
use serde_json::{Value, json};

use rig::{Reports, run};

/// A token of NATS: <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/jwt>.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let encoded = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let body = json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(),
        "name": "test", "nats": claims,
    });
    let signed = format!("{}.{}", encoded(&head), encoded(&body));
    let signature = issuer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

struct Guarded {
    server: Nats,
    account: KeyPair,
}

impl Guarded {
    /// A server that lets in whom the account has signed; `None` where there is no NATS server.
    fn start() -> Option<Self> {
        let (operator, account, system) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        let of_operator = token(&operator, &operator, &json!({"type": "operator", "version": 2}));
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let of_account =
            token(&operator, &account, &json!({"type": "account", "version": 2, "limits": limits}));
        let of_system = token(
            &operator,
            &system,
            &json!({"type": "account", "version": 2, "limits": {
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            }}),
        );
        let (of_us, of_server) = (account.public_key(), system.public_key());
        let server = Nats::start(&format!(
            "operator: \"{of_operator}\"\nsystem_account: {of_server}\nresolver: MEMORY\n\
             resolver_preload: {{\n{of_us}: \"{of_account}\"\n{of_server}: \"{of_system}\"\n}}"
        ))?;
        Some(Self { server, account })
    }

    /// The file of a new user, whom `signer` has signed, with the key `key` or the user's own.
    fn file(&self, name: &str, signer: &KeyPair, key: Option<&KeyPair>) -> PathBuf {
        let user = KeyPair::new_user();
        let limits = json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
        let (token, seed) = (token(signer, &user, &limits), key.unwrap_or(&user).seed().expect("a seed"));
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        let file = self.server.directory().join(name);
        fs::write(&file, text).expect("written");
        file
    }

    fn with(&self, file: PathBuf) -> NatsServer {
        NatsServer::new(self.server.url()).credentials(file)
    }
}

#[test]
fn a_credentials_file_lets_in_and_no_other_does() {
    let Some(guarded) = Guarded::start() else { return };
    let of_scheduler = guarded.with(guarded.file("scheduler.creds", &guarded.account, None));
    let executor = NatsExecutor::builder(of_scheduler).keep_runs(false).build();
    let (mut executor, reports) = (executor.expect("an executor"), Reports::new());
    let of_worker = guarded.with(guarded.file("worker.creds", &guarded.account, None));
    let tasks = TaskRegistry::default();
    tasks.register("double", |n: u32| n * 2).expect("a name");
    let _worker = Worker::builder(of_worker).start(tasks).expect("a worker");
    let request = run(1, "double", json!(21));
    let done = reports.completion(request.run);
    executor.submit(request, done).expect("there is room");
    let report = reports.next();
    assert_eq!((report.outcome, report.result), (Outcome::Succeeded, Some(json!(42))));

    let other_account = KeyPair::new_account();
    let other_key = KeyPair::new_user();
    for file in [
        guarded.file("other-account.creds", &other_account, None),
        guarded.file("other-key.creds", &guarded.account, Some(&other_key)),
    ] {
        let error = NatsExecutor::builder(guarded.with(file.clone())).build().unwrap_err();
        let text = error_chain(&error);
        assert!(text.contains("127.0.0.1") && text.contains("authorization"), "{text}");
        let seed = other_key.seed().expect("a seed");
        assert!(!text.contains(&seed) && !format!("{error:?}").contains(&seed), "{text}");
    }
    let bare = NatsServer::new(guarded.server.url());
    assert!(error_chain(&NatsExecutor::builder(bare).build().unwrap_err()).contains("authorization"));

    fs::write(guarded.server.directory().join("empty.creds"), "nothing\n").expect("written");
    let empty = guarded.server.directory().join("empty.creds");
    let text = error_chain(&NatsExecutor::builder(guarded.with(empty)).build().unwrap_err());
    assert!(text.contains("empty.creds"), "{text}");
}
