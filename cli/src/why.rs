//! `matins why JOB TIME`: what happened, or will happen, at that time, and why.

use clap::Args;
use matins::control::{Explanation, Request};
use matins_daemon::Failure;

use crate::shown;
use crate::target::Target;

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The job's id.
    job: String,
    /// 2026-03-29T02:30 in the job's zone, or with Z or an offset; 02:30 is today's.
    time: String,
    /// As JSON, with the kind of the answer.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn print(arguments: WhyArguments) -> Result<(), Failure> {
    let request = Request::Why { job: arguments.job, at: arguments.time };
    let value = arguments.target.client()?.ask(request)?;
    if arguments.json {
        shown::json(value);
    } else {
        let why: Explanation = shown::read(value)?;
        // A sentence a line. A daemon of an earlier version sends the answer alone.
        let sentences = if why.sentences.is_empty() { vec![why.answer] } else { why.sentences };
        sentences.into_iter().for_each(shown::line);
    }
    Ok(())
}
