//! Names of runs and modules: readable, and safe as the name of a directory and in shells on Unix.

use super::error::Error;

/// The word for the newest run or module.
pub(super) const LATEST: &str = "latest";

const LONGEST: usize = 64;

/// Checks a name that a user chose.
///
/// # Errors
///
/// Names the rule that it breaks.
pub fn check(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() || name.len() > LONGEST {
        "it must have 1 to 64 characters"
    } else if !name.chars().all(is_allowed) {
        "only letters A to Z, digits and the signs . _ - are allowed"
    } else if name.starts_with(['.', '-']) {
        "it must not begin with . or -"
    } else if name == LATEST {
        "the word means the newest one"
    } else {
        return Ok(());
    };
    Err(Error::Name { name: name.into(), problem })
}

/// A valid name that is as close as possible to a text, and short enough to append a date.
pub fn slug(text: &str) -> String {
    let name: String = text.chars().map(|c| if is_allowed(c) { c } else { '-' }).take(LONGEST - 24).collect();
    let name = name.trim_start_matches(['.', '-']).trim_end_matches('-');
    if check(name).is_ok() { name.into() } else { "unnamed".into() }
}

/// `base`, then `base-2`, `base-3` and so on.
pub(super) fn variants(base: &str) -> impl Iterator<Item = String> {
    let numbered = (2..).map(move |number: u64| format!("{base}-{number}"));
    std::iter::once(base.to_owned()).chain(numbered)
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_could_surprise_are_refused() {
        for name in ["", "latest", ".hidden", "-x", "a/b", "..", "a b", "é", &"x".repeat(65)] {
            assert!(check(name).is_err(), "{name}");
        }
        for name in ["a", "digits-2", "VGG16_a0.5", &"x".repeat(64)] {
            check(name).unwrap();
        }
    }

    proptest! {
        #[test]
        fn a_slug_is_a_name(text in ".{0,80}") {
            let slug = slug(&text);
            let dated = format!("{slug}-20260101-000000-99");
            prop_assert!(check(&slug).is_ok() && check(&dated).is_ok());
        }
    }
}
