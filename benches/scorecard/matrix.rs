//! The times of the tasks on each executor as a picture: points on a logarithmic axis, legible on light and on dark.

use std::fmt::Write;

use crate::card::Family;
use crate::screen::Screen;

/// The family that is drawn, and the name of its picture.
pub(crate) const FAMILY: &str = "executors: matrix";
pub(crate) const NAME: &str = "executors";

const LEFT: f64 = 66.0;
const RIGHT: f64 = 80.0;
const TOP: f64 = 56.0;
const LINE: f64 = 22.0;
const INK: &str = "#7d7d7d";
const COLOURS: [&str; 4] = ["#4285c8", "#d67c26", "#469b5a", "#be5582"];

/// A point for each task and executor. The axis has whole powers of ten, from below the least time to above the longest.
pub(crate) fn picture(family: &Family, screen: Screen) -> String {
    // The work of a row is "task: executor".
    let rows: Vec<(&str, &str, f64)> = family
        .rows
        .iter()
        .filter_map(|row| {
            row.work.rsplit_once(": ").map(|(task, executor)| (task, executor, row.ours.median))
        })
        .filter(|(.., micros)| *micros > 0.0)
        .collect();
    let ends = rows.iter().map(|(.., micros)| micros.log10());
    let (least, most) = ends.fold((0.0_f64, 1.0_f64), |(least, most), end| (least.min(end), most.max(end)));
    let (least, most) = (least.floor(), most.ceil());
    let x = |power: f64| LEFT + (power - least) / (most - least) * (screen.width() - LEFT - RIGHT);
    let tasks: Vec<_> = rows.chunk_by(|one, other| one.0 == other.0).collect();
    let height = TOP + LINE * rows.len() as f64 + LINE * 1.4 * tasks.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"{INK}\">\n",
        screen.width()
    );
    let mut draw =
        |line: std::fmt::Arguments<'_>| writeln!(svg, "{line}").expect("a string takes what is written");
    draw(format_args!(
        "<text x=\"0\" y=\"16\">time for each of 200 runs, logarithmic; further left is better</text>"
    ));
    for power in least as i32..=most as i32 {
        let at = x(f64::from(power));
        draw(format_args!(
            "<line x1=\"{at:.1}\" y1=\"44\" x2=\"{at:.1}\" y2=\"{:.0}\" stroke=\"{INK}\" stroke-opacity=\"0.4\"/>",
            height - 8.0
        ));
        let time = short(10_f64.powi(power));
        draw(format_args!("<text x=\"{at:.1}\" y=\"38\" text-anchor=\"middle\">{time}</text>"));
    }
    let mut y = TOP;
    for task in tasks {
        y += LINE * 0.6;
        let name = task[0].0.replace('&', "&amp;").replace('<', "&lt;");
        draw(format_args!("<text x=\"{:.0}\" y=\"{:.0}\" font-weight=\"bold\">{name}</text>", LEFT + 4.0, y));
        y += LINE * 0.8;
        for ((_, executor, micros), colour) in task.iter().zip(COLOURS.iter().cycle()) {
            let at = x(micros.log10());
            draw(format_args!(
                "<text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{executor}</text>",
                LEFT - 8.0,
                y + 4.0
            ));
            draw(format_args!("<circle cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>"));
            draw(format_args!("<text x=\"{:.1}\" y=\"{:.0}\">{}</text>", at + 10.0, y + 4.0, said(*micros)));
            y += LINE;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A time as it is measured.
fn said(micros: f64) -> String {
    match micros {
        ..10.0 => format!("{micros:.1} µs"),
        ..1000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1000.0),
    }
}

/// A power of ten, as the axis names it.
fn short(micros: f64) -> String {
    if micros < 1000.0 { format!("{micros} µs") } else { format!("{} ms", micros / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Record;

    #[test]
    fn points_are_where_the_axis_says() {
        let record = Record::read().unwrap();
        let family = record.family(FAMILY).unwrap();
        for screen in Screen::ALL {
            let svg = picture(family, screen);
            let value = |line: &str, before: &str| {
                line.split_once(before).unwrap().1.split('"').next().unwrap().parse::<f64>().unwrap()
            };
            let label = |time: &str| value(svg.lines().find(|line| line.contains(time)).unwrap(), " x=\"");
            let (one, ten) = (label(">1 µs<"), label(">10 µs<"));
            let points: Vec<f64> = svg
                .lines()
                .filter(|line| line.starts_with("<circle"))
                .map(|line| value(line, " cx=\""))
                .collect();
            assert_eq!(points.len(), family.rows.len());
            for (row, point) in family.rows.iter().zip(points) {
                let expected = one + row.ours.median.log10() * (ten - one);
                assert!((point - expected).abs() < 1.0, "{}: {point} is not {expected}", row.work);
            }
        }
    }
}
