//! The JSON Schema of the configuration that the command `matins` reads.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::JobSpec;

/// Returns the JSON Schema (draft 2020-12) of the configuration that `matins run FILE` reads. With it, an editor completes keys, and
/// shows what each of them means.
///
/// ```
/// let schema = matins_config::schema();
/// assert_eq!(schema["properties"]["jobs"]["additionalProperties"]["$ref"], "#/$defs/JobSpec");
/// assert!(schema["$defs"]["JobSpec"]["properties"]["cron"]["description"].is_string());
/// ```
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = json!(generator.into_root_schema_for::<Configuration>());
    without_null(&mut schema);
    schema
}

/// Removes `null` from what values may be. TOML has none: a key is there, or it is not.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [name] = &types[..] {
                    let name = name.clone();
                    object.insert("type".to_owned(), name);
                }
            }
            if let Some(Value::Array(forms)) = object.get_mut("anyOf") {
                forms.retain(|form| form["type"] != "null");
                if let [Value::Object(form)] = &forms[..] {
                    let form = form.clone();
                    object.remove("anyOf");
                    object.extend(form);
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// A configuration of the command `matins`: its jobs, where they are kept, and what is run after certain outcomes.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Configuration {
    /// Where jobs and runs are kept: `sqlite:PATH`, `file:DIRECTORY`, `memory:` or `postgres://USER@HOST/DATABASE`. The option
    /// `--store` comes first. The default is `matins.db` in the working directory.
    store: Option<String>,
    /// How long a new daemon waits for another process that owns the store: `30s`. The default is 2 seconds.
    wait_for_owner: Option<String>,
    /// The time zone of all jobs that name none: `Europe/Berlin`. The default is the zone of the machine.
    timezone: Option<String>,
    /// How much of the ledger is kept.
    ledger: Option<Ledger>,
    /// What runs the commands, each under its name. Jobs that name none run on `default`.
    executors: Option<BTreeMap<String, Executor>>,
    /// Commands that are run after certain outcomes.
    hook: Option<Vec<Hook>>,
    /// The jobs, each under its id.
    jobs: Option<BTreeMap<String, JobSpec>>,
}

/// How much of the ledger is kept.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Ledger {
    /// How many of the newest runs of each job are kept: a number, or `all`. The default is 100.
    runs_per_job: Option<Keep>,
    /// For how many days finished runs are kept: a number, or `all`. The default is 30.
    days: Option<Keep>,
    /// Of how many jobs that are gone a store in memory keeps the runs: a number, or `all`. The default is 1000.
    ended_jobs: Option<Keep>,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum Keep {
    Number(u32),
    Everything(All),
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum All {
    All,
}

/// What runs commands.
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[allow(dead_code, clippy::large_enum_variant, reason = "only its schema is used")]
enum Executor {
    /// Threads of this daemon, each of which runs one command.
    Thread {
        /// Commands at once.
        workers: Option<u32>,
        /// Runs that may wait for a thread.
        queue: Option<u32>,
        /// How long a thread stays that has nothing to do: `10s`.
        idle_timeout: Option<String>,
        /// How long cancelled runs have to end: `5s`.
        cancel_grace: Option<String>,
    },
    /// Workers elsewhere, started with `matins worker`, which take their runs from a NATS server.
    Nats {
        /// The server: `nats://HOST`, or several of one cluster, separated by commas.
        url: String,
        /// The file with the daemon's credentials.
        credentials: Option<String>,
        /// The file with the certificates that the server's own is checked against.
        certificates: Option<String>,
        /// The daemon's certificate, and its key: two files.
        identity: Option<[String; 2]>,
        /// The beginning of the subjects on which the daemon hears answers.
        inbox: Option<String>,
        /// The namespace within the server. The default is `matins`.
        namespace: Option<String>,
        /// The pool of workers within the namespace. The default is `default`.
        pool: Option<String>,
        /// After how long without a sign of life a worker counts as lost: `30s`.
        ack_wait: Option<String>,
        /// Runs handed to the server at once.
        at_once: Option<u32>,
        /// Runs that may wait for that.
        queue: Option<u32>,
        /// How long cancelled runs have to end: `5s`.
        cancel_grace: Option<String>,
        /// Whether runs continue when the daemon ends, which takes them up when it is back. Jobs in memory cannot be taken up.
        keep_runs: Option<bool>,
        /// Runs that the server may hold.
        max_stored_runs: Option<u32>,
        /// Servers of a cluster that hold each run.
        replicas: Option<u8>,
    },
}

/// A command that is run after certain outcomes.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Hook {
    /// The outcomes: `succeeded`, `failed`, `timed out`, `cancelled`, `interrupted`, `missed`, or a kind of missed such as
    /// `missed: overlap`.
    on: Vec<String>,
    /// The jobs that it is for. The default is all of them.
    jobs: Option<Vec<String>>,
    /// The program and its arguments; no shell reads them.
    command: Option<Vec<String>>,
    /// A line for `/bin/sh`, in place of `command`.
    shell: Option<String>,
    /// How long it may take: `10s`. The default is one minute.
    time_limit: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_may_be_null() {
        let text = schema().to_string();
        assert!(!text.contains("null"), "{text}");
        assert_eq!(schema()["properties"]["store"]["type"], "string");
        assert_eq!(schema()["properties"]["ledger"]["$ref"], "#/$defs/Ledger");
        assert_eq!(schema()["$defs"]["Ledger"]["additionalProperties"], false);
    }
}
