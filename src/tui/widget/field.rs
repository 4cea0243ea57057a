//! A field of a form.

use crossterm::event::{KeyCode, KeyEvent};

use super::input::Input;

/// The kind and value of a field.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text.
    Text(Input),
    /// A number with a range, possibly an integer.
    Number {
        /// As typed.
        input: Input,
        /// Minimum and maximum.
        range: (f64, f64),
        /// Whether it must be an integer.
        whole: bool,
    },
    /// A choice of several options.
    Choice {
        /// The options.
        options: Vec<String>,
        /// Index of the chosen one.
        chosen: usize,
    },
    /// A checkbox.
    Check(bool),
}

/// A validation of a text; the error is a short phrase.
pub type Check = fn(&str) -> Result<(), String>;

/// A labelled field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its identifier in the program.
    pub name: &'static str,
    /// Its label.
    pub label: String,
    /// A line of help, shown while the field is focused.
    pub help: String,
    /// Its kind and value.
    pub kind: Kind,
    /// Its validation.
    check: Option<Check>,
    /// A problem set from outside.
    problem: Option<String>,
}

impl Field {
    fn new(name: &'static str, label: &str, kind: Kind) -> Self {
        Field { name, label: label.into(), help: String::new(), kind, check: None, problem: None }
    }

    /// A text field.
    pub fn text(name: &'static str, label: &str, value: &str) -> Self {
        Field::new(name, label, Kind::Text(Input::new(value)))
    }

    /// A number field with a range.
    pub fn number(name: &'static str, label: &str, value: f64, range: (f64, f64)) -> Self {
        let input = Input::new(&value.to_string());
        Field::new(name, label, Kind::Number { input, range, whole: false })
    }

    /// An integer field with a range.
    pub fn count(name: &'static str, label: &str, value: u64, range: (u64, u64)) -> Self {
        let input = Input::new(&value.to_string());
        let range = (range.0 as f64, range.1 as f64);
        Field::new(name, label, Kind::Number { input, range, whole: true })
    }

    /// A choice field.
    pub fn choice(name: &'static str, label: &str, options: Vec<String>, chosen: usize) -> Self {
        let chosen = chosen.min(options.len().saturating_sub(1));
        Field::new(name, label, Kind::Choice { options, chosen })
    }

    /// A checkbox.
    pub fn tick(name: &'static str, label: &str, on: bool) -> Self {
        Field::new(name, label, Kind::Check(on))
    }

    /// Sets the line of help.
    pub fn help(mut self, help: &str) -> Self {
        self.help = help.into();
        self
    }

    /// Sets the validation.
    pub fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Its current problem, if any.
    pub fn problem(&self) -> Option<String> {
        self.own_problem().or_else(|| self.problem.clone())
    }

    /// Sets or clears a problem from outside; the next change of the field clears it too.
    pub fn set_problem(&mut self, problem: Option<String>) {
        self.problem = problem;
    }

    /// Its value as text: `true` or `false` for a checkbox, the option for a choice.
    pub fn value(&self) -> String {
        match &self.kind {
            Kind::Text(input) | Kind::Number { input, .. } => input.text().trim().to_owned(),
            Kind::Choice { options, chosen } => options.get(*chosen).cloned().unwrap_or_default(),
            Kind::Check(on) => on.to_string(),
        }
    }

    /// Index of the chosen option of a choice.
    pub fn chosen(&self) -> Option<usize> {
        match &self.kind {
            Kind::Choice { options, chosen } if *chosen < options.len() => Some(*chosen),
            _ => None,
        }
    }

    /// Its value as a number, if it is a number in the range.
    pub fn as_number(&self) -> Option<f64> {
        match self.own_problem() {
            None => self.value().parse().ok(),
            Some(_) => None,
        }
    }

    fn own_problem(&self) -> Option<String> {
        if let Kind::Number { range: (low, high), whole, .. } = &self.kind {
            match self.value().parse::<f64>() {
                Err(_) => return Some("not a number".into()),
                Ok(value) if *whole && value.fract() != 0.0 => return Some("not an integer".into()),
                Ok(value) if !(*low..=*high).contains(&value) => {
                    return Some(format!("must be {low} to {high}"));
                }
                Ok(_) => {}
            }
        }
        self.check.and_then(|check| check(&self.value()).err())
    }

    /// Handles a key; returns whether the value changed.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let changed = match (&mut self.kind, key.code) {
            (Kind::Text(input) | Kind::Number { input, .. }, _) => input.key(key),
            (Kind::Check(on), KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right) => {
                *on = !*on;
                true
            }
            (Kind::Choice { options, chosen }, code) if !options.is_empty() => {
                let last = options.len() - 1;
                let before = *chosen;
                *chosen = match code {
                    KeyCode::Left => before.checked_sub(1).unwrap_or(last),
                    KeyCode::Right | KeyCode::Char(' ') => (before + 1) % (last + 1),
                    // A letter selects the next option that begins with it.
                    KeyCode::Char(letter) => (1..=last)
                        .map(|n| (before + n) % (last + 1))
                        .find(|&n| options[n].to_lowercase().starts_with(letter.to_ascii_lowercase()))
                        .unwrap_or(before),
                    _ => before,
                };
                *chosen != before
            }
            _ => false,
        };
        if changed {
            self.problem = None;
        }
        changed
    }

    /// Inserts a text if the field is a text input; returns whether the value changed.
    pub(super) fn paste(&mut self, text: &str) -> bool {
        match &mut self.kind {
            Kind::Text(input) | Kind::Number { input, .. } => input.paste(text),
            _ => return false,
        }
        self.problem = None;
        true
    }
}
