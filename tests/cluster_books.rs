//! The books of daemons that share one database: what must hold in its tables, and in the file to which each run has appended its number.
// Each test uses a part of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use matins_conformance::servers::Postgres;

/// What the configuration promises.
#[derive(Default)]
pub(crate) struct Rules {
    /// The jobs with fixed periods: each fire time has exactly one first attempt.
    pub(crate) periods: BTreeMap<&'static str, Duration>,
    /// How many runs of a job may be in progress, where that is not one.
    pub(crate) limits: BTreeMap<&'static str, usize>,
    /// How many runs of a group may be in progress.
    pub(crate) groups: BTreeMap<&'static str, usize>,
    /// Each run of the first that succeeds has exactly one of the second.
    pub(crate) chains: Vec<(&'static str, &'static str)>,
    /// Jobs that count their runs.
    pub(crate) counted: Vec<&'static str>,
}

pub(crate) struct Books {
    schema: String,
    record: PathBuf,
}

/// When a run begins or ends, which of both, and its number.
type Change = (i64, bool, String);

/// Notes each run that begins, in the commit that has it begin. Rows of `live` go when runs end, these stay.
const NOTE_BEGINNINGS: &str = "CREATE TABLE {s}.begun (id bigint, job text, fire timestamptz, attempt int, by_hand boolean, \
    group_name text, node bigint); \
    CREATE FUNCTION {s}.note_beginning() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    INSERT INTO {s}.begun VALUES (NEW.id, NEW.job, NEW.first_fire, NEW.attempt, NEW.by_hand, NEW.group_name, NEW.node); RETURN NEW; END $$; \
    CREATE TRIGGER note_insert AFTER INSERT ON {s}.live FOR EACH ROW WHEN (NEW.started IS NOT NULL) EXECUTE FUNCTION {s}.note_beginning(); \
    CREATE TRIGGER note_start AFTER UPDATE ON {s}.live FOR EACH ROW WHEN (OLD.started IS NULL AND NEW.started IS NOT NULL) \
    EXECUTE FUNCTION {s}.note_beginning()";

/// All rows of the ledger.
const ROWS: &str = "(SELECT id, job, first_fire, last_fire, fires, attempt, by_hand, cause, outcome FROM {s}.runs \
    UNION ALL SELECT id, job, first_fire, last_fire, fires, attempt, by_hand, cause, NULL FROM {s}.live)";

impl Books {
    /// Of a schema, and of a file with lines that begin with the number of a run and its job.
    pub(crate) fn new(schema: &str, record: PathBuf) -> Self {
        Self { schema: schema.to_owned(), record }
    }

    /// Makes the tables, and has the server note which runs begin.
    pub(crate) fn prepare(&self, server: &Postgres) {
        let url = format!("{}?schema={}", server.url("postgres"), self.schema);
        drop(matins::PostgresStore::open(url).expect("the tables are made"));
        self.rows(server, NOTE_BEGINNINGS);
    }

    pub(crate) fn rows(&self, server: &Postgres, sql: &str) -> Vec<Vec<String>> {
        let sql = sql.replace("{rows}", ROWS).replace("{s}", &self.schema);
        server.query(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    pub(crate) fn value(&self, server: &Postgres, sql: &str) -> String {
        self.rows(server, sql).concat().concat()
    }

    /// Returns what is wrong.
    pub(crate) fn audit(&self, server: &Postgres, rules: &Rules) -> Vec<String> {
        let mut faults = Vec::new();
        self.tell_outcomes(server);
        for (job, period) in &rules.periods {
            self.check_fires(server, job, *period, &mut faults);
        }
        let none = [
            (
                "begun twice (job, fire time, attempt)",
                "SELECT job, fire, attempt, array_agg(id), array_agg(node) FROM {s}.begun WHERE NOT by_hand \
                 GROUP BY 1, 2, 3 HAVING count(*) > 1",
            ),
            (
                "begun twice (number)",
                "SELECT id, array_agg(node) FROM {s}.begun GROUP BY 1 HAVING count(*) > 1",
            ),
            (
                "begun, and not in the ledger",
                "SELECT * FROM {s}.begun b WHERE NOT EXISTS (SELECT FROM {rows} r WHERE r.id = b.id)",
            ),
            (
                "ended, and never begun",
                "SELECT r.* FROM {s}.runs r WHERE started IS NOT NULL AND NOT EXISTS (SELECT FROM {s}.begun b WHERE b.id = r.id)",
            ),
            (
                "missed, because a job was removed that is there",
                "SELECT r.id, r.job, r.first_fire, r.fires, r.attempt, r.by_hand, r.cause, r.turn, r.finished, r.message \
                 FROM {s}.runs r JOIN {s}.jobs j ON j.id = r.job WHERE r.outcome = 'missed: job removed'",
            ),
            ("under way, and in the ledger", "SELECT id FROM {s}.runs JOIN {s}.live USING (id)"),
        ];
        for (what, sql) in none {
            faults.extend(self.rows(server, sql).into_iter().map(|row| format!("{what}: {row:?}")));
        }
        for (first, second) in &rules.chains {
            let sql = format!(
                "SELECT r.id, (SELECT count(*) FROM {{rows}} f WHERE f.job = '{second}' AND f.cause = r.id AND f.attempt = 1) AS n \
                 FROM {{s}}.runs r WHERE r.job = '{first}' AND r.outcome = 'succeeded'"
            );
            let wrong = format!("SELECT * FROM ({sql}) x WHERE n <> 1");
            faults.extend(
                self.rows(server, &wrong).into_iter().map(|row| format!("{second} after {first}: {row:?}")),
            );
        }
        for job in &rules.counted {
            let sql = format!(
                "SELECT (body->'counts'->>'runs')::bigint, (SELECT count(*) FROM {{s}}.begun WHERE job = '{job}' AND attempt = 1) \
                 FROM {{s}}.jobs WHERE id = '{job}'"
            );
            let counted = self.rows(server, &sql);
            if counted.iter().any(|row| row[0] != row[1]) || counted.is_empty() {
                faults.push(format!("{job} has counted, and has begun: {counted:?}"));
            }
        }
        self.check_limits(server, rules, &mut faults);
        self.check_record(server, &mut faults);
        faults
    }

    fn tell_outcomes(&self, server: &Postgres) {
        let outcomes = self.rows(server, "SELECT outcome, sum(fires) FROM {s}.runs GROUP BY 1 ORDER BY 1");
        let outcomes: Vec<String> = outcomes.iter().map(|row| row.join(": ")).collect();
        println!("{}", outcomes.join(", "));
    }

    /// Each fire time between the first and the last has exactly one first attempt, or is one of those that were missed.
    fn check_fires(&self, server: &Postgres, job: &str, period: Duration, faults: &mut Vec<String>) {
        let micros = |column: &str| format!("(extract(epoch FROM {column}) * 1000000)::bigint");
        let sql = format!(
            "SELECT {}, {}, fires, id, outcome FROM {{rows}} r WHERE job = '{job}' AND attempt = 1 AND NOT by_hand ORDER BY 1, 2, 4",
            micros("first_fire"),
            micros("last_fire")
        );
        let period = i64::try_from(period.as_micros()).expect("a short period");
        let mut expected = None;
        let rows = self.rows(server, &sql);
        if rows.len() < 5 {
            faults.push(format!("{job} has only {} rows", rows.len()));
        }
        for row in rows {
            let number = |at: usize| row[at].parse::<i64>().expect("a number");
            let (first, last, fires) = (number(0), number(1), number(2));
            match expected.map(|expected| (first - expected) / period) {
                None | Some(0) => {}
                Some(fires) if fires > 0 => {
                    faults.push(format!("{job}: {fires} fire times are missing before {row:?}"));
                }
                Some(_) => faults.push(format!("{job}: a fire time comes again in {row:?}")),
            }
            if last - first != (fires - 1) * period {
                faults.push(format!("{job}: a row does not hold the fire times that it says: {row:?}"));
            }
            expected = Some(last + period);
        }
    }

    /// How many runs were in progress at once, by the order of the commits.
    fn check_limits(&self, server: &Postgres, rules: &Rules, faults: &mut Vec<String>) {
        let at = |row: &str| {
            format!("(extract(epoch FROM pg_xact_commit_timestamp({row}.xmin)) * 1000000)::bigint")
        };
        let sql = format!(
            "SELECT b.id, b.job, coalesce(b.group_name, ''), {}, coalesce({}, 0) FROM {{s}}.begun b LEFT JOIN {{s}}.runs r ON r.id = b.id",
            at("b"),
            at("r")
        );
        // What counts for which limit: the time, whether it begins, the run.
        let mut changes: BTreeMap<(&str, String), Vec<Change>> = BTreeMap::new();
        for row in self.rows(server, &sql) {
            let [id, job, group, begun, ended] = &row[..] else { panic!("five columns: {row:?}") };
            let (begun, ended): (i64, i64) = (begun.parse().expect("a time"), ended.parse().expect("a time"));
            let mut note = |kind, name: &String| {
                let changes = changes.entry((kind, name.clone())).or_default();
                changes.push((begun, true, id.clone()));
                if ended > 0 {
                    changes.push((ended, false, id.clone()));
                }
            };
            note("job", job);
            if !group.is_empty() {
                note("group", group);
            }
        }
        for ((kind, name), mut changes) in changes {
            let limits = if kind == "job" { &rules.limits } else { &rules.groups };
            let limit = limits.get(name.as_str()).copied().unwrap_or(1);
            changes.sort();
            let mut running: BTreeSet<String> = BTreeSet::new();
            for (at, begins, id) in changes {
                if begins {
                    running.insert(id)
                } else {
                    running.remove(&id)
                };
                if running.len() > limit {
                    faults.push(format!("{kind} {name}: {running:?} run at once at {at}, and {limit} may"));
                }
            }
        }
    }

    /// Each run that has succeeded has written its line, none has written two, and none has written that has not begun.
    fn check_record(&self, server: &Postgres, faults: &mut Vec<String>) {
        let record = std::fs::read_to_string(&self.record).unwrap_or_default();
        let begun: BTreeMap<String, String> = self
            .rows(server, "SELECT id, job FROM {s}.begun")
            .into_iter()
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
        let mut written = BTreeSet::new();
        for line in record.lines() {
            let (run, rest) = line.split_once(' ').unwrap_or((line, ""));
            let job = rest.split(' ').next().unwrap_or_default();
            if !written.insert(run) {
                faults.push(format!("the number of a run is written twice: {line}"));
            }
            if begun.get(run).is_none_or(|of| of != job) {
                faults.push(format!("a run that has not begun has written {line}"));
            }
        }
        for row in self.rows(server, "SELECT id, job FROM {s}.runs WHERE outcome = 'succeeded'") {
            if !written.contains(row[0].as_str()) {
                faults.push(format!("a run has succeeded, and has written nothing: {row:?}"));
            }
        }
        println!("{} runs have begun, {} have written their numbers", begun.len(), written.len());
    }
}
