use ratatui::style::Color;

use super::*;
use crate::plot::{Bar, Bars, Charset, Depth, HeatMap, Picture, Ramp, cluster};

fn classes(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("class {index}")).collect()
}

#[test]
fn a_heat_map_shows_names_shades_and_the_selected_cell() {
    let names = ["cat".to_owned(), "dog".to_owned(), "飛行機".to_owned()];
    let values = vec![1.0, 0.5, 0.0, 0.5, 1.0, f64::NAN, 0.0, 0.25, 1.0];
    let map = HeatMap::new("overlap", &names[..], &names[..], values).selected(Some((0, 1)));
    let buffer = drawn(40, 6, |area, buffer| {
        map.render(area, buffer, &Canvas::mono(Charset::Braille));
    });
    let expected = "\
overlap
       cat   dog   飛行…
   cat ███ 1 ▒ .50     0
   dog ▒ .50 ███ 1 ·
飛行機     0 ░ .25 ███ 1
cat × dog: 0.5000         0   ░░▒▒▓▓██ 1
";
    // A wide character takes two cells; the second is empty.
    assert_eq!(
        text(&buffer).replace("飛 ", "飛").replace("行 ", "行").replace("機 ", "機"),
        expected.replace("飛 ", "飛")
    );
}

#[test]
fn a_map_larger_than_its_area_scrolls_to_the_selected_cell() {
    let names = classes(100);
    let values = vec![0.5; 10_000];
    for selected in [(0, 0), (50, 50), (99, 99)] {
        let map = HeatMap::new("", &names[..], &names[..], &values[..]).selected(Some(selected));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 20));
        let cells = map.render(buffer.area, &mut buffer, &Canvas::default());
        let (row, column) = (selected.0 - cells.first.0, selected.1 - cells.first.1);
        assert!(row < cells.shown.0 && column < cells.shown.1, "{cells:?}");
        let at = (cells.area.x + column as u16 * cells.width, cells.area.y + row as u16);
        assert_eq!(cells.pick(at.0, at.1), Some(selected));
    }
}

#[test]
fn a_dense_map_puts_two_rows_into_one() {
    let map = HeatMap::new("", classes(4), classes(3), vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0]).dense();
    let buffer = drawn(9, 2, |area, buffer| {
        map.render(area, buffer, &Canvas::mono(Charset::Braille));
    });
    assert_eq!(text(&buffer), "▀▄█\n\n");
}

#[test]
fn colours_of_a_ramp_follow_the_depth_of_the_terminal() {
    let ground = |depth| {
        let canvas = Canvas { depth, ramp: Ramp::Viridis, ..Canvas::default() };
        let map = HeatMap::new("", classes(1), classes(1), vec![1.0]);
        drawn(4, 1, |area, buffer| {
            map.render(area, buffer, &canvas);
        })[(0, 0)]
            .bg
    };
    assert_eq!(ground(Depth::True), Color::Rgb(0xfd, 0xe7, 0x25));
    assert_eq!(ground(Depth::Sixteen), Color::Yellow);
    assert_eq!(ground(Depth::Mono), Color::Reset);
}

#[test]
fn bars_show_part_whole_and_share() {
    let bars = Bars::new(
        "kept",
        [Bar::new("conv1", 16.0, 64.0), Bar::new("conv10", 128.0, 128.0), Bar::new("", 0.0, 0.0)],
    );
    let expected = "\
kept
conv1  ████············   16/64  25%
conv10 ████████████████ 128/128 100%
       ················     0/0   0%
";
    assert_eq!(text(&drawn(36, 4, |area, buffer| bars.render(area, buffer, &Canvas::default()))), expected);
}

#[test]
fn a_picture_puts_two_pixels_into_a_cell() {
    let picture = Picture::planar(3, 2, 1, &[255, 0, 0, 0, 0, 255]).unwrap();
    let buffer = drawn(1, 1, |area, buffer| picture.render(area, buffer, &Canvas::default()));
    let cell = &buffer[(0, 0)];
    assert_eq!((cell.symbol(), cell.fg, cell.bg), ("▀", Color::Rgb(255, 0, 0), Color::Rgb(0, 0, 255)));
}

#[test]
fn a_picture_without_colours_is_drawn_in_shades() {
    let picture = Picture::planar(1, 2, 2, &[0, 255, 0, 255]).unwrap();
    for (charset, expected) in [(Charset::Braille, " █\n"), (Charset::Ascii, " @\n")] {
        let buffer = drawn(2, 1, |area, buffer| picture.render(area, buffer, &Canvas::mono(charset)));
        assert_eq!(text(&buffer), expected);
    }
}

#[test]
fn a_picture_of_another_size_than_its_values_is_refused() {
    assert_eq!(Picture::planar(3, 2, 2, &[0; 11]), None);
    assert_eq!(Picture::planar(2, 1, 1, &[0; 2]), None);
    assert_eq!(Picture::planar(1, 0, 0, &[]), None);
}

#[test]
fn clustering_puts_what_is_alike_together() {
    // 0, 2, 4 are alike, and so are 1, 3.
    let alike = |i: usize, j: usize| {
        if i == j {
            1.0
        } else if i % 2 == j % 2 {
            0.8
        } else {
            0.1
        }
    };
    let matrix: Vec<f64> = (0..25).map(|cell| alike(cell / 5, cell % 5)).collect();
    assert_eq!(cluster(&matrix, 5), [0, 2, 4, 1, 3]);
}

#[test]
fn clustering_joins_by_average_linkage() {
    // 0-1 join first (0.9); then 2 is nearer to 3 (0.5) than to {0, 1} on average (0.4).
    let matrix = [
        1.0, 0.9, 0.7, 0.0, //
        0.9, 1.0, 0.1, 0.0, //
        0.7, 0.1, 1.0, 0.5, //
        0.0, 0.0, 0.5, 1.0,
    ];
    assert_eq!(cluster(&matrix, 4), [0, 1, 2, 3]);
    let reversed: Vec<f64> = matrix.iter().rev().copied().collect();
    assert_eq!(cluster(&reversed, 4), [0, 1, 2, 3]);
}

#[test]
fn every_index_is_in_a_clustered_order_once() {
    for size in [0, 1, 2, 30] {
        let matrix: Vec<f64> = (0..size * size).map(|cell| (cell as f64 * 0.7).sin()).collect();
        let mut order = cluster(&matrix, size);
        order.sort_unstable();
        assert_eq!(order, (0..size).collect::<Vec<_>>());
    }
    assert_eq!(cluster(&[f64::NAN; 4], 2), [0, 1]);
}
