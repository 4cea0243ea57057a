//! Text from outside (names of classes, runs and presets) made safe for HTML and Markdown.

/// Text for HTML, inside an element or a quoted attribute; control characters but line ends become spaces.
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Text for a line or a table cell of Markdown: nothing in it is markup, and it stays on its line.
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '>' | '~' | '!' | '$' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_be_markup_is_text() {
        assert_eq!(html("<b a='1'>&\"\u{1b}"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot; ");
        assert_eq!(markdown("a|b\n[x](y) <i>"), "a\\|b \\[x\\](y) &lt;i\\>");
    }

    proptest! {
        #[test]
        fn nothing_opens_a_tag_or_leaves_its_line(text in "\\PC{0,40}|[<>&\"'|\\n`\\[]{0,20}") {
            let html = html(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            prop_assert!(!markdown(&text).contains(['<', '\n']));
        }
    }
}
