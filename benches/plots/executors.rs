//! Draws the matrix of executors from what the bench measured last.
//!
//! `cargo run --release -p matins-benches --bin plot-executors -- book/src/benchmarks/executors.svg`

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

/// As the bench has it: so many runs in each measurement.
const RUNS: f64 = 200.0;
const TASKS: [(&str, &str); 5] = [
    ("empty", "nothing"),
    ("echo", "1 KiB of arguments, given back"),
    ("parallel", "a short sum by par_iter"),
    ("compute", "1 ms of processor"),
    ("sleep", "10 ms of waiting"),
];
const EXECUTORS: [(&str, RGBColor); 4] = [
    ("thread", RGBColor(66, 133, 200)),
    ("rayon", RGBColor(214, 124, 38)),
    ("tokio", RGBColor(70, 155, 90)),
    ("process", RGBColor(190, 85, 130)),
];
/// Legible on light and on dark.
const INK: RGBColor = RGBColor(128, 128, 128);

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("say where the picture goes: plot-executors FILE.svg")?;
    draw(&path)?;
    println!("{path}");
    Ok(())
}

const WIDTH: u32 = 760;
const ROW: i32 = 22;
const TOP: i32 = 40;
const LEFT: i32 = 90;

fn draw(path: &str) -> Result<(), Box<dyn Error>> {
    let height = TOP + TASKS.len() as i32 * (EXECUTORS.len() as i32 * ROW + ROW + ROW / 2);
    let root = SVGBackend::new(path, (WIDTH, height as u32)).into_drawing_area();
    let text = |size: u32| TextStyle::from(("sans-serif", size).into_font()).color(&INK);
    let right = text(14).pos(Pos::new(HPos::Right, VPos::Center));
    let left = text(14).pos(Pos::new(HPos::Left, VPos::Center));
    let heading = "time for each of 200 runs, logarithmic: shorter is better";
    root.draw(&Text::new(heading, (LEFT, 14), left.clone()))?;
    let (shortest, longest) = (0.1_f64, 20_000.0_f64);
    let span = f64::from(WIDTH as i32 - LEFT - 90);
    let length = |micros: f64| ((micros / shortest).log10() / (longest / shortest).log10() * span) as i32;
    let mut y = TOP;
    for (task, title) in TASKS {
        root.draw(&Text::new(title, (LEFT, y), text(15).pos(Pos::new(HPos::Left, VPos::Center))))?;
        y += ROW;
        for (executor, colour) in EXECUTORS {
            let micros = measured(task, executor)?;
            let end = LEFT + length(micros).max(1);
            root.draw(&Rectangle::new([(LEFT, y - 7), (end, y + 7)], colour.filled()))?;
            root.draw(&Text::new(executor, (LEFT - 8, y), right.clone()))?;
            root.draw(&Text::new(said(micros), (end + 6, y), left.clone()))?;
            y += ROW;
        }
        y += ROW / 2;
    }
    root.present()?;
    Ok(())
}

fn said(micros: f64) -> String {
    match micros {
        ..10.0 => format!("{micros:.1} µs"),
        ..1000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1000.0),
    }
}

/// The median time of a run, in microseconds.
fn measured(task: &str, executor: &str) -> Result<f64, Box<dyn Error>> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let path: &Path = &target.join(format!("criterion/matrix/{task}/{executor}/new/estimates.json"));
    let text = fs::read_to_string(path).map_err(|error| {
        format!(
            "{}: {error}; run the bench first: cargo bench -p matins-benches --bench executors",
            path.display()
        )
    })?;
    let estimates: Value = serde_json::from_str(&text)?;
    let nanos = estimates["median"]["point_estimate"].as_f64().ok_or("there is no median")?;
    Ok(nanos / 1000.0 / RUNS)
}
