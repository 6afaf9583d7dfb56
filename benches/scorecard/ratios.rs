//! The ratios of a family as a picture: SVG that is legible on light and on dark.

use std::fmt::Write;

use crate::book::slug;
use crate::card::{Family, Row, number};

const WIDTH: f64 = 760.0;
/// Where the scale begins, behind the names of the works.
const LEFT: f64 = 400.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 34.0;
const LINE: f64 = 19.0;
const INK: &str = "#7d7d7d";
const REACHED: &str = "#2f9e5b";
const MISSED: &str = "#d9534f";

pub(crate) fn file(family: &Family) -> String {
    format!("ratios-{}.svg", slug(&family.name))
}

/// A dot for each row that has a ratio. `None` where fewer than two have one.
pub(crate) fn picture(family: &Family) -> Option<String> {
    let rows: Vec<(&Row, f64)> = family
        .rows
        .iter()
        .filter_map(|row| Some((row, row.ratio()?)))
        .filter(|(_, ratio)| *ratio > 0.0)
        .collect();
    if rows.len() < 2 {
        return None;
    }
    let ends = rows.iter().flat_map(|(row, ratio)| [Some(*ratio), row.goal]).flatten();
    let (least, most) = ends.fold((0.5_f64, 2.0_f64), |(least, most), end| (least.min(end), most.max(end)));
    let (from, to) = (least.log10() - 0.05, most.log10() + 0.05);
    let x = |ratio: f64| LEFT + (ratio.log10() - from) / (to - from) * (WIDTH - LEFT - RIGHT);
    let height = TOP + LINE * rows.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"{INK}\">\n"
    );
    let mut draw =
        |line: std::fmt::Arguments<'_>| writeln!(svg, "{line}").expect("a string takes what is written");
    for scale in
        [0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0].into_iter().filter(|scale| (least..=most).contains(scale))
    {
        let (at, width) = (x(scale), if scale.log10().abs() < 0.01 { 2 } else { 1 });
        draw(format_args!(
            "<line x1=\"{at:.1}\" y1=\"{}\" x2=\"{at:.1}\" y2=\"{:.0}\" stroke=\"{INK}\" stroke-width=\"{width}\" \
             stroke-opacity=\"0.5\"/>",
            TOP - 8.0,
            height - 8.0
        ));
        draw(format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{scale}x</text>", TOP - 14.0));
    }
    for (line, (row, ratio)) in rows.iter().enumerate() {
        let middle = TOP + LINE * (line as f64 + 0.5);
        let peer = row.peer.as_ref().map_or("", |(peer, _)| peer);
        let colour = match row.reached() {
            Some(true) => REACHED,
            Some(false) => MISSED,
            None => INK,
        };
        let name = shortened(&format!("{}, beside {peer}", row.work));
        draw(format_args!(
            "<text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{name}</text>",
            LEFT - 12.0,
            middle + 4.0
        ));
        if let Some(goal) = row.goal {
            let at = x(goal);
            draw(format_args!(
                "<line x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                middle - 7.0,
                middle + 7.0
            ));
        }
        let at = x(*ratio);
        draw(format_args!("<circle cx=\"{at:.1}\" cy=\"{middle:.1}\" r=\"5\" fill=\"{colour}\"/>"));
        draw(format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\">{}x</text>",
            WIDTH - RIGHT + 8.0,
            middle + 4.0,
            number(*ratio)
        ));
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// As XML has it, and no longer than there is room for, in whole words.
fn shortened(name: &str) -> String {
    const MOST: usize = 62;
    let mut text = name.to_owned();
    if name.chars().count() > MOST {
        text = name.chars().take(MOST).collect();
        text.truncate(text.rfind(' ').unwrap_or(text.len()));
        text.push_str(" …");
    }
    text.replace('&', "&amp;").replace('<', "&lt;")
}
