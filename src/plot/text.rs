//! Text in terminal columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().filter(|c| !c.is_control()).map(|c| c.width().unwrap_or(0)).sum()
}

/// The text, or its beginning and an ellipsis, in at most `columns` columns. Control characters are left out.
pub(super) fn fit(text: &str, columns: usize, ascii: bool) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    if width(&clean) <= columns {
        return clean;
    }
    let ellipsis = if ascii { "~" } else { "…" };
    let Some(room) = columns.checked_sub(ellipsis.width()) else { return String::new() };
    let mut fitted = String::new();
    let mut used = 0;
    for c in clean.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        fitted.push(c);
    }
    fitted + ellipsis
}

/// The fitted text with spaces up to `columns`, on the left where `right` is true.
pub(super) fn pad(text: &str, columns: usize, right: bool, ascii: bool) -> String {
    let fitted = fit(text, columns, ascii);
    let space = " ".repeat(columns.saturating_sub(width(&fitted)));
    if right { space + &fitted } else { fitted + &space }
}

/// The characters of a text one below the other in at most `rows` rows of `columns` columns; the last one is `~`
/// where the text does not fit.
pub(super) fn columns_of(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut signs: Vec<String> = Vec::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        match c.width().unwrap_or(0) {
            0 => signs.last_mut().into_iter().for_each(|sign| sign.push(c)),
            wide if wide > columns => signs.push("?".into()),
            _ => signs.push(c.into()),
        }
    }
    if signs.len() > rows {
        signs.truncate(rows);
        signs.last_mut().into_iter().for_each(|sign| *sign = "~".into());
    }
    signs
}
