//! Pictures of what was measured, as SVG that is legible on light and on dark.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Numbers that belong together: against how many jobs, how much.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }
}

/// What pictures are made of.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Microseconds of a tick of 100, by store.
    pub(crate) ticks: Vec<Curve>,
    /// Microseconds of a job added in one import, by store.
    pub(crate) adds: Vec<Curve>,
    /// Microseconds of a job added to a scheduler.
    pub(crate) schedulers: Vec<Curve>,
    /// Milliseconds of lateness, rising.
    pub(crate) lateness: Vec<(&'static str, Vec<f64>)>,
}

/// Legible on white and on near-black.
const INK: RGBColor = RGBColor(125, 125, 125);
const COLOURS: [RGBColor; 6] = [
    RGBColor(66, 133, 200),
    RGBColor(214, 124, 38),
    RGBColor(70, 155, 90),
    RGBColor(190, 85, 130),
    RGBColor(140, 110, 200),
    RGBColor(160, 140, 60),
];
const WIDTH: u32 = 760;
const HEIGHT: u32 = 400;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Draws all of them into a directory.
pub(crate) fn draw(figures: &Figures, directory: &Path) -> Drawn {
    let path = |name: &str| directory.join(format!("{name}.svg"));
    let jobs = "jobs";
    growth(&figures.ticks, "µs a tick of 100, by jobs that are not due", jobs, &path("growth-tick"))?;
    growth(&figures.adds, "µs a job added in one import, by jobs", jobs, &path("growth-add"))?;
    growth(&figures.schedulers, "µs a job added to a scheduler, by jobs", jobs, &path("growth-scheduler"))?;
    lateness(&figures.lateness, &path("lateness"))
}

fn style(size: u32) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size).into_font()).color(&INK)
}

/// The range of all values, out to whole powers of ten.
fn decades(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let least = values.clone().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let most = values.fold(1e-9, f64::max);
    let (least, most) = (least.min(most).log10().floor(), most.log10().ceil());
    10_f64.powf(least)..10_f64.powf(most.max(least + 1.0))
}

/// A number as short as an axis has room for.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", value / 1e6),
        1e3.. => format!("{}k", value / 1e3),
        1.0.. => format!("{value:.0}"),
        _ => format!("{value}"),
    }
}

/// Cost against number, both logarithmic: what is flat does not grow.
fn growth(curves: &[Curve], title: &str, along: &str, path: &Path) -> Drawn {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    if points().count() == 0 {
        return Ok(());
    }
    let (x, y) = (decades(points().map(|point| point.0)), decades(points().map(|point| point.1)));
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    let end = x.end;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, style(15))
        .margin_right(150)
        .margin_left(8)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(INK.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(style(13))
        .x_desc(along)
        .x_label_formatter(&|value: &f64| short(*value))
        .y_label_formatter(&|value: &f64| short(*value))
        .draw()?;
    let mut labels = Vec::new();
    for (curve, colour) in curves.iter().zip(COLOURS) {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(curve.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        if let Some(last) = curve.points.last() {
            let (_, y) = chart.backend_coord(&(end, last.1));
            labels.push((y, curve.name, colour));
        }
    }
    label(&root, labels, chart.backend_coord(&(end, 1.0)).0 + 10)?;
    drop(chart);
    root.present()?;
    Ok(())
}

/// Names at the ends of lines, moved apart where they would stand on each other.
fn label(root: &Area<'_>, mut labels: Vec<(i32, &str, RGBColor)>, x: i32) -> Drawn {
    labels.sort_by_key(|(y, ..)| *y);
    let mut lowest = i32::MIN;
    for (y, name, colour) in labels {
        let y = y.max(lowest.saturating_add(17));
        lowest = y;
        let style = style(14).color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(name.to_owned(), (x, y), style))?;
    }
    Ok(())
}

/// How many in a hundred runs were no later than so many milliseconds.
fn lateness(late: &[(&'static str, Vec<f64>)], path: &Path) -> Drawn {
    if late.iter().all(|(_, millis)| millis.is_empty()) {
        return Ok(());
    }
    let x = decades(late.iter().flat_map(|(_, millis)| millis.iter().copied()).map(|millis| millis.max(0.1)));
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "how many of 10,000 runs due at one instant were no later than this: further left is better",
            style(15),
        )
        .margin_right(170)
        .margin_left(8)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(x.log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(INK.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(style(13))
        .x_desc("milliseconds late")
        .x_label_formatter(&|value: &f64| short(*value))
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .draw()?;
    let mut names = Vec::new();
    for ((name, millis), colour) in late.iter().zip(COLOURS) {
        let point = |percent: usize| {
            let place = (millis.len() * percent / 200).min(millis.len().saturating_sub(1));
            millis.get(place).map(|late| (late.max(0.1), percent as f64 / 2.0))
        };
        let points: Vec<(f64, f64)> = (0..=200).filter_map(point).collect();
        let middle = points.get(points.len() / 2).map_or(0.0, |point| point.0);
        names.push((middle, *name, colour));
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    drop(chart);
    // From the earliest to the latest.
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let labels = names.into_iter().enumerate().map(|(place, (middle, name, colour))| {
        (place as i32 * 34 + 80, (name, format!("{middle:.0} ms in the middle")), colour)
    });
    for (y, (name, middle), colour) in labels {
        let style = |size| style(size).pos(Pos::new(HPos::Left, VPos::Center));
        let x = WIDTH as i32 - 160;
        root.draw(&Text::new(name.to_owned(), (x, y), style(14).color(&colour)))?;
        root.draw(&Text::new(middle, (x, y + 15), style(12)))?;
    }
    root.present()?;
    Ok(())
}
