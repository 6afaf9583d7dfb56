//! The ratios of a family as a picture: SVG that is legible on light and on dark.

use std::fmt::Write;

use crate::book::slug;
use crate::card::{Family, Row, number};
use crate::screen::Screen;

const RIGHT: f64 = 60.0;
const TOP: f64 = 34.0;
const INK: &str = "#7d7d7d";
const REACHED: &str = "#2f9e5b";
const MISSED: &str = "#d9534f";

/// The name of the picture's files.
pub(crate) fn name(family: &Family) -> String {
    format!("ratios-{}", slug(&family.name))
}

/// A dot for each row that has a ratio. `None` where fewer than two have one.
pub(crate) fn picture(family: &Family, screen: Screen) -> Option<String> {
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
    // On a phone the names stand above the dots.
    let (left, of_row, letters) = match screen {
        Screen::Desktop => (400.0, 19.0, 62),
        Screen::Phone => (8.0, 38.0, 58),
    };
    let right = screen.width() - RIGHT;
    let x = |ratio: f64| left + (ratio.log10() - from) / (to - from) * (right - left);
    let height = TOP + of_row * rows.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"{INK}\">\n",
        screen.width()
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
        let top = TOP + of_row * line as f64;
        let middle = top + of_row - 9.5;
        let peer = row.peer.as_ref().map_or("", |(peer, _)| peer);
        let colour = match row.reached() {
            Some(true) => REACHED,
            Some(false) => MISSED,
            None => INK,
        };
        let name = shortened(&format!("{}, beside {peer}", row.work), letters);
        let (x_of_name, y_of_name, anchor) = match screen {
            Screen::Desktop => (left - 12.0, middle + 4.0, "end"),
            Screen::Phone => (0.0, top + 14.0, "start"),
        };
        draw(format_args!(
            "<text x=\"{x_of_name}\" y=\"{y_of_name:.0}\" text-anchor=\"{anchor}\">{name}</text>"
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
            right + 8.0,
            middle + 4.0,
            number(*ratio)
        ));
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// As XML has it, and no longer than there is room for, in whole words.
fn shortened(name: &str, most: usize) -> String {
    let mut text = name.to_owned();
    if name.chars().count() > most {
        text = name.chars().take(most).collect();
        text.truncate(text.rfind(' ').unwrap_or(text.len()));
        text.push_str(" …");
    }
    text.replace('&', "&amp;").replace('<', "&lt;")
}
