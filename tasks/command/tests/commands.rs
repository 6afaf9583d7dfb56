//! Programs that end well, fail, talk too much, do not exist, and are cancelled.

use std::thread;

use matins_conformance::causes::{cause, causes};
use matins_core::{CancelToken, JobId, RunId, Task, TaskContext, TaskResult, error_chain};
use matins_task_command::{Command, CommandError, CommandTask, InvalidCommand, StartError};

fn context(cancel: CancelToken) -> TaskContext {
    let job = JobId::new("job").unwrap();
    let mut context = TaskContext::new(job, RunId(1), chrono::DateTime::UNIX_EPOCH);
    context.cancel = cancel;
    context
}

fn run(command: &Command) -> TaskResult {
    CommandTask::keeping(100).run(&serde_json::to_value(command).unwrap(), &context(CancelToken::new()))
}

#[test]
fn both_streams_are_captured_in_order() {
    let output = run(&Command::shell("echo one; echo two >&2; echo three")).unwrap().output;
    assert_eq!(output.as_deref(), Some("one\ntwo\nthree\n"));
}

#[test]
fn output_can_be_read_while_the_command_runs() {
    let context = context(CancelToken::new());
    let log = context.log.clone();
    log.line("starting");
    // The command waits for a file that is made only when its output has been seen.
    let directory = tempfile::tempdir().unwrap();
    let line = "echo working; while ! test -e go; do sleep 0.02; done; echo done";
    let command = Command::shell(line).directory(directory.path());
    let running =
        thread::spawn(move || CommandTask::default().run(&serde_json::to_value(command).unwrap(), &context));
    while log.text().as_deref() != Some("starting\nworking\n") {
        assert!(!running.is_finished());
        thread::yield_now();
    }
    std::fs::write(directory.path().join("go"), "").unwrap();
    let output = running.join().unwrap().unwrap().output;
    assert_eq!(output.as_deref(), Some("working\ndone\n"));
}

#[test]
fn a_failure_tells_its_status_and_keeps_the_output() {
    let error = run(&Command::shell("echo no luck; exit 3")).unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.output.as_deref()),
        ("exited with status 3", Some("no luck\n"))
    );
    assert_eq!(run(&Command::shell("kill -9 $$")).unwrap_err().message, "killed by signal 9");
}

#[test]
fn arguments_are_not_read_by_a_shell() {
    let output = run(&Command::new("echo").arguments(["$HOME", "a  b", "; exit 1"])).unwrap().output;
    assert_eq!(output.as_deref(), Some("$HOME a  b ; exit 1\n"));
}

#[test]
fn environment_directory_and_standard_input_are_as_asked() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().canonicalize().unwrap();
    let mut command = Command::shell("pwd; echo $COLOUR; cat")
        .environment("COLOUR", "green")
        .directory(&place)
        .stdin("to read");
    command.inherit = matins_task_command::Inherit::Nothing;
    let output = run(&command).unwrap().output;
    assert_eq!(output, Some(format!("{}\ngreen\nto read", place.display())));
}

#[test]
fn a_command_knows_its_run() {
    let mut context = context(CancelToken::new());
    (context.run, context.attempt) = (RunId(17), 2);
    let tell = Command::shell("echo $MATINS_RUN $MATINS_JOB $MATINS_ATTEMPT $MATINS_SCHEDULED");
    let of = |command: &Command| {
        let output = CommandTask::default().run(&serde_json::to_value(command).unwrap(), &context);
        output.unwrap().output.unwrap()
    };
    assert_eq!(of(&tell), "17 job 2 1970-01-01T00:00:00+00:00\n");
    assert_eq!(
        of(&tell.clone().environment("MATINS_RUN", "other")),
        "other job 2 1970-01-01T00:00:00+00:00\n"
    );
    assert_eq!(of(&tell.clear_environment()), "\n");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let error = run(&Command::new("/no/such/program")).unwrap_err();
    assert_eq!(
        error_chain(&error),
        "cannot start \"/no/such/program\": name a program that is in its PATH, or the whole path of one: No such file or \
         directory (os error 2)"
    );
    let error = run(&Command::new("true").directory("/no/such/directory")).unwrap_err();
    assert!(
        error_chain(&error).contains(": there is no directory /no/such/directory; create it"),
        "{error:?}"
    );
    assert!(CommandTask::default().check(&serde_json::json!({"program": ""})).is_err());
    assert!(CommandTask::default().check(&serde_json::json!({"program": "x", "args": []})).is_err());
}

#[test]
fn only_the_end_of_much_output_is_kept() {
    let output = run(&Command::shell("yes | head -c 1000000")).unwrap().output.unwrap();
    assert!(output.starts_with("[the first 999900 bytes are left out]\n"), "{output}");
    assert_eq!(output.lines().count(), 51);
}

#[test]
fn a_child_left_behind_does_not_hold_the_run_up() {
    let output = run(&Command::shell("sleep 600 & echo $!")).unwrap().output.unwrap();
    // The child that was left behind is the command's affair; end it all the same.
    assert!(run(&Command::new("kill").arguments([output.trim()])).is_ok());
}

#[test]
fn cancelling_ends_the_command_and_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let line = format!("sleep 600 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; wait", ready.display());
    let cancel = CancelToken::new();
    let task = std::thread::spawn({
        let context = context(cancel.clone());
        move || CommandTask::default().run(&serde_json::to_value(Command::shell(line)).unwrap(), &context)
    });
    while !ready.exists() {
        std::thread::yield_now();
    }
    cancel.cancel();
    assert_eq!(task.join().unwrap().unwrap_err().message, "killed by signal 15");
    let child = std::fs::read_to_string(&ready).unwrap();
    while run(&Command::new("kill").arguments(["-0", child.trim()])).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn umask_nice_level_and_environment_are_as_asked_and_arguments_still_read_by_nobody() {
    let command =
        Command::new("sh").arguments(["-c", "umask; nice; echo \"$0\"; env | wc -l", "$HOME; exit 1"]);
    let output = run(&command.clone().umask(0o027).nice(5)).unwrap().output.unwrap();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "0027");
    let own: i32 = run(&Command::new("nice")).unwrap().output.unwrap().trim().parse().unwrap();
    assert_eq!(lines[1].parse(), Ok((own + 5).min(19)));
    assert_eq!(lines[2], "$HOME; exit 1");
    // A shell sets a few of its own (PWD, SHLVL, _) in an environment that was cleared.
    let cleared = run(&command.clear_environment()).unwrap().output.unwrap();
    assert!(cleared.lines().last().unwrap().trim().parse::<u32>().unwrap() <= 4, "{cleared}");
}

#[test]
fn what_is_no_umask_or_nice_level_is_refused() {
    let check = |command: Command| CommandTask::default().check(&serde_json::to_value(command).unwrap());
    assert!(check(Command::new("true").umask(0o1777)).unwrap_err().to_string().contains("umask"));
    assert!(check(Command::new("true").nice(20)).unwrap_err().to_string().contains("-20 to 19"));
    assert!(check(Command::new("true").umask(0o777).nice(-20)).is_ok());
}

/// A layer, or a program that calls the task itself, may treat each kind in its own way.
#[test]
fn what_went_wrong_is_among_the_causes_once() {
    let error = run(&Command::new("/no/such/program")).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(CommandError::Start { .. })), "{error:?}");
    assert!(matches!(cause(&error), StartError::NotFound(_)));
    assert_eq!(cause::<std::io::Error>(&error).kind(), std::io::ErrorKind::NotFound);
    let error = run(&Command::new("true").directory("/no/such/directory")).unwrap_err();
    assert!(matches!(cause(&error), StartError::NoDirectory { .. }), "{error:?}");
    let error = run(&Command::new("/")).unwrap_err();
    assert!(matches!(cause(&error), StartError::NotPermitted(_)), "{error:?}");
    for (script, expected) in [("exit 3", "exited with status 3"), ("kill -9 $$", "killed by signal 9")] {
        let error = run(&Command::shell(script)).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(CommandError::Status(3) | CommandError::Signal(9))));
        assert_eq!(causes(&error), [expected]);
    }
    let mut nice = Command::new("true");
    nice.nice = Some(100);
    let error = run(&nice).unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(CommandError::Invalid(InvalidCommand::Nice(100)))),
        "{error:?}"
    );
    let context = context(CancelToken::new());
    let error = CommandTask::default().run(&serde_json::json!({"program": 3}), &context).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(CommandError::Arguments { .. })), "{error:?}");
    cause::<serde_json::Error>(&error);
    let no_user = run(&Command::new("true").user("no such user")).unwrap_err();
    assert!(matches!(cause(&no_user), StartError::NoUser(_)), "{no_user:?}");
}
