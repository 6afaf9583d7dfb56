//! The causes of an error, each of which is shown once.

use std::error::Error;

/// Returns what an error and each of its causes show, from the outermost to the innermost.
///
/// ```
/// use matins_conformance::causes::causes;
/// use matins_core::TaskError;
///
/// let error = TaskError::new("cannot send the report").with_source("connection refused");
/// assert_eq!(causes(&error), ["cannot send the report", "connection refused"]);
/// ```
///
/// # Panics
/// If one of them shows its own cause too: whoever prints the chain would print that twice.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let links: Vec<String> = chain(error).map(ToString::to_string).collect();
    for pair in links.windows(2) {
        let is_repeated = !pair[1].is_empty() && pair[0].contains(&pair[1]);
        assert!(!is_repeated, "{:?} repeats its cause {:?}", pair[0], pair[1]);
    }
    links
}

/// Returns the outermost cause of an error that is of type `E`, as a program finds it.
///
/// ```
/// use matins_conformance::causes::cause;
/// use matins_core::TaskError;
///
/// let error = TaskError::new("cannot read the list").with_source(std::io::Error::other("no disk"));
/// assert_eq!(cause::<std::io::Error>(&error).to_string(), "no disk");
/// ```
///
/// # Panics
/// If it has no such cause, and as [`causes`].
pub fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> &'a E {
    let shown = causes(error);
    chain(error)
        .skip(1)
        .find_map(|error| error.downcast_ref())
        .unwrap_or_else(|| panic!("{shown:?} has no cause of type {}", std::any::type_name::<E>()))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
