//! Tables as comma-separated values (RFC 4180, with line feeds).

/// A heading and rows.
pub(super) fn table<const N: usize>(
    heading: [String; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let lines = std::iter::once(heading).chain(rows).map(|row| line(&row));
    lines.collect()
}

/// A line of fields.
pub(super) fn line(fields: &[String]) -> String {
    fields.iter().map(|text| field(text)).collect::<Vec<_>>().join(",") + "\n"
}

/// A number that reads back as the same; nothing where it is not finite.
pub(super) fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// A text as a field.
pub fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
