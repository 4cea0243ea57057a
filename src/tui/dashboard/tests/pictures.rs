//! Snapshots of the screen, at three sizes, with and without colours.

use super::*;
use crate::tui::snapshot::{SIZES, compare, styled};

/// A training run with an applied change, a pending change, and a cursor.
fn scene() -> Bench {
    let mut bench = Bench::training("digits-mwt", 200);
    bench.act(Action::NextSlider);
    bench.act(Action::SliderUp);
    while bench.apply(200).is_some() {}
    bench.train(200, 400);
    bench.act(Action::SliderUp);
    bench.act(Action::Bottom);
    (0..20).for_each(|_| bench.act(Action::Left));
    bench
}

#[test]
fn the_screen_looks_as_it_did() {
    let mut bench = scene();
    for (width, height) in SIZES {
        bench.shared.theme = Theme::Dark;
        bench.shared.charset = Charset::Braille;
        compare("dashboard", &format!("{width}x{height}"), &styled(&bench.draw(width, height)));
        bench.shared.theme = Theme::Mono;
        bench.shared.charset = Charset::Ascii;
        compare("dashboard", &format!("{width}x{height}-mono"), &styled(&bench.draw(width, height)));
    }
}

#[test]
fn without_colours_nothing_is_coloured_and_in_ascii_nothing_is_beyond_it() {
    let mut bench = scene();
    bench.shared.theme = Theme::Mono;
    bench.shared.charset = Charset::Ascii;
    for (width, height) in SIZES {
        for cell in &bench.draw(width, height).content {
            let plain = ratatui::style::Color::Reset;
            assert!(cell.fg == plain && cell.bg == plain && cell.symbol().is_ascii(), "{cell:?}");
        }
    }
}

#[test]
fn series_differ_in_colour() {
    let mut bench = scene();
    let buffer = bench.draw(120, 40);
    let colours: std::collections::HashSet<_> = buffer.content.iter().map(|cell| cell.fg).collect();
    for series in 0..3 {
        let style = Theme::Dark.style(crate::tui::theme::Role::Series(series));
        assert!(colours.contains(&style.fg.unwrap()), "series {series}");
    }
}

#[test]
fn a_chart_can_have_the_screen_for_itself() {
    let mut bench = scene();
    bench.act(Action::NextPane);
    bench.act(Action::ExpandChart);
    let text = bench.text(80, 24);
    assert!(text.contains("2/5 loss") && !text.contains("cohesion  "), "{text}");
    bench.act(Action::Back);
    assert!(bench.text(80, 24).contains("retention"));
}
