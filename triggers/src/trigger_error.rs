//! The errors of all triggers convert into the error of a sentence.

use matins_core::TriggerError;

use crate::{
    CalendarError, CombineError, CronError, CronTriggerError, DateError, EndsBeforeStart, IntervalError,
    JitterError, UnknownZone,
};

macro_rules! into_trigger_error {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for TriggerError {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )*};
}

into_trigger_error!(
    CalendarError,
    CombineError,
    CronError,
    CronTriggerError,
    DateError,
    IntervalError,
    JitterError,
    UnknownZone,
    EndsBeforeStart,
);
