//! Text on a character grid: width, truncation, wrapping.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use crate::tui::theme::Charset;

/// Width of a text in columns.
pub fn width(text: &str) -> usize {
    Span::raw(text).styled_graphemes(Style::new()).map(|grapheme| grapheme.symbol.width()).sum()
}

/// A text truncated to `columns`, with an ellipsis if something was cut. Control characters are removed.
pub fn cut(text: &str, columns: usize, charset: Charset) -> String {
    let clean = |limit: usize| {
        let mut used = 0;
        let mut kept = String::new();
        for grapheme in Span::raw(text).styled_graphemes(Style::new()) {
            used += grapheme.symbol.width();
            if used > limit {
                return (kept, false);
            }
            kept.push_str(&readable(grapheme.symbol, charset));
        }
        (kept, true)
    };
    match clean(columns) {
        (whole, true) => whole,
        _ => {
            let ellipsis = charset.ellipsis();
            match columns.checked_sub(ellipsis.len().min(width(ellipsis))) {
                Some(room) if room > 0 => clean(room).0 + ellipsis,
                _ => clean(columns).0,
            }
        }
    }
}

/// A text of exactly `columns`: truncated, or padded with spaces (on the left if `right`).
pub fn fit(text: &str, columns: usize, right: bool, charset: Charset) -> String {
    let text = cut(text, columns, charset);
    let space = " ".repeat(columns.saturating_sub(width(&text)));
    if right { space + &text } else { text + &space }
}

/// Writes a text at a column and row of an area, clipped to it; returns the column after it.
pub fn put(buffer: &mut Buffer, area: Rect, at: (u16, u16), text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    let (column, row) = at;
    if column >= area.width || row >= area.height {
        return column;
    }
    let room = usize::from(area.width - column);
    buffer.set_stringn(area.x + column, area.y + row, text, room, style).0 - area.x
}

/// A text wrapped to lines of at most `columns`, between words where possible.
pub fn wrap(text: &str, columns: usize, charset: Charset) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let word = cut(word, usize::MAX, charset);
            let space = usize::from(!line.is_empty());
            if width(&line) + space + width(&word) <= columns {
                line.push_str(&" "[..space]);
                line.push_str(&word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line = break_word(&word, columns, &mut lines);
        }
        lines.push(line);
    }
    lines
}

/// Splits a word that is too long for a line: adds complete lines to `lines` and returns the rest.
fn break_word(word: &str, columns: usize, lines: &mut Vec<String>) -> String {
    let mut line = String::new();
    for grapheme in Span::raw(word).styled_graphemes(Style::new()) {
        if !line.is_empty() && width(&line) + grapheme.symbol.width() > columns {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(grapheme.symbol);
    }
    line
}

/// A grapheme in a character set: for ASCII, other graphemes become question marks of the same width.
fn readable(grapheme: &str, charset: Charset) -> std::borrow::Cow<'_, str> {
    match charset.is_unicode() || grapheme.is_ascii() {
        true => grapheme.into(),
        false => "?".repeat(grapheme.width()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        assert_eq!(cut("aeroplane", 9, Charset::Braille), "aeroplane");
        assert_eq!(cut("aeroplane", 5, Charset::Braille), "aero…");
        assert_eq!(cut("aeroplane", 5, Charset::Ascii), "ae...");
        assert_eq!(cut("飛行機", 5, Charset::Braille), "飛行…");
        assert_eq!(cut("飛行機", 6, Charset::Ascii), "??????");
        assert_eq!(cut("a\tb\u{1b}c", 9, Charset::Braille), "abc");
    }

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7, Charset::Braille), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3, Charset::Braille), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("a\n\nb", 3, Charset::Braille), ["a", "", "b"]);
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_its_place(text in ".{0,40}", columns in 0usize..30) {
            for charset in Charset::ALL {
                prop_assert!(width(&cut(&text, columns, charset)) <= columns);
                prop_assert_eq!(width(&fit(&text, columns, true, charset)), columns);
                let lines = wrap(&text, columns, charset);
                prop_assert!(lines.iter().all(|line| width(line) <= columns.max(2)));
                prop_assert!(charset.is_unicode() || lines.iter().all(|line| line.is_ascii()));
            }
        }
    }
}
