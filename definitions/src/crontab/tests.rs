//! What a crontab means, and which job of the store each of its lines is.

use super::*;
use crate::definition::When;

fn options(form: Form) -> Options {
    Options { zone: Zone::utc(), form, machine: "a machine".to_owned() }
}

fn crontab(text: impl AsRef<[u8]>) -> Crontab {
    parse(text.as_ref(), &options(Form::User)).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn read(text: impl AsRef<[u8]>) -> Vec<Definition> {
    let mut jobs = crontab(text).jobs;
    assign_ids(&mut jobs, &[], |_| false);
    jobs
}

fn faults(text: &str) -> Vec<(usize, usize)> {
    let faults = parse(text.as_bytes(), &options(Form::User)).unwrap_err();
    faults.iter().map(|fault| (fault.line, fault.column)).collect()
}

fn message(text: &str) -> String {
    parse(text.as_bytes(), &options(Form::User)).unwrap_err()[0].message.clone()
}

fn notes(text: &str) -> Vec<(usize, NoteKind)> {
    crontab(text).notes.iter().map(|note| (note.line, note.kind)).collect()
}

fn ids(jobs: &[Definition]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

/// The ids of the second crontab where the first one is in the store.
fn ids_after(first: &str, second: &str) -> Vec<String> {
    let stored: Vec<(String, matins_core::Value)> =
        read(first).iter().map(|job| (job.id.clone(), job.fingerprint())).collect();
    let existing: Vec<Existing<'_>> =
        stored.iter().map(|(id, definition)| Existing { id, keys: Keys::of(id, definition) }).collect();
    let mut jobs = crontab(second).jobs;
    assign_ids(&mut jobs, &existing, |id| existing.iter().any(|job| job.id == id));
    jobs.into_iter().map(|job| job.id).collect()
}

#[test]
fn comments_blank_lines_and_environment_are_read() {
    let jobs = read(
        "# m h dom mon dow command\n\n  \t\nMAILTO=\"ops@example.org\"\nSHELL = /bin/bash\n\
         CRON_TZ=Europe/Berlin\nEMPTY=\nQUOTED = ' a b '\nFOO.BAR=x\n*/5 * * * * echo hello\n",
    );
    let [job] = &jobs[..] else { panic!("one job: {jobs:?}") };
    assert_eq!(job.id, "echo");
    assert_eq!(job.command.program, "/bin/bash");
    assert_eq!(job.command.arguments, ["-c", "echo hello"]);
    assert_eq!(job.command.environment["QUOTED"], " a b ");
    assert_eq!(job.command.environment["EMPTY"], "");
    assert_eq!(job.command.environment["FOO.BAR"], "x");
    assert_eq!(job.mail, Some(Mail { to: "ops@example.org".to_owned(), from: None }));
    assert!(matches!(&job.when, When::Cron(trigger) if trigger.zone().name() == "Europe/Berlin"));
}

#[test]
fn environment_holds_for_the_lines_below() {
    let jobs = read("A=1\n@daily one\nA=2\n@daily two\n");
    assert_eq!(jobs[0].command.environment["A"], "1");
    assert_eq!(jobs[1].command.environment["A"], "2");
}

/// salt#31891.
#[test]
fn an_empty_cron_tz_goes_back_to_the_machines_zone() {
    let jobs = read("CRON_TZ=Europe/Berlin\n@daily one\nCRON_TZ=\"\"\n@daily two\n");
    let zones: Vec<&str> = jobs
        .iter()
        .map(|job| match &job.when {
            When::Cron(trigger) => trigger.zone().name(),
            _ => "",
        })
        .collect();
    assert_eq!(zones, ["Europe/Berlin", "UTC"]);
}

#[test]
fn the_user_comes_from_passwd_and_cannot_be_set_by_the_file() {
    let jobs = read("LOGNAME=mallory\nUSER=mallory\n@daily one\n");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let environment = &jobs[0].command.environment;
    assert_eq!((&environment["LOGNAME"], &environment["USER"]), (&user.name, &user.name));
    assert_eq!(environment["HOME"], user.dir.to_str().unwrap());
    assert_eq!(environment["SHELL"], "/bin/sh");
    assert_eq!(jobs[0].command.directory.as_deref(), Some(user.dir.as_path()));
    let warnings = [(1, NoteKind::Warning), (2, NoteKind::Warning)];
    assert_eq!(notes("LOGNAME=mallory\nUSER=mallory\n@daily one\n"), warnings);
}

#[test]
fn nicknames_and_reboot_are_read() {
    let jobs = read("@reboot /opt/start\n@Hourly\t/opt/tick --all\n@annually A=b /opt/party\n");
    assert!(matches!(jobs[0].when, When::Start));
    assert!(matches!(&jobs[1].when, When::Cron(trigger) if trigger.expression().to_string() == "0 * * * *"));
    assert_eq!(ids(&jobs), ["start", "tick", "party"]);
}

#[test]
fn jobs_of_the_same_program_are_numbered_without_clashing() {
    assert_eq!(ids(&read("@daily /a/run x\n@daily /b/run y\n")), ["run", "run-2"]);
    let jobs = read("@daily /opt/sync-2 a\n@daily /opt/sync b\n@daily /opt/sync c\n");
    assert_eq!(ids(&jobs), ["sync-2", "sync", "sync-3"]);
}

/// systemd-cron#178, systemd-cron#164.
#[test]
fn a_line_stays_the_same_job_wherever_it_moves() {
    let first = "@daily /a/run x\n@daily /b/run y\n0 9 * * * /c/run z\n";
    assert_eq!(ids_after(first, first), ["run", "run-2", "run-3"]);
    let moved = "0 9 * * * /c/run z\n@hourly /new/run\n@daily /a/run x\n@daily /b/run y\n";
    assert_eq!(ids_after(first, moved), ["run-3", "run-4", "run", "run-2"]);
    assert_eq!(ids_after(first, "0 9 * * * /c/run z\n"), ["run-3"], "removed above");
    let environment = "PATH=/opt\nMAILTO=root\n@daily /b/run y\n@daily /a/run x\n";
    assert_eq!(ids_after(first, environment), ["run-2", "run"], "another environment");
    let times = "@hourly /b/run y\n@daily /a/run x\n0 9 * * * /c/run z\n";
    assert_eq!(ids_after(first, times), ["run-2", "run", "run-3"], "other times");
    let command = "0 9 * * * /c/run z --all\n@daily /b/run y\n@daily /a/run x\n";
    assert_eq!(ids_after(first, command), ["run-3", "run-2", "run"], "another argument");
    let other_program = "@daily /b/run y\n@daily /a/run x\n0 9 * * * /c/walk z\n";
    assert_eq!(ids_after(first, other_program), ["run-2", "run", "walk"], "another program is another job");
}

#[test]
fn equal_lines_are_matched_in_their_order() {
    let three = "@daily tick\n@daily tick\n@daily tick\n";
    assert_eq!(ids_after(three, three), ["tick", "tick-2", "tick-3"]);
    assert_eq!(ids_after(three, "@daily tick\n@daily tick\n"), ["tick", "tick-2"]);
    assert_eq!(ids_after("A=1\n@daily tick\nA=2\n@daily tick\n", "A=2\n@daily tick\n"), ["tick-2"]);
}

#[test]
fn an_id_that_was_removed_is_not_given_to_another_line_at_once() {
    assert_eq!(ids_after("@daily /a/run x\n", "@hourly /b/run y\n"), ["run-2"]);
}

#[test]
fn every_fault_is_told_with_line_and_column() {
    assert_eq!(
        faults(
            "* * * * * fine\n  61 * * * * x\n* * * * MOM x\n* * * *\n@fortnightly x\n* * * * *\nCRON_TZ=Mars\n"
        ),
        [(2, 3), (3, 9), (4, 8), (5, 1), (6, 10), (7, 9)]
    );
    assert_eq!(faults("nonsense here\n"), [(1, 14)]);
    assert_eq!(faults("@daily a\0b\n"), [(1, 9)]);
    assert_eq!(faults("PATH=\"/a:/b\" # c\n"), [(1, 14)]);
}

/// django-crontab#23.
#[test]
fn a_sixth_field_is_refused() {
    for line in
        ["0 2 * * 2 * backup --full", "0 2 * * 2 2026 backup", "* * * * * */5 x", "0 0 1 1 * MON-FRI x"]
    {
        assert!(message(line).contains("reads like a sixth field"), "{line}");
    }
    assert_eq!(faults("0 2 * * 2 * backup --full"), [(1, 11)]);
}

/// borgmatic#2.
#[test]
fn a_user_column_in_a_users_crontab_is_warned_of() {
    assert_eq!(notes("0 2 * * * root /usr/bin/backup\n"), [(1, NoteKind::Warning)]);
    assert_eq!(notes("0 2 * * * /usr/bin/backup root\n"), []);
    assert_eq!(notes("PATH=/bin:/usr/bin\n0 2 * * * sh -c true\n"), []);
}

#[test]
fn a_system_crontab_has_a_user_between_the_times_and_the_command() {
    let text = "17 * * * * root cd / && run-parts --report /etc/cron.hourly\n@daily nobody echo %hello\n";
    let jobs = parse(text.as_bytes(), &options(Form::System)).unwrap().jobs;
    assert_eq!(jobs[0].command.arguments[1], "cd / && run-parts --report /etc/cron.hourly");
    assert_eq!(jobs[0].command.environment["LOGNAME"], "root");
    assert_eq!(jobs[0].command.environment["HOME"], "/root");
    assert_eq!(jobs[1].command.environment["USER"], "nobody");
    assert_eq!(jobs[1].command.stdin.as_deref(), Some("hello\n"));
    assert_eq!(jobs[1].command.user.as_deref(), Some("nobody"));
    let faults = parse(b"0 0 * * * nosuchuser x\n@daily root\n@daily\n", &options(Form::System)).unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(1, 11), (2, 12), (3, 7)]);
}

/// systemd-cron#68.
#[test]
fn bytes_that_are_not_utf8_reach_the_command() {
    let jobs = read(b"# caf\xe9\nNAME=caf\xe9\n@daily echo na\xefve%\xfc\n@daily echo plain \xc3\xa9\n");
    let command = &jobs[0].command;
    assert_eq!(command.encoding, matins_task_command::Encoding::Latin1);
    assert_eq!(command.arguments[1], "echo na\u{ef}ve");
    assert_eq!(command.stdin.as_deref(), Some("\u{fc}\n"));
    assert_eq!(command.environment["NAME"], "caf\u{e9}");
    assert_eq!(jobs[1].command.arguments[1], "echo plain \u{c3}\u{a9}", "its environment has such bytes");
    let jobs = read("@daily echo caf\u{e9}\n");
    assert_eq!(jobs[0].command.encoding, matins_task_command::Encoding::Utf8);
    assert_eq!(jobs[0].command.arguments[1], "echo caf\u{e9}");
}

#[test]
fn an_impossible_date_switches_a_line_off() {
    let crontab = crontab("0 0 31 2 * backup\n");
    assert!(matches!(&crontab.jobs[0].when, When::Never(times) if times == "0 0 31 2 *"));
    assert!(crontab.jobs[0].is_paused());
    assert_eq!(crontab.notes[0].kind, NoteKind::Warning);
}

#[test]
fn random_delay_and_random_values_are_stable() {
    let text = "RANDOM_DELAY=30\n0~59 9 * * * backup\n@reboot once\nRANDOM_DELAY=0\n@daily plain\n";
    let jobs = read(text);
    assert_eq!(jobs[0].jitter, Some(TimeDelta::minutes(30)));
    assert_eq!((jobs[1].jitter, jobs[2].jitter), (None, None));
    let again = read(text);
    assert_eq!(jobs[0].fingerprint(), again[0].fingerprint());
    assert_eq!(jobs[0].jitter_seed, again[0].jitter_seed);
    assert_eq!(faults("RANDOM_DELAY=soon\n"), [(1, 14)]);
}

#[test]
fn what_debian_s_cron_would_do_otherwise_is_noted() {
    let differs = |text: &str| {
        let kinds: Vec<NoteKind> = notes(text).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, [NoteKind::Difference], "{text}");
    };
    differs("CRON_TZ=Europe/Berlin\n");
    differs("MAILTO=\n");
    differs("0 0 L * * x\n");
    differs("@daily x");
    differs("@daily x\r\n");
    assert_eq!(notes("MAILTO=\"\"\n0 9 * * MON-FRI x\n"), []);
}
