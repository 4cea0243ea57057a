//! Screen snapshots as text files next to the tests.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};

/// The snapshot sizes: comfortable, wide, compact.
pub const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (60, 16)];

/// The characters of a buffer, line by line, without trailing spaces.
pub fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let line = |y| {
        let cells = (0..area.width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..area.height).map(line).collect::<Vec<_>>().join("\n")
}

/// The characters, followed by the styles: per line runs `STYLExLENGTH`, then a legend of the style numbers.
pub fn styled(buffer: &Buffer) -> String {
    let mut styles: Vec<Style> = Vec::new();
    let area = buffer.area;
    let mut rows = Vec::new();
    for y in 0..area.height {
        let mut row: Vec<(usize, usize)> = Vec::new();
        for x in 0..area.width {
            let style = buffer[(x, y)].style();
            let at = styles.iter().position(|known| *known == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            match row.last_mut() {
                Some((last, length)) if *last == at => *length += 1,
                _ => row.push((at, 1)),
            }
        }
        let runs = row.iter().map(|(at, length)| format!("{at}x{length}"));
        rows.push(runs.collect::<Vec<_>>().join(" "));
    }
    let legend = styles.iter().enumerate().map(|(at, style)| {
        let colour = |colour: Option<Color>| colour.map_or_else(|| "-".into(), |c| c.to_string());
        format!("{at} {} {} {:?}", colour(style.fg), colour(style.bg), style.add_modifier)
    });
    format!("{}\n\n{}\n\n{}\n", text(buffer), rows.join("\n"), legend.collect::<Vec<_>>().join("\n"))
}

/// Compares with `src/tui/<room>/snapshots/<name>.txt`; with UPDATE_SNAPSHOTS set it writes the file instead.
pub fn compare(room: &str, name: &str, found: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui").join(room).join("snapshots");
    let path = directory.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == found, "{name} looks otherwise than {}:\n{found}", path.display());
}
