//! Command lines that do without the workbench what is done in it.

/// A word as a shell reads it, in single quotes unless it is plain.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// An option with its value, before which a space stands; nothing without a value.
pub fn option(name: &str, value: &str) -> String {
    match value.trim() {
        "" => String::new(),
        value => format!(" --{name} {}", quoted(value)),
    }
}
