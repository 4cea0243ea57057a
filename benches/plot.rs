//! How long a frame of charts takes: `cargo bench --bench plot`. Prints medians of 51 frames and, for
//! computers that have other work, the fastest.
//!
//! The goal is a frame under 8 ms with 8 series of 200,000 points at 200 x 50.

use std::hint::black_box;
use std::time::Instant;

use cleave::plot::{Canvas, Chart, Curve, HeatMap, History, Mark, Picture, Series, View};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SERIES: usize = 8;
const POINTS: usize = 200_000;
const AREA: Rect = Rect { x: 0, y: 0, width: 200, height: 50 };

fn main() {
    let points: Vec<Vec<(f64, f64)>> =
        (0..SERIES).map(|number| (0..POINTS).map(|i| point(number, i)).collect()).collect();
    let histories: Vec<History> = points.iter().map(|points| History::of(points.iter().copied())).collect();

    append();
    let frame = |name: &str, chart: &Chart<'_>| {
        let mut buffer = Buffer::empty(AREA);
        report(name, || {
            buffer.reset();
            chart.render(AREA, &mut buffer, &Canvas::default());
            black_box(&buffer);
        });
    };
    let of_histories = || with(histories.iter().map(|history| Series::new("series", history)));
    frame("8 histories of 200,000 points, 200x50", &of_histories());
    frame(
        "the same with a cursor, following the last 3,000",
        &of_histories().view(View::Follow(3e3)).cursor(Some(199_000.0)),
    );
    frame("the same stacked", &of_histories().stacked());
    let raw = with(points.iter().map(|points| Series::new("series", &points[..])));
    frame("8 x 200,000 points without a history, 200x50", &raw);

    let names: Vec<String> = (0..100).map(|index| format!("class {index}")).collect();
    let values: Vec<f64> = (0..10_000).map(|index| f64::from(index) / 1e4).collect();
    let map = HeatMap::new("overlap", &names[..], &names[..], &values[..]).selected(Some((50, 50)));
    let mut buffer = Buffer::empty(AREA);
    report("heat map of 100 x 100, 200x50", || {
        map.render(AREA, &mut buffer, &Canvas::default());
    });
    if let Some(picture) = Picture::planar(3, 224, 224, &vec![100; 3 * 224 * 224]) {
        report("picture of 224 x 224, 200x50", || picture.render(AREA, &mut buffer, &Canvas::default()));
    }
    report("8 histories of 200,000 points as SVG", || drop(black_box(of_histories().to_svg())));
}

/// A noisy curve that falls.
fn point(series: usize, index: usize) -> (f64, f64) {
    let x = index as f64;
    (x, series as f64 + (-x / 5e4).exp() + 0.3 * (x * 77.7 + series as f64).sin())
}

fn with<'a>(series: impl Iterator<Item = Series<'a>>) -> Chart<'a> {
    let chart = Chart::new("loss").mark(Mark::new(5e4, "beta 1.5→3")).mark(Mark::new(6e4, "alpha 0.5→1"));
    series.fold(chart, Chart::series)
}

/// Appending to a smoothed curve, and the memory that a million points take.
fn append() {
    const MILLION: usize = 1_000_000;
    let start = Instant::now();
    let mut curve = Curve::new(0.9);
    for index in 0..MILLION {
        let (x, y) = point(0, index);
        curve.push(x, y);
    }
    let each = start.elapsed().as_secs_f64() * 1e9 / MILLION as f64;
    let kept = curve.raw().points(f64::NEG_INFINITY, f64::INFINITY).count();
    println!("{each:9.1} ns  to append a point to a smoothed curve ({kept} of a million kept)");
    report("new weight of smoothing for a million points", || curve.set_weight(0.95));
}

fn report(name: &str, mut run: impl FnMut()) {
    let mut times: Vec<f64> = (0..51)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{:9.3} ms, at best {:.3}  {name}", times[times.len() / 2], times[0]);
}
