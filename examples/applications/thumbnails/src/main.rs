//! Makes a thumbnail of each grey picture (PGM) in a directory, in worker
//! processes.
//!
//! ```text
//! cargo run -p thumbnails -- PICTURES THUMBNAILS
//! ```
//!
//! A picture that claims to be enormous makes its worker run out of memory.
//! That costs its own run: the worker is replaced, and the other pictures are
//! not affected.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

use matins::prelude::*;
use matins::{RegisterError, TaskRegistry};
use serde::{Deserialize, Serialize};

/// The arguments of a job.
#[derive(Serialize, Deserialize)]
struct Shrink {
    from: PathBuf,
    to: PathBuf,
    /// The longer side of the thumbnail, in pixels.
    side: usize,
}

/// The result of a run.
#[derive(Serialize, Deserialize)]
struct Size {
    width: usize,
    height: usize,
}

/// Reads a picture: `P5`, its width, its height, 255, and a byte for each
/// pixel.
fn read(path: &Path) -> io::Result<(Size, Vec<u8>)> {
    let invalid = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is no PGM picture", path.display()),
        )
    };
    let bytes = fs::read(path)?;
    let mut parts = bytes.splitn(5, |byte| byte.is_ascii_whitespace());
    if parts.next() != Some(b"P5") {
        return Err(invalid());
    }
    let mut number =
        || str::from_utf8(parts.next()?).ok()?.parse::<usize>().ok();
    let (Some(width @ 1..), Some(height @ 1..), Some(255)) =
        (number(), number(), number())
    else {
        return Err(invalid());
    };
    // This trusts what the picture says about itself.
    let mut pixels = vec![0; width.saturating_mul(height)];
    let given = parts
        .next()
        .filter(|given| given.len() == pixels.len())
        .ok_or_else(invalid)?;
    pixels.copy_from_slice(given);
    Ok((Size { width, height }, pixels))
}

fn shrink(Shrink { from, to, side }: Shrink) -> io::Result<Size> {
    let (size, pixels) = read(&from)?;
    let step = size.width.max(size.height).div_ceil(side.max(1));
    let small = Size {
        width: size.width.div_ceil(step),
        height: size.height.div_ceil(step),
    };
    let rows = pixels.chunks(size.width).step_by(step);
    let mut picture =
        format!("P5 {} {} 255\n", small.width, small.height).into_bytes();
    picture.extend(rows.flat_map(|row| row.iter().step_by(step)));
    fs::write(to, picture)?;
    Ok(small)
}

fn register(tasks: &TaskRegistry) -> Result<(), RegisterError> {
    tasks.register("shrink", shrink)
}

fn main() -> Result<(), Box<dyn Error>> {
    // A worker is this program, started again. In a worker this line does not
    // return.
    matins::process::serve_if_worker(register);

    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(pictures), Some(thumbnails)) =
        (arguments.next(), arguments.next())
    else {
        return Err("usage: thumbnails PICTURES THUMBNAILS".into());
    };
    fs::create_dir_all(&thumbnails)?;

    let executor =
        ProcessExecutor::builder().workers(2).memory_limit(1 << 30).build()?;
    let mut scheduler =
        matins::scheduler().executor("default", executor).background()?;
    register(&scheduler.tasks())?;
    let mut outcomes = Vec::new();
    for entry in fs::read_dir(pictures)? {
        let from = entry?.path();
        let name = from.file_name().unwrap_or_default();
        let arguments =
            Shrink { to: thumbnails.join(name), side: 16, from: from.clone() };
        let job = after(0.seconds()).task("shrink").id(name.to_string_lossy());
        outcomes.push(scheduler.add(job.arguments(arguments))?.next_outcome()?);
    }
    scheduler.start()?;
    for outcome in outcomes {
        let run = outcome.wait()?;
        match run.result {
            Some(size) => {
                let Size { width, height } = serde_json::from_value(size)?;
                println!("{}: {width} x {height}", run.job);
            }
            None => {
                println!("{}: {}", run.job, run.message.unwrap_or_default())
            }
        }
    }
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
