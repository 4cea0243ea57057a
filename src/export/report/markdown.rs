//! Renders a report as Markdown; its figures are separate files.

use std::fmt::Write;

use super::document::{Block, Document, Table};
use crate::markup::markdown as safe;

pub(super) fn page(page: &Document) -> String {
    let mut text = format!("# {}\n", safe(&page.title));
    for block in &page.blocks {
        text.push('\n');
        put(block, &mut text);
    }
    text
}

fn put(block: &Block, text: &mut String) {
    let _ = match block {
        Block::Heading(level, title) => writeln!(text, "{} {}", "#".repeat(usize::from(*level)), safe(title)),
        Block::Text(words) => writeln!(text, "{}", safe(words)),
        Block::Table(table) => {
            put_table(table, text);
            Ok(())
        }
        Block::Code(caption, code) => {
            let fence = fence(code);
            writeln!(text, "{}:\n\n{fence}\n{}\n{fence}", safe(caption), code.trim_end())
        }
        Block::Figure(figure) => {
            writeln!(text, "![{}]({})\n\n{}", safe(&figure.title), figure.file(), safe(&figure.caption))
        }
    };
}

/// A fence longer than any run of backticks at the start of a line of the code.
fn fence(code: &str) -> String {
    let ticks = |line: &str| line.trim_start().chars().take_while(|c| *c == '`').count();
    "`".repeat(code.lines().map(ticks).max().unwrap_or(0).max(2) + 1)
}

fn put_table(table: &Table, text: &mut String) {
    let width = table.rows.first().map_or(table.columns.len(), Vec::len);
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    match table.columns.is_empty() {
        true => line(&mut std::iter::repeat_n(String::new(), width)),
        false => line(&mut table.columns.iter().map(|column| safe(column))),
    }
    let rule = |column| if table.is_of_figures(column) { "---:" } else { "---" };
    line(&mut (0..width).map(|column| rule(column).to_owned()));
    for row in &table.rows {
        line(&mut row.iter().map(|cell| safe(cell)));
    }
}
