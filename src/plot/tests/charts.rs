use ratatui::style::Modifier;

use super::*;
use crate::plot::{Charset, Scale, View, XAxis};

#[test]
fn a_chart_in_braille_has_legend_axes_marks_best_value_and_cursor() {
    let (train, validation) = curves();
    let expected = "\
accuracy  ── train 63.2%  ╌╌ validation 43.8%
100%┤           │          ┊beta 1.5→3⠤⠔⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠊⠉⠉⠉⠉⠉⠉⠉⠉
    │           │     ⣀⣠⠤⠔⠒⠚⠉⠉lr        ⢀⣀⣀ ⠤⠤⠄ ⠤⠤ ⠐⠒⠒86.8%◆
    │           │⢀⡠⠔⠚⠉     ┊⡀┊⡠⠤⠄⠒⠒⠂ ⠉⠉
    │         ⣀⠴●⠁    ⠠⠤⠔ ⠈⠉ ┊
 50%┤      ⢀⡴⠊  │⡀ ⠒⠉⠁     ┊ ┊
    │    ⢀⠔⠉ ⣀ ⠈●          ┊ ┊
    │  ⢀⡰⠃⡀⠐⠉   │          ┊ ┊
    │ ⢠⠊⠔⠊      │          ┊ ┊
  0%┤⡰⠃         │          ┊ ┊
    └┬──────────┬──────────┬─────────┬──────────┬──────────┬
     0         200        400       600        800      1000
";
    assert_eq!(rendered(&accuracy(&train, &validation), 60, 12, &Canvas::default()), expected);
}

#[test]
fn ascii_tells_series_apart_by_letters() {
    let (train, validation) = curves();
    let expected = "\
accuracy  a train 63.2%  b validation 43.8%
100%+           |          :beta 1.5→3aaaaaaaaaaaaaaaaaaaaaa
    |           |      aaaaaaalraaaa       bb  bbbb   bbb  #
    |           | aaaaaa   : bbbb  bbb   bb
    |         aaaa    bbbbb:b:
 50%+      aaaa bbbb       : :
    |    aaabb  |          : :
    |   aabb    |          : :
    | ab        |          : :
  0%+bb         |          : :
    ++----------+----------+---------+----------+----------+
     0         200        400       600        800      1000
";
    let canvas = Canvas::mono(Charset::Ascii);
    assert_eq!(rendered(&accuracy(&train, &validation), 60, 12, &canvas), expected);
}

#[test]
fn a_small_chart_keeps_the_lines_and_sheds_the_rest() {
    let (train, validation) = curves();
    let chart = accuracy(&train, &validation);
    let canvas = Canvas { charset: Charset::Half, ..Canvas::default() };
    let small = "\
accuracy  ── train 63 +1
100%┤    │ ▄▄beta 1.5→3◆
    │   ▄●▀▄┊┊lr▀
    │ ▄▀ ●  ┊┊
  0%┤▀▀  │  ┊┊
     0  200         1000
";
    assert_eq!(rendered(&chart, 24, 6, &canvas), small);
    let tiny = rendered(&chart, 10, 3, &Canvas::default());
    assert!(tiny.contains('⡼') && !tiny.contains('%'), "{tiny}");
}

#[test]
fn without_colours_series_bear_letters_and_no_cell_has_a_colour() {
    let (train, validation) = curves();
    let buffer = drawn(80, 20, |area, buffer| {
        accuracy(&train, &validation).render(area, buffer, &Canvas::mono(Charset::Braille));
    });
    let shown = text(&buffer);
    assert!(shown.contains("a train") && shown.contains("b validation"), "{shown}");
    assert!(shown.matches('a').count() > 10, "{shown}");
    let reset = ratatui::style::Color::Reset;
    assert!(buffer.content.iter().all(|cell| cell.fg == reset && cell.bg == reset));
}

#[test]
fn the_raw_curve_is_faint_and_has_no_place_in_the_legend() {
    let (train, _) = curves();
    let chart =
        Chart::new("").series(Series::new("raw", &train).faint()).series(Series::new("smooth", &train));
    let buffer = drawn(40, 10, |area, buffer| {
        Chart::new("").series(Series::new("raw", &train).faint()).render(area, buffer, &Canvas::default());
    });
    assert!(!rendered(&chart, 40, 10, &Canvas::default()).contains("raw"));
    let dots = buffer.content.iter().filter(|cell| ('\u{2801}'..'\u{28ff}').contains(&first(cell.symbol())));
    assert!(dots.clone().count() > 10);
    assert!(dots.into_iter().all(|cell| cell.modifier.contains(Modifier::DIM)));
}

#[test]
fn a_line_over_its_faint_raw_values_is_not_faint() {
    let (train, _) = curves();
    let chart = Chart::new("").series(Series::new("raw", &train).faint()).series(Series::new("same", &train));
    let buffer = drawn(40, 10, |area, buffer| {
        chart.render(area, buffer, &Canvas::default());
    });
    assert!(buffer.content.iter().all(|cell| !cell.modifier.contains(Modifier::DIM)));
}

fn first(symbol: &str) -> char {
    symbol.chars().next().unwrap_or(' ')
}

#[test]
fn a_chart_without_values_says_so() {
    assert!(rendered(&Chart::new("loss"), 40, 8, &Canvas::default()).contains("no values"));
    let gaps = Chart::new("loss").series(Series::new("a", vec![(0.0, f64::NAN), (1.0, f64::INFINITY)]));
    assert!(rendered(&gaps, 40, 8, &Canvas::default()).contains("no values"));
}

#[test]
fn values_that_are_not_positive_have_no_place_on_a_logarithmic_axis() {
    let none = Chart::new("").y_scale(Scale::Log).series(Series::new("a", vec![(0.0, 0.0), (1.0, -2.0)]));
    assert!(rendered(&none, 40, 8, &Canvas::default()).contains("no positive values"));
    let some = vec![(0.0, 1.0), (1.0, 0.0), (2.0, 1e-3), (3.0, -1.0), (4.0, 1e-6)];
    let chart = Chart::new("").y_scale(Scale::Log).series(Series::new("a", some));
    let shown = rendered(&chart, 60, 20, &Canvas::default());
    for label in ["1┤", "0.01┤", "0.0001┤"] {
        assert!(shown.contains(label), "{label} in\n{shown}");
    }
}

#[test]
fn step_zero_is_left_out_of_a_logarithmic_x_axis() {
    let points: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), f64::from(i))).collect();
    let chart = Chart::new("").x_scale(Scale::Log).series(Series::new("a", points));
    assert_eq!((chart.extent().from, chart.extent().to), (1.0, 99.0));
}

#[test]
fn one_point_and_a_constant_are_seen() {
    for points in [vec![(5.0, 3.0)], vec![(0.0, 3.0), (9.0, 3.0)]] {
        let chart = Chart::new("").legend(false).series(Series::new("a", points));
        let shown = rendered(&chart, 40, 9, &Canvas::default());
        assert!(shown.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{shown}");
    }
}

#[test]
fn a_robust_range_ignores_a_spike_that_an_automatic_one_shows() {
    let points: Vec<(f64, f64)> =
        (0..200).map(|i| (f64::from(i), if i == 90 { 1e6 } else { f64::from(i % 10) })).collect();
    let chart = |range| Chart::new("").y_range(range).legend(false).series(Series::new("a", &points[..]));
    assert!(rendered(&chart(YRange::Auto), 60, 12, &Canvas::default()).contains("1.0M"));
    let robust = rendered(&chart(YRange::Robust), 60, 12, &Canvas::default());
    assert!(robust.contains("10┤") && !robust.contains('M'), "{robust}");
}

#[test]
fn labels_of_marks_do_not_run_into_each_other() {
    let marks = (0..6).map(|i| Mark::new(f64::from(i) * 3.0, format!("mark {i}")));
    let chart =
        Chart::new("").legend(false).series(Series::new("a", vec![(0.0, 0.0), (100.0, 0.0)])).marks(marks);
    let shown = rendered(&chart, 60, 20, &Canvas::default());
    for mark in 0..6 {
        assert!(shown.contains(&format!("mark {mark}")), "{mark} in\n{shown}");
    }
}

#[test]
fn the_mouse_finds_the_x_under_it() {
    let (train, validation) = curves();
    let chart = accuracy(&train, &validation);
    let area = Rect::new(3, 2, 60, 12);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    let panel = chart.render(area, &mut buffer, &Canvas::default());
    assert_eq!(chart.panel(area, &Canvas::default()), panel);
    assert_eq!(panel.pick(panel.area.x, panel.area.y), Some(0.0));
    assert_eq!(panel.pick(panel.area.right() - 1, panel.area.y), Some(1000.0));
    assert_eq!(panel.pick(panel.area.right(), panel.area.y), None);
    let middle = panel.pick(panel.area.x + panel.area.width / 2, panel.area.y).unwrap();
    assert!((middle - 500.0).abs() < 20.0, "{middle}");
}

#[test]
fn the_cursor_reads_out_the_nearest_value_of_each_series() {
    let (train, validation) = curves();
    let values = accuracy(&train, &validation).values_at(201.0).iter().map(|one| one.1).collect::<Vec<_>>();
    assert_eq!(values, [train.nearest(200.0).map(|p| p.1), validation.nearest(200.0).map(|p| p.1)]);
}

#[test]
fn wall_time_comes_from_a_clock_of_the_steps() {
    let (train, _) = curves();
    let clock = History::of([(0.0, 0.0), (500.0, 3600.0), (1000.0, 5400.0)]);
    let chart = Chart::new("").x_axis(XAxis::Time).series(Series::new("train", &train).along(&clock));
    assert_eq!((chart.extent().from, chart.extent().to), (0.0, 5400.0));
    assert_eq!(chart.values_at(3600.0)[0].1, train.nearest(500.0).map(|point| point.1));
    assert!(rendered(&chart, 80, 12, &Canvas::default()).contains("1h"));
}

#[test]
fn stacked_areas_add_up() {
    let level = |height: f64| vec![(0.0, height), (10.0, height)];
    let chart = Chart::new("").stacked().legend(false);
    let chart = chart.series(Series::new("a", level(1.0))).series(Series::new("b", level(2.0)));
    let chart = chart.y_range(YRange::Fixed(0.0, 4.0));
    let buffer = drawn(40, 10, |area, buffer| {
        chart.render(area, buffer, &Canvas::default());
    });
    let palette = Canvas::default().palette;
    let rows_of =
        |series: usize| (0..8).filter(|y| Some(buffer[(20, *y)].fg) == palette.of(series).fg).count();
    assert_eq!((rows_of(0), rows_of(1)), (2, 4));
}

#[test]
fn zooming_keeps_the_point_under_the_mouse_and_goes_back_to_all() {
    let chart = Chart::new("").series(Series::new("a", vec![(0.0, 0.0), (100.0, 1.0)]));
    let extent = chart.extent();
    let near = View::All.zoom(0.5, Some(25.0), extent);
    assert_eq!(near, View::Window(12.5, 62.5));
    assert_eq!(near.zoom(2.0, Some(25.0), extent), View::All);
    assert_eq!(near.pan(-1.0, extent), View::Window(0.0, 50.0));
}

#[test]
fn a_view_that_follows_shows_the_newest_part() {
    let chart = Chart::new("").series(Series::new("a", vec![(0.0, 0.0), (100.0, 1.0)]));
    let extent = chart.extent();
    let follows = View::All.zoom(0.5, None, extent);
    assert_eq!((follows, follows.window(extent)), (View::Follow(50.0), (50.0, 100.0)));
    let moved = follows.pan(-0.5, extent);
    assert_eq!(moved, View::Window(25.0, 75.0));
    assert_eq!(moved.pan(1.0, extent), View::Follow(50.0));
}
