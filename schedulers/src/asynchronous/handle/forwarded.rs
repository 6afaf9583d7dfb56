//! The methods that both handles have, each written once.

/// The methods whose arguments are of these kinds: each calls the method of [`Handle`] of the same name, with the same arguments,
/// where blocking is allowed. A reference is cloned for that.
macro_rules! forwarded {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ident),*) -> $answer:ty;)*) => {
        impl AsyncHandle {
            $(
                $(#[$doc])*
                pub async fn $name(&self, $($argument: argument!($kind)),*) -> Result<$answer, SchedulerError> {
                    $(let $argument = owned!($kind, $argument);)*
                    self.call(move |handle| handle.$name($(given!($kind, $argument)),*)).await
                }
            )*
        }
    };
}

/// The type of an argument.
macro_rules! argument {
    (id) => { impl AsRef<str> };
    (ids) => { impl IntoIterator<Item = impl AsRef<str>> };
    (name) => { impl AsRef<str> };
    (store) => { &StoreName };
    (jobs) => { &JobQuery };
    (runs) => { &RunQuery };
    (run) => { RunId };
    (how) => { Shutdown };
}

/// An argument as it goes to another thread.
macro_rules! owned {
    (id, $argument:ident) => {
        JobId::new($argument)?
    };
    (ids, $argument:ident) => {
        $argument.into_iter().map(JobId::new).collect::<Result<Vec<JobId>, NameError>>()?
    };
    (name, $argument:ident) => {
        $argument.as_ref().to_owned()
    };
    (store, $argument:ident) => {
        $argument.clone()
    };
    (jobs, $argument:ident) => {
        $argument.clone()
    };
    (runs, $argument:ident) => {
        $argument.clone()
    };
    ($kind:ident, $argument:ident) => {
        $argument
    };
}

/// An argument as it is given to the handle.
macro_rules! given {
    (run, $argument:ident) => {
        $argument
    };
    (how, $argument:ident) => {
        $argument
    };
    ($kind:ident, $argument:ident) => {
        &$argument
    };
}

pub(super) use {argument, forwarded, given, owned};
