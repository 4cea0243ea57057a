//! Any size, numbers and names are drawn without a panic, and into the area only.

use proptest::prelude::*;

use super::*;
use crate::plot::{Bar, Bars, Charset, Depth, HeatMap, Palette, Picture, Ramp, Scale, View, XAxis};

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0f64..10.0,
        2 => 0.0f64..1.0,
        1 => prop::num::f64::ANY,
        1 => prop::sample::select(vec![0.0, -0.0, 1e300, -1e308, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e16]),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "a",
        "飛行機",
        "e\u{301}\u{301}",
        "👩‍👩‍👧",
        "x\ny\t\u{7}",
        "\u{200b}",
        "long name of a class",
    ])
    .prop_map(str::to_owned)
}

fn points() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let ordered = prop::collection::vec((number(), number()), 0..40).prop_map(|mut points| {
        points.retain(|point| !point.0.is_nan());
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    });
    prop_oneof![ordered, prop::collection::vec((number(), number()), 0..20)]
}

fn canvas() -> impl Strategy<Value = Canvas> {
    let charset = prop::sample::select(vec![Charset::Braille, Charset::Half, Charset::Ascii]);
    let depth = prop::sample::select(vec![Depth::True, Depth::Sixteen, Depth::Mono]);
    let ramp = prop::sample::select(vec![Ramp::Viridis, Ramp::Cividis, Ramp::Grey]);
    (charset, depth, ramp, any::<bool>()).prop_map(|(charset, depth, ramp, mono)| {
        let palette = if mono { Palette::mono() } else { Palette::default() };
        Canvas { charset, depth, ramp, palette }
    })
}

fn view() -> impl Strategy<Value = View> {
    prop_oneof![
        Just(View::All),
        number().prop_map(View::Follow),
        (number(), number()).prop_map(|(from, to)| View::Window(from, to)),
    ]
}

fn range() -> impl Strategy<Value = YRange> {
    prop_oneof![
        Just(YRange::Auto),
        Just(YRange::Robust),
        (number(), number()).prop_map(|(low, high)| YRange::Fixed(low, high)),
    ]
}

/// A name, points, and whether they become a history.
type Named = (String, Vec<(f64, f64)>, bool);

/// A chart of everything. Series are points, or histories along a clock.
fn draw_chart(
    data: &[Named],
    marks: &[(f64, String)],
    kind: (Scale, Scale, Unit, XAxis),
    flags: (bool, bool),
    (view, range, cursor): (View, YRange, Option<f64>),
    mut then: impl FnMut(&Chart<'_>),
) {
    let histories: Vec<History> = data.iter().map(|one| History::of(one.1.iter().copied())).collect();
    let clock = histories.first().cloned().unwrap_or_default();
    let mut chart = Chart::new(data.first().map_or("", |one| &one.0))
        .x_scale(kind.0)
        .y_scale(kind.1)
        .unit(kind.2)
        .x_axis(kind.3)
        .view(view)
        .y_range(range)
        .cursor(cursor)
        .marks(marks.iter().map(|(x, label)| Mark::new(*x, label.clone())));
    for ((name, points, faint), history) in data.iter().zip(&histories) {
        let series = match flags.0 {
            true => Series::new(name.clone(), &points[..]),
            false => Series::new(name.clone(), history).along(&clock).best(Best::Lowest),
        };
        chart = chart.series(if *faint { series.faint() } else { series.best(Best::Highest) });
    }
    then(&if flags.1 { chart.stacked() } else { chart });
}

const SCALES: [Scale; 2] = [Scale::Linear, Scale::Log];
const UNITS: [Unit; 4] = [Unit::Number, Unit::Percent, Unit::Count, Unit::Seconds];
const AXES: [XAxis; 4] = [XAxis::Step, XAxis::Epoch, XAxis::Time, XAxis::Number];

/// Nothing outside of the area was drawn into.
fn stays_inside(area: Rect, mut draw: impl FnMut(Rect, &mut Buffer)) -> bool {
    let mut buffer = Buffer::filled(Rect::new(0, 0, 220, 70), ratatui::buffer::Cell::new("≈"));
    draw(area, &mut buffer);
    let outside = |at: &ratatui::layout::Position| !area.contains(*at);
    buffer.area.positions().filter(outside).all(|at| buffer[at].symbol() == "≈")
}

fn area() -> impl Strategy<Value = Rect> {
    let size = prop_oneof![(0u16..6, 0u16..6), (0u16..40, 0u16..15), (0u16..=200, 0u16..=50)];
    (0u16..20, 0u16..20, size).prop_map(|(x, y, (width, height))| Rect::new(x, y, width, height))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn charts(
        (area, canvas) in (area(), canvas()),
        data in prop::collection::vec((name(), points(), any::<bool>()), 0..5),
        marks in prop::collection::vec((number(), name()), 0..6),
        kind in (0usize..2, 0usize..2, 0usize..4, 0usize..4),
        flags in any::<(bool, bool)>(),
        window in (view(), range(), prop::option::of(number())),
        (factor, at, share) in (number(), prop::option::of(number()), number()),
    ) {
        let kind = (SCALES[kind.0], SCALES[kind.1], UNITS[kind.2], AXES[kind.3]);
        let mut inside = true;
        draw_chart(&data, &marks, kind, flags, window, |chart| {
            let stays = stays_inside(area, |area, buffer| {
                let panel = chart.render(area, buffer, &canvas);
                inside &= panel == chart.panel(area, &canvas);
                inside &= panel.pick(area.x, area.y).is_none_or(f64::is_finite);
            });
            inside &= stays;
            let view = window.0.zoom(factor, at, chart.extent()).pan(share, chart.extent());
            let (from, to) = view.window(chart.extent());
            inside &= from < to;
            let _ = chart.to_csv();
            inside &= super::vector::is_well_formed(&chart.to_svg());
        });
        prop_assert!(inside);
    }

    #[test]
    fn heat_maps(
        (area, canvas, dense) in (area(), canvas(), any::<bool>()),
        rows in prop::collection::vec(name(), 0..30),
        columns in prop::collection::vec(name(), 0..120),
        values in prop::collection::vec(number(), 0..400),
        (low, high) in (number(), number()),
        selected in prop::option::of((0usize..40, 0usize..130)),
        unit in 0usize..4,
    ) {
        let map = HeatMap::new("title", rows.clone(), columns.clone(), values)
            .range(low, high).unit(UNITS[unit]).selected(selected);
        let map = if dense { map.dense() } else { map };
        let inside = stays_inside(area, |area, buffer| {
            let cells = map.render(area, buffer, &canvas);
            for at in area.positions() {
                if let Some((row, column)) = cells.pick(at.x, at.y) {
                    assert!(row < rows.len() && column < columns.len());
                }
            }
        });
        prop_assert!(inside);
        prop_assert!(super::vector::is_well_formed(&map.to_svg()));
        let _ = map.to_csv();
    }

    #[test]
    fn bars_and_pictures(
        (area, canvas) in (area(), canvas()),
        bars in prop::collection::vec((name(), number(), number()), 0..30),
        selected in prop::option::of(0usize..40),
        (height, width) in (1usize..40, 1usize..40),
    ) {
        let bars = Bars::new("kept", bars.into_iter().map(|(name, part, whole)| Bar::new(name, part, whole)))
            .selected(selected);
        let picture = Picture::planar(3, height, width, &vec![7; 3 * height * width]).unwrap();
        let inside = stays_inside(area, |area, buffer| {
            bars.render(area, buffer, &canvas);
            picture.render(area, buffer, &canvas);
        });
        prop_assert!(inside);
        prop_assert!(super::vector::is_well_formed(&bars.to_svg()));
    }
}
