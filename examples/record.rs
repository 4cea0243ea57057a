//! Records a session of the workbench: the program in a pseudo-terminal, on the embedded data, controlled by
//! scripted keys. Writes an asciinema cast and SVG images of some screens.
//!
//! ```text
//! cargo build --release && cargo run --release --example record -- target/release/cleave docs/pictures
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use vt100::{Color, Parser, Screen};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// The terminal size, as (rows, columns).
const SIZE: (NonZero<u16>, NonZero<u16>) = (NonZero::new(ROWS).unwrap(), NonZero::new(COLUMNS).unwrap());

/// The background colour.
const GROUND: &str = "#16181d";

/// A step of the script.
enum Step {
    /// Waits until a text is on the screen.
    See(&'static str),
    /// Pauses for a number of seconds.
    Look(f64),
    /// Types keys.
    Type(&'static str),
    /// Saves an image under a name.
    Picture(&'static str),
}

use Step::{Look, Picture, See, Type};

const SESSION: &[Step] = &[
    See("No runs yet"),
    Look(1.0),
    Type("n"),
    See("timed steps"),
    Look(1.5),
    Picture("new-run"),
    Type("\x13"),
    See("coupling"),
    Look(1.2),
    Type("]"),
    Look(0.3),
    Type("+"),
    Look(0.3),
    Type("+"),
    Look(1.2),
    Picture("dashboard"),
    Type("3"),
    See("threshold"),
    Look(1.0),
    Type(" "),
    Look(0.5),
    Type("j "),
    Look(1.5),
    Picture("modules"),
    Type("v"),
    Look(1.5),
    Picture("retention"),
    Type("x"),
    Look(1.0),
    Type("\t\t\t\x152\t\x151"),
    Look(1.0),
    Type("\x13"),
    See("extracted module 0-1"),
    Look(2.0),
    Picture("module"),
    Type("?"),
    Look(1.5),
    Type("\x1b"),
    Look(0.5),
    Type("q"),
    Look(1.0),
    Type("\r"),
    Look(2.0),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(program), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: record PROGRAM FOLDER".into());
    };
    std::fs::create_dir_all(&folder)?;
    let home = tempfile::tempdir()?;
    let mut session = Session::start(&program, home.path())?;
    for step in SESSION {
        match step {
            See(text) => session.see(text)?,
            Look(seconds) => session.look(Duration::from_secs_f64(*seconds)),
            Type(keys) => session.keys.write_all(keys.as_bytes())?,
            Picture(name) => {
                std::fs::write(folder.join(format!("{name}.svg")), picture(session.parser.screen()))?;
            }
        }
    }
    std::fs::write(folder.join("session.cast"), session.cast)?;
    Ok(())
}

/// The running program and its recorded output.
struct Session {
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: Parser,
    cast: String,
    begun: Instant,
    _pty: Box<dyn portable_pty::MasterPty + Send>,
}

impl Session {
    fn start(program: &Path, home: &Path) -> Result<Session, Box<dyn Error>> {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(program.canonicalize()?);
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")] {
            command.env(name, value);
        }
        command.env("CLEAVE_HOME", home);
        command.env_remove("NO_COLOR");
        command.args(["--device", "cpu"]);
        pair.slave.spawn_command(command)?;
        let mut reader = pair.master.try_clone_reader()?;
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let header = serde_json::json!({"version": 2, "width": COLUMNS, "height": ROWS});
        Ok(Session {
            keys: pair.master.take_writer()?,
            output,
            parser: Parser::new(SIZE.0, SIZE.1, 0),
            cast: format!("{header}\n"),
            begun: Instant::now(),
            _pty: pair.master,
        })
    }

    fn look(&mut self, span: Duration) {
        let until = Instant::now() + span;
        while let Ok(bytes) = self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.parser.process(&bytes);
            let line =
                serde_json::json!([self.begun.elapsed().as_secs_f64(), "o", String::from_utf8_lossy(&bytes)]);
            let _ = writeln!(self.cast, "{line}");
        }
    }

    fn see(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.parser.screen().contents().contains(text) {
            if Instant::now() > until {
                return Err(
                    format!("`{text}` is not on the screen:\n{}", self.parser.screen().contents()).into()
                );
            }
            self.look(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// Renders a screen as SVG; a cell is 9 by 18 units.
fn picture(screen: &Screen) -> String {
    let (width, height) = (u32::from(COLUMNS) * 9, u32::from(ROWS) * 18);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..ROWS {
        let cells: Vec<Cell> = (0..COLUMNS).filter_map(|column| cell(screen, row, column)).collect();
        for run in cells.chunk_by(|a, b| a.ground == b.ground).filter(|run| run[0].ground != GROUND) {
            let (x, y, width) = (u32::from(run[0].column) * 9, u32::from(row) * 18, run.len() * 9);
            let ground = &run[0].ground;
            let _ = writeln!(svg, "<path d=\"M{x} {y}h{width}v18h-{width}\" fill=\"{ground}\"/>");
        }
        for run in cells.chunk_by(Cell::goes_on) {
            draw(&mut svg, run, row);
        }
    }
    svg + "</svg>\n"
}

/// A cell of the screen.
struct Cell {
    column: u16,
    text: String,
    ink: String,
    ground: String,
    bold: bool,
}

fn cell(screen: &Screen, row: u16, column: u16) -> Option<Cell> {
    let cell = screen.cell(row, column)?;
    let (mut ink, mut ground) = (colour(cell.fgcolor(), "#d7dae0"), colour(cell.bgcolor(), GROUND));
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut ground);
    }
    Some(Cell { column, text: cell.contents().trim().to_owned(), ink, ground, bold: cell.bold() })
}

impl Cell {
    /// 0 for characters that every monospace font has; others may come from fallback fonts of another width.
    fn kind(&self) -> u8 {
        match self.text.chars().next() {
            None | Some(' '..='~') => 0,
            Some('\u{2800}'..='\u{28ff}') => 1,
            Some(_) => 2,
        }
    }

    fn goes_on(&self, next: &Cell) -> bool {
        (self.kind(), &self.ink, self.bold) == (next.kind(), &next.ink, next.bold)
    }
}

/// Consecutive cells rendered as one text element, stretched to their columns.
fn draw(svg: &mut String, run: &[Cell], row: u16) {
    let is_blank = |cell: &&Cell| cell.text.is_empty();
    let before = run.iter().take_while(is_blank).count();
    let behind = run[before..].iter().rev().take_while(is_blank).count();
    let run = &run[before..run.len() - behind];
    let Some(first) = run.first() else { return };
    // Non-breaking spaces, because SVG collapses repeated spaces.
    let text: String =
        run.iter().map(|cell| if cell.text.is_empty() { "\u{a0}" } else { &cell.text }).collect();
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let (x, y, width) = (u32::from(first.column) * 9, u32::from(row) * 18 + 14, run.len() * 9);
    let weight = if first.bold { " font-weight=\"bold\"" } else { "" };
    let adjust = if first.kind() == 0 { "" } else { " lengthAdjust=\"spacingAndGlyphs\"" };
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" fill=\"{}\"{weight} textLength=\"{width}\"{adjust}>{text}</text>",
        first.ink
    );
}

fn colour(color: Color, default: &str) -> String {
    const BASE: [&str; 16] = [
        "#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5", "#666666",
        "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
    ];
    match color {
        Color::Default => default.to_owned(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Idx(index @ 0..16) => BASE[usize::from(index)].to_owned(),
        Color::Idx(index @ 16..232) => {
            let part = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let index = index - 16;
            format!("#{:02x}{:02x}{:02x}", part(index / 36), part(index / 6 % 6), part(index % 6))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}
