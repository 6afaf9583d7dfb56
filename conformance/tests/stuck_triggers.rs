//! A trigger that breaks the law of progress, alone and inside of others: nothing hangs, panics or overflows.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use matins_conformance::laws::in_slices;
use matins_core::Trigger;
use matins_triggers::{
    AllTrigger, AnyTrigger, CronTrigger, ExceptDatesTrigger, ExceptTrigger, JitterTrigger, WindowTrigger,
    Zone,
};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Answers with the question, or with an instant before it, or with the first or the last of all.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Stuck {
    Same,
    Before,
    First,
    Last,
    Fixed,
}

#[typetag::serde(name = "stuck")]
impl Trigger for Stuck {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(match self {
            Self::Same => after,
            Self::Before => after.checked_sub_signed(TimeDelta::days(1)).unwrap_or(after),
            Self::First => DateTime::<Utc>::MIN_UTC,
            Self::Last => DateTime::<Utc>::MAX_UTC,
            Self::Fixed => DateTime::UNIX_EPOCH,
        })
    }
}

/// Triggers made of one whose answer does not advance.
fn around(of: &Arc<dyn Trigger>) -> Vec<Arc<dyn Trigger>> {
    let of = || of.clone();
    let minutely = || Arc::new("* * * * *".parse::<CronTrigger>().unwrap()) as Arc<dyn Trigger>;
    let every_day =
        (0..20_000).map(|day| NaiveDate::from_ymd_opt(1960, 1, 1).unwrap() + TimeDelta::days(day));
    let mut all: Vec<Arc<dyn Trigger>> = vec![
        of(),
        Arc::new(JitterTrigger::new(of(), TimeDelta::seconds(3), 7).unwrap()),
        Arc::new(AnyTrigger::new([of(), minutely()]).unwrap()),
        Arc::new(AnyTrigger::new([of()]).unwrap()),
        Arc::new(WindowTrigger::new(of()).starting(instant("1971-01-01T00:00:00Z")).unwrap()),
        Arc::new(ExceptDatesTrigger::new(of(), every_day, Zone::utc())),
        Arc::new(ExceptDatesTrigger::new(of(), [], Zone::named("Europe/Berlin").unwrap())),
    ];
    let refused: Vec<Arc<dyn Trigger>> = [
        AllTrigger::new([of(), minutely()]).map(|all| Arc::new(all) as Arc<dyn Trigger>),
        ExceptTrigger::new(of(), minutely()).map(|except| Arc::new(except) as Arc<dyn Trigger>),
        ExceptTrigger::new(minutely(), of()).map(|except| Arc::new(except) as Arc<dyn Trigger>),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(refused);
    all
}

#[test]
fn a_trigger_whose_answer_does_not_advance_hangs_nothing() {
    let instants =
        [DateTime::<Utc>::MIN_UTC, instant("1969-12-31T23:00:00Z"), instant("1970-01-02T00:00:00Z")];
    for stuck in [Stuck::Same, Stuck::Before, Stuck::First, Stuck::Last, Stuck::Fixed] {
        let stuck: Arc<dyn Trigger> = Arc::new(stuck);
        for trigger in around(&stuck) {
            for after in instants {
                let _ = trigger.next_after(after);
                let until = after + TimeDelta::days(3);
                let counted = trigger.fire_range(after, until);
                assert_eq!(in_slices(&*trigger, after, until, 100).is_some(), counted.is_some());
                if let Some(fires) = counted {
                    assert!(after < fires.first && fires.last <= until, "{trigger:?} counts {fires:?}");
                }
            }
        }
    }
}
