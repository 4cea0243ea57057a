//! Renders a report as one self-contained HTML file without scripts or external resources.

use std::fmt::Write;

use super::document::{Block, Document, Figure, Table};
use crate::markup::html as safe;

/// Follows the system's light or dark mode; wide tables scroll horizontally.
const STYLE: &str = include_str!("style.css");

/// Content security policy: no external resources. Browsers report violations on their console.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub(super) fn page(page: &Document) -> String {
    let title = safe(&page.title);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    let headings = page.blocks.iter().filter(|block| matches!(block, Block::Heading(2, _))).count();
    if headings > 1 {
        contents(page, &mut text);
    }
    let mut heading = 0;
    for block in &page.blocks {
        if let Block::Heading(2, _) = block {
            heading += 1;
        }
        put(block, heading, &mut text);
    }
    text.push_str("</main>\n</body>\n</html>\n");
    text
}

fn contents(page: &Document, text: &mut String) {
    text.push_str("<nav><ul>\n");
    let headings = page.blocks.iter().filter_map(|block| match block {
        Block::Heading(2, title) => Some(title),
        _ => None,
    });
    for (number, title) in (1..).zip(headings) {
        let _ = writeln!(text, "<li><a href=\"#part-{number}\">{}</a></li>", safe(title));
    }
    text.push_str("</ul></nav>\n");
}

fn put(block: &Block, number: usize, text: &mut String) {
    let _ = match block {
        Block::Heading(2, title) => writeln!(text, "<h2 id=\"part-{number}\">{}</h2>", safe(title)),
        Block::Heading(level, title) => writeln!(text, "<h{level}>{}</h{level}>", safe(title)),
        // Keep a number and its unit on one line.
        Block::Text(words) => writeln!(text, "<p>{}</p>", safe(words).replace(" %", "\u{a0}%")),
        Block::Table(table) => {
            put_table(table, text);
            Ok(())
        }
        Block::Code(caption, code) => writeln!(
            text,
            "<details{}><summary>{}</summary><pre>{}</pre></details>",
            // Short code is shown expanded.
            if code.lines().count() <= 12 { " open=\"open\"" } else { "" },
            safe(caption),
            safe(code)
        ),
        Block::Figure(Figure { caption, svg, width, .. }) => writeln!(
            text,
            "<figure style=\"--width: {width}px\">{svg}<figcaption>{}</figcaption></figure>",
            safe(caption)
        ),
    };
}

fn put_table(table: &Table, text: &mut String) {
    text.push_str("<div class=\"wide\"><table>\n");
    let class = |column| if table.is_of_figures(column) { " class=\"figure\"" } else { "" };
    if !table.columns.is_empty() {
        text.push_str("<thead><tr>");
        for (column, name) in table.columns.iter().enumerate() {
            let _ = write!(text, "<th{}>{}</th>", class(column), safe(name));
        }
        text.push_str("</tr></thead>\n");
    }
    text.push_str("<tbody>\n");
    for row in &table.rows {
        text.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let tag = if column == 0 { "th" } else { "td" };
            let _ = write!(text, "<{tag}{}>{}</{tag}>", class(column), safe(cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
}
