//! Every form of function that can be a task, with what it gets and what it returns.

use std::sync::Arc;

use chrono::DateTime;
use matins_core::{JobId, RunId, TaskContext, TaskError, TaskOutput, Value};
use matins_task_function::{IntoTask, MissingState, RegisterError, State, TaskRegistry};
use serde_json::json;

fn result<Form>(task: impl IntoTask<Form>, arguments: &Value) -> Option<Value> {
    let tasks = TaskRegistry::default();
    tasks.state("shared".to_owned());
    tasks.register("task", task).unwrap();
    let task = tasks.get("task").unwrap();
    task.check(arguments).unwrap();
    let context = TaskContext::new(JobId::new("job").unwrap(), RunId(7), DateTime::UNIX_EPOCH);
    task.run(arguments, &context).unwrap().result
}

fn alone(context: &TaskContext) -> String {
    context.job.to_string()
}

async fn later(context: TaskContext) -> String {
    context.job.to_string()
}

#[test]
fn the_context_may_come_alone_and_by_value() {
    assert_eq!(result(|context: &TaskContext| context.run.0, &Value::Null), Some(json!(7)));
    assert_eq!(result(|context: TaskContext| context.run.0, &Value::Null), Some(json!(7)));
    assert_eq!(result(async |context: TaskContext| context.run.0, &Value::Null), Some(json!(7)));
    assert_eq!(result(|n: u64, context: &TaskContext| n + context.run.0, &json!(1)), Some(json!(8)));
    assert_eq!(result(|n: u64, context: TaskContext| n + context.run.0, &json!(1)), Some(json!(8)));
    assert_eq!(result(async |n: u64, context: TaskContext| n + context.run.0, &json!(1)), Some(json!(8)));
    assert_eq!(result(alone, &Value::Null), Some(json!("job")));
    assert_eq!(result(later, &Value::Null), Some(json!("job")));
}

#[test]
fn several_arguments_are_a_tuple() {
    assert_eq!(result(|(a, b): (u32, String)| format!("{a} {b}"), &json!([1, "b"])), Some(json!("1 b")));
}

#[test]
fn values_of_the_usual_types_are_the_result() {
    assert_eq!(result(|| 42, &Value::Null), Some(json!(42)));
    assert_eq!(result(|| 0.5, &Value::Null), Some(json!(0.5)));
    assert_eq!(result(|| Some(1), &Value::Null), Some(json!(1)));
    assert_eq!(result(|| None::<u32>, &Value::Null), None);
    assert_eq!(result(|| "text", &Value::Null), Some(json!("text")));
    assert_eq!(result(|| "text".to_owned(), &Value::Null), Some(json!("text")));
    assert_eq!(result(|| vec![1, 2], &Value::Null), Some(json!([1, 2])));
    assert_eq!(result(|| json!({"a": 1}), &Value::Null), Some(json!({"a": 1})));
    assert_eq!(result(|| TaskOutput::default().with_result(3), &Value::Null), Some(json!(3)));
    assert_eq!(result(async || 42, &Value::Null), Some(json!(42)));
    assert_eq!(result(|| Ok::<_, TaskError>((1, "a")), &Value::Null), Some(json!([1, "a"])));
    assert_eq!(result(|| (), &Value::Null), None);
}

/// Its work has no end: the type of the closure says that it would return nothing.
#[test]
fn a_closure_that_never_returns_is_a_task_if_it_says_so() {
    let task = || -> () {
        loop {
            std::thread::park();
        }
    };
    assert!(task.into_task().is_ok());
}

#[test]
fn a_state_comes_first_in_every_form() {
    let shared = Some(json!("shared"));
    assert_eq!(result(|State(text): State<String>| text, &Value::Null), shared);
    assert_eq!(result(async |State(text): State<String>| text, &Value::Null), shared);
    let text = |State(text): State<String>, n: u32| format!("{text} {n}");
    assert_eq!(result(text, &json!(1)), Some(json!("shared 1")));
    let text = async |State(text): State<String>, n: u32| format!("{text} {n}");
    assert_eq!(result(text, &json!(1)), Some(json!("shared 1")));
    let text = |State(text): State<String>, context: &TaskContext| format!("{text} {}", context.run);
    assert_eq!(result(text, &Value::Null), Some(json!("shared 7")));
    let text = |State(text): State<String>, context: TaskContext| format!("{text} {}", context.run);
    assert_eq!(result(text, &Value::Null), Some(json!("shared 7")));
    let text = async |State(text): State<String>, context: TaskContext| format!("{text} {}", context.run);
    assert_eq!(result(text, &Value::Null), Some(json!("shared 7")));
    let text =
        |State(text): State<String>, n: u32, context: &TaskContext| format!("{text} {n} {}", context.run);
    assert_eq!(result(text, &json!(1)), Some(json!("shared 1 7")));
    let text =
        |State(text): State<String>, n: u32, context: TaskContext| format!("{text} {n} {}", context.run);
    assert_eq!(result(text, &json!(1)), Some(json!("shared 1 7")));
    let text = async |State(text): State<String>, n: u32, context: TaskContext| {
        format!("{text} {n} {}", context.run)
    };
    assert_eq!(result(text, &json!(1)), Some(json!("shared 1 7")));
}

struct Database;

#[test]
fn a_state_that_there_is_none_of_is_refused_by_name() {
    let tasks = TaskRegistry::default();
    tasks.state(3_u32);
    let error = tasks.register("query", |State(_): State<Arc<Database>>| ()).unwrap_err();
    assert!(matches!(error, RegisterError::State(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("Database") && text.contains("u32") && text.contains(".state(value)"), "{text}");
    let missing: MissingState = (|State(_): State<u8>| ()).into_task().map(drop).unwrap_err();
    assert!(missing.to_string().contains("there is none"), "{missing}");
}

#[test]
fn the_last_state_of_a_type_counts_for_tasks_that_come_after_it() {
    let tasks = TaskRegistry::default();
    let context = TaskContext::new(JobId::new("job").unwrap(), RunId(1), DateTime::UNIX_EPOCH);
    let run = |name: &str| tasks.get(name).unwrap().run(&Value::Null, &context).unwrap().result;
    let tell = |State(n): State<u32>| n;
    tasks.state(1_u32);
    tasks.register("before", tell).unwrap();
    tasks.state(2_u32);
    tasks.register("after", tell).unwrap();
    assert_eq!((run("before"), run("after")), (Some(json!(1)), Some(json!(2))));
}

#[test]
fn a_task_with_a_layer_keeps_its_form() {
    let announce = matins_core::layer_fn(|_| |result| result);
    let task = (|State(text): State<String>, n: u32| format!("{text} {n}")).layer(announce);
    assert_eq!(result(task, &json!(1)), Some(json!("shared 1")));
}
