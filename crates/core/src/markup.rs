//! Escaping of untrusted text (names of classes, runs and presets) for HTML and Markdown.

/// Escapes text for an HTML element or quoted attribute; control characters except line breaks and tabs become spaces.
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

/// Escapes text for a line or table cell of Markdown: it contains no markup and no line break.
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
