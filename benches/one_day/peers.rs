//! The ten jobs under tokio-cron-scheduler and under apalis-cron, as their documentation shows it.

use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::data::Data;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_cron::{CronScheduler, Tick};
use chrono::{Datelike, NaiveDate, TimeZone, Utc};
use chrono_tz::Europe::Berlin;
use chrono_tz::Tz;
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::Failure;

/// What both can express, in cron expressions with seconds.
const JOBS: [(&str, &str); 7] = [
    ("quarter", "0 */15 * * * *"),
    ("at-02-30", "0 30 2 * * *"),
    ("at-03-00", "0 0 3 * * *"),
    ("half-hour", "0 30 * * * *"),
    ("weekday", "0 0 9 * * Mon-Fri"),
    ("long", "0 5 * * * *"),
    ("failing", "0 20 3,4,7,8 * * *"),
];

/// Does the work of a job, which is the same program for all schedulers.
async fn work(scheduler: &'static str, job: &str, due: &str) -> Result<(), Failure> {
    let mut command = Command::new("/opt/one-day/job");
    command.args([scheduler, job, due]);
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    if status.success() { Ok(()) } else { Err(format!("{job} has failed").into()) }
}

/// A one-off date is a wait from now, and an interval is one from the start: the jobs end with the process.
pub(crate) async fn tokio_cron_scheduler(date: NaiveDate) -> Result<(), Failure> {
    const NAME: &str = "tokio-cron-scheduler";
    let scheduler = JobScheduler::new().await?;
    for (job, schedule) in JOBS.into_iter().chain([("month-end", "0 0 7 L * *")]) {
        let made = Job::new_async_tz(schedule, Berlin, move |_, _| {
            Box::pin(async move {
                if let Err(error) = work(NAME, job, "").await {
                    eprintln!("{error}");
                }
            })
        })?;
        scheduler.add(made).await?;
    }
    let interval = Job::new_repeated_async(Duration::from_secs(90 * 60), |_, _| {
        Box::pin(async {
            if let Err(error) = work(NAME, "interval", "").await {
                eprintln!("{error}");
            }
        })
    })?;
    scheduler.add(interval).await?;
    let date = date.and_hms_opt(4, 30, 0).and_then(|local| Berlin.from_local_datetime(&local).single());
    let from_now = date.ok_or("there is no such time")?.signed_duration_since(Utc::now());
    match from_now.to_std() {
        Ok(from_now) => {
            let one_off = Job::new_one_shot_async(from_now, |_, _| {
                Box::pin(async {
                    if let Err(error) = work(NAME, "one-off", "").await {
                        eprintln!("{error}");
                    }
                })
            })?;
            scheduler.add(one_off).await?;
        }
        Err(_) => eprintln!("the date is over"),
    }
    scheduler.start().await?;
    std::future::pending().await
}

/// A worker for each schedule. A failure ends no worker; whatever does end one is printed.
pub(crate) async fn apalis_cron(date: NaiveDate) -> Result<(), Failure> {
    async fn run(tick: Tick<Tz>, job: Data<String>) -> Result<(), BoxDynError> {
        let due = i64::try_from(tick.get_timestamp())
            .ok()
            .and_then(|seconds| Utc.timestamp_opt(seconds, 0).single());
        work("apalis-cron", &job, &due.map(|due| due.to_rfc3339()).unwrap_or_default()).await
    }
    let one_off = format!("0 30 4 {} {} * {}", date.day(), date.month(), date.year());
    let schedules =
        JOBS.map(|(job, schedule)| (job, schedule.to_owned())).into_iter().chain([("one-off", one_off)]);
    let mut workers = JoinSet::new();
    for (job, schedule) in schedules {
        let backend = CronScheduler::new(cron::Schedule::from_str(&schedule)?).with_timezone(Berlin);
        let worker = WorkerBuilder::new(job).backend(backend).data(job.to_owned()).build(run);
        workers.spawn(async move { (job, worker.run().await) });
    }
    while let Some(ended) = workers.join_next().await {
        let (job, outcome) = ended?;
        eprintln!("the worker of {job} has ended: {outcome:?}");
    }
    std::future::pending().await
}
