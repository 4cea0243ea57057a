//! Tables, figures and JSON on stdout.

use std::io::Write;

use serde::Serialize;

pub(super) use crate::export::figure::{count, percent, percent_or_dash, ratio_or_dash};

/// Prints one JSON object on its own line.
pub(super) fn json(value: &impl Serialize) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    writeln!(stdout)
}

/// Prints a line of text.
pub(super) fn line(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", harmless(text))
}

/// Prints a message to stderr. Errors are ignored: the terminal may have been closed.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(text));
}

/// Prints a warning to stderr.
pub(super) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

/// Removes terminal control sequences other than line breaks and colours: names in the text may come from
/// untrusted files.
pub(super) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = colour(rest);
        let length = colour.unwrap_or(c.len_utf8());
        match colour.is_some() || matches!(c, '\n' | '\t') || !c.is_control() {
            true => safe.push_str(&rest[..length]),
            false => safe.push(char::REPLACEMENT_CHARACTER),
        }
        rest = &rest[length..];
    }
    safe
}

/// Length in bytes of the colour escape sequence at the start of a text.
fn colour(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    digits.starts_with('m').then(|| text.len() - digits.len() + 1)
}

/// A table with a header row. Columns that hold only numbers are right-aligned.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Table { rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A cell must stay on one line.
        self.rows.push(cells.into_iter().map(|cell| harmless(&cell).replace('\n', "\u{fffd}")).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(super) fn print(&self) -> std::io::Result<()> {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let figures: Vec<bool> =
            (0..columns).map(|column| self.rows[1..].iter().all(|row| is_figure(&row[column]))).collect();
        for row in &self.rows {
            let mut text = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column] - cell.chars().count());
                match figures[column] {
                    true => text.extend([pad.as_str(), cell]),
                    false => text.extend([cell, pad.as_str()]),
                }
                text.push_str("  ");
            }
            line(text.trim_end())?;
        }
        Ok(())
    }
}

fn is_figure(cell: &str) -> bool {
    cell == "-" || cell.trim_end_matches(['%', 'k', 'M', 'G', 's', ' ']).parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(
            harmless("a\u{1b}]0;title\u{7}\r\u{9b}2Jb\nc"),
            "a\u{fffd}]0;title\u{fffd}\u{fffd}\u{fffd}2Jb\nc"
        );
        assert_eq!(harmless("\u{1b}[31;1mred\u{1b}[0m \u{1b}[2J"), "\u{1b}[31;1mred\u{1b}[0m \u{fffd}[2J");
    }

    #[test]
    fn figures_are_recognised_with_their_units() {
        assert!(is_figure("15.25 M") && is_figure("17.28 %") && is_figure("-") && !is_figure("cat"));
    }
}
