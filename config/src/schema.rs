//! The JSON Schema of configurations.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::JobSpec;

/// Returns the JSON Schema (draft 2020-12) of configurations: of programs that read [`SchedulerConfig`](crate::SchedulerConfig), and of the command `matins`. With it, an editor completes keys, and
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
            if object.get("default") == Some(&Value::Null) {
                object.remove("default");
            }
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
                    for (key, value) in form {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// A configuration: what a scheduler is made of, and for the command `matins` its jobs, and what is run after certain outcomes.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Configuration {
    #[serde(flatten)]
    scheduler: crate::Keys,
    /// How long a new daemon waits for another process that owns the store: `30s`. The default is 2 seconds.
    wait_for_owner: Option<String>,
    /// The concurrency groups, and how many runs of each may be at once.
    groups: Option<BTreeMap<String, NonZeroU32>>,
    /// Commands that are run after certain outcomes.
    hook: Option<Vec<Hook>>,
    /// Crontabs, whose lines are jobs too.
    crontab: Option<Vec<Crontab>>,
    /// The jobs, each under its id.
    jobs: Option<BTreeMap<String, JobSpec>>,
}

/// A crontab, whose lines are jobs too.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Crontab {
    /// Where it is, from the directory of the configuration.
    file: String,
    /// Whether its lines have a user between the times and the command, as those of `/etc/crontab` and the files in `/etc/cron.d`.
    system: Option<bool>,
    /// The time zone of lines without a `CRON_TZ` above them. The default is that of the configuration.
    timezone: Option<String>,
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

/// How values of types from elsewhere are written.
#[allow(dead_code, reason = "only their schemas are used")]
pub(crate) mod written {
    use std::num::NonZeroU32;

    use schemars::JsonSchema;

    #[derive(JsonSchema)]
    #[schemars(rename = "After")]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum On {
        Succeeded,
        Failed,
        Any,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Coalesce {
        Latest,
        Earliest,
        All,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Overlap {
        Skip,
        QueueOne,
        Allow(NonZeroU32),
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum OnInterrupt {
        Leave,
        RunAgain,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum OnExhausted {
        Remove,
        Keep,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum OnOrphan {
        Wait,
        Kill,
        Ignore,
    }

    #[derive(JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Group {
        Name(String),
        Limited { name: String, limit: NonZeroU32 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_may_be_null() {
        let text = schema().to_string();
        assert!(!text.contains("null"), "{text}");
        assert_eq!(schema()["properties"]["timezone"]["type"], "string");
        assert_eq!(schema()["properties"]["ledger"]["$ref"], "#/$defs/Ledger");
        assert_eq!(schema()["$defs"]["Ledger"]["additionalProperties"], false);
    }

    /// The keys of a schema's table.
    fn keys(table: &Value) -> Vec<&str> {
        table["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// Each key is one that is read: its value may be wrong, as it is here.
    fn assert_known(table: &str, keys: &[&str], beside: &str) {
        for key in keys.iter().filter(|key| !["kind", "url"].contains(key)) {
            let text = format!("{table}{beside}{key} = {{ no = \"value\" }}\n");
            let error = crate::SchedulerConfig::from_toml(&text).unwrap_err().to_string();
            assert!(!error.contains(&format!("unknown field `{key}`")), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_program_reads_is_in_it() {
        let schema = schema();
        let own = ["crontab", "groups", "hook", "jobs", "wait_for_owner"];
        let all: Vec<&str> = keys(&schema).into_iter().filter(|key| !own.contains(key)).collect();
        assert_eq!(all, ["executors", "job_defaults", "ledger", "store", "stores", "timezone"]);
        assert_known("", &all, "");
        assert_known("[job_defaults]\n", &keys(&schema["$defs"]["JobDefaults"]), "");
        assert_known("[ledger]\n", &keys(&schema["$defs"]["Ledger"]), "");
        for kind in schema["$defs"]["Executor"]["oneOf"].as_array().unwrap() {
            let kind_line = format!("kind = {}\n", kind["properties"]["kind"]["const"]);
            let url = if kind_line.contains("nats") { "url = \"nats://a\"\n" } else { "" };
            assert_known("[executors.a]\n", &keys(kind), &format!("{kind_line}{url}"));
        }
    }
}
