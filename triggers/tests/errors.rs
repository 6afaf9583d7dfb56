//! The error of a sentence converts with `?`, and shows each cause once.

use std::error::Error;

use chrono::DateTime;
use matins_core::{IntoTrigger, Trigger, TriggerError};
use matins_triggers::{Combine, CronTriggerError, after, at, cron, every};
use std::sync::Arc;

fn made(sentence: impl IntoTrigger) -> Result<Arc<dyn Trigger>, TriggerError> {
    sentence.into_trigger(DateTime::UNIX_EPOCH)
}

#[test]
fn the_error_of_a_sentence_converts_with_a_question_mark() {
    fn with_anyhow() -> anyhow::Result<()> {
        made(cron("no cron"))?;
        Ok(())
    }
    fn with_box() -> Result<(), Box<dyn Error>> {
        made(cron("no cron"))?;
        Ok(())
    }
    fn with_box_for_threads() -> Result<(), Box<dyn Error + Send + Sync>> {
        made(cron("no cron"))?;
        Ok(())
    }
    let shown = with_box().unwrap_err().to_string();
    assert_eq!(with_anyhow().unwrap_err().to_string(), shown);
    assert_eq!(with_box_for_threads().unwrap_err().to_string(), shown);
    let error = made(cron("no cron")).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(CronTriggerError::Expression(_))));
}

#[test]
fn every_error_of_a_sentence_shows_each_cause_once() {
    let errors = [
        made(cron("no cron")).unwrap_err(),
        made(cron("0 9 * * *").in_zone("Mars/Olympus")).unwrap_err(),
        made(at("no date")).unwrap_err(),
        made(at("2026-01-01 09:00").in_zone("Mars/Olympus")).unwrap_err(),
        made(every(chrono::TimeDelta::zero())).unwrap_err(),
        made(after("")).unwrap_err(),
        made(cron("0 9 * * *").jitter(chrono::TimeDelta::days(-1))).unwrap_err(),
    ];
    for error in errors {
        let mut shown = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            assert!(!shown.ends_with(&cause.to_string()), "{shown:?} repeats {:?}", cause.to_string());
            shown = cause.to_string();
            next = cause.source();
        }
    }
}
