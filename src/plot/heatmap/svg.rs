//! A heat map as SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::canvas::Ramp;
use super::super::ramp::rgb;
use super::super::svg::{Anchor, Ground, Svg, short};
use super::super::text::{fit, width};
use super::super::ticks::{readout, tight};
use super::HeatMap;

/// Mean width of a character.
const CHARACTER: f64 = 6.6;
/// The same in the heading.
const HEADING: f64 = 8.3;
/// Columns of a name that are shown.
const LONGEST: usize = 24;
/// Steps of colour; cells of one step are one path.
const STEPS: f64 = 64.0;

pub(super) fn svg(map: &HeatMap<'_>, ground: Ground) -> String {
    let (rows, columns) = (map.rows.len(), map.columns.len());
    let side = (560.0 / rows.max(columns).max(1) as f64).clamp(4.0, 36.0);
    let longest = |names: &[String]| {
        names.iter().map(|name| width(name).min(LONGEST)).max().unwrap_or(0) as f64 * CHARACTER
    };
    // Names smaller than this are not read.
    let named = side >= 9.0;
    let (gutter, head) = if named { (longest(&map.rows), longest(&map.columns)) } else { (0.0, 0.0) };
    let (left, top) = (gutter + 22.0, head + 44.0);
    let size = (columns as f64 * side, rows as f64 * side);
    let heading = 32.0 + width(&map.title) as f64 * HEADING;
    let mut svg = Svg::new((left + size.0 + 16.0).max(heading).max(260.0), top + size.1 + 40.0, &map.title);
    svg.text("heading", (16.0, 20.0), Anchor::Start, 0.0, &map.title);
    if named {
        for (index, name) in map.rows.iter().enumerate() {
            let y = top + (index as f64 + 0.5) * side + 4.0;
            svg.text("quiet", (left - 6.0, y), Anchor::End, 0.0, &fit(name, LONGEST, false));
        }
        for (index, name) in map.columns.iter().enumerate() {
            let x = left + (index as f64 + 0.5) * side + 4.0;
            svg.text("quiet", (x, top - 6.0), Anchor::Start, -90.0, &fit(name, LONGEST, false));
        }
    }
    cells(&mut svg, map, (left, top), side);
    numbers(&mut svg, map, (left, top), side);
    if let Some((row, column)) = map.selected.filter(|(row, column)| *row < rows && *column < columns) {
        let at = (left + column as f64 * side, top + row as f64 * side);
        svg.rectangle("chosen", at, (side, side));
        let value = map.value(row, column).map_or("–".into(), |value| readout(value, map.unit));
        let text = format!("{} × {}: {value}", map.rows[row], map.columns[column]);
        svg.text("", (left, top + size.1 + 16.0), Anchor::Start, 0.0, &text);
    }
    scale(&mut svg, map, (left, top + size.1 + 24.0));
    svg.finish(ground)
}

/// All cells of a colour are one path: a map of 100 x 100 stays a small file.
fn cells(svg: &mut Svg, map: &HeatMap<'_>, (left, top): (f64, f64), side: f64) {
    let mut paths: BTreeMap<usize, String> = BTreeMap::new();
    for row in 0..map.rows.len() {
        for column in 0..map.columns.len() {
            let Some(share) = map.share(row, column) else { continue };
            let data = paths.entry((share * STEPS).round() as usize).or_default();
            let (x, y) = (left + column as f64 * side, top + row as f64 * side);
            let side = short(side);
            let _ = write!(data, "M{} {}h{side}v{side}h-{side}z", short(x), short(y));
        }
    }
    for (step, data) in paths {
        let (r, g, b) = rgb(Ramp::Viridis, step as f64 / STEPS);
        svg.path("cell", &data, &format!(r##" fill="#{r:02x}{g:02x}{b:02x}""##));
    }
}

/// The value in each cell where it has room.
fn numbers(svg: &mut Svg, map: &HeatMap<'_>, (left, top): (f64, f64), side: f64) {
    if side < 26.0 {
        return;
    }
    for row in 0..map.rows.len() {
        for column in 0..map.columns.len() {
            let (Some(value), Some(share)) = (map.value(row, column), map.share(row, column)) else {
                continue;
            };
            let at = (left + (column as f64 + 0.5) * side, top + (row as f64 + 0.5) * side + 4.0);
            let class = if share < 0.6 { "light" } else { "dark" };
            svg.text(class, at, Anchor::Middle, 0.0, &tight(value, map.unit));
        }
    }
}

/// The colours with the values at their ends.
fn scale(svg: &mut Svg, map: &HeatMap<'_>, (left, top): (f64, f64)) {
    const WIDTH: f64 = 3.0;
    for step in 0..32 {
        let (r, g, b) = rgb(Ramp::Viridis, f64::from(step) / 31.0);
        let data =
            format!("M{} {}h{WIDTH}v6h-{WIDTH}z", short(left + 36.0 + f64::from(step) * WIDTH), short(top));
        svg.path("cell", &data, &format!(r##" fill="#{r:02x}{g:02x}{b:02x}""##));
    }
    let end = left + 40.0 + 32.0 * WIDTH;
    svg.text("quiet", (left + 32.0, top + 8.0), Anchor::End, 0.0, &tight(map.range.0, map.unit));
    svg.text("quiet", (end, top + 8.0), Anchor::Start, 0.0, &tight(map.range.1, map.unit));
}
