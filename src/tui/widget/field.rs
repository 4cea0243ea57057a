//! A field of a form.

use crossterm::event::{KeyCode, KeyEvent};

use super::input::Input;

/// What a field holds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text.
    Text(Input),
    /// A number; the range it must be in, and whether it must be whole.
    Number {
        /// As typed.
        input: Input,
        /// Lowest and highest.
        range: (f64, f64),
        /// No fractions.
        whole: bool,
    },
    /// One of several.
    Choice {
        /// What there is.
        options: Vec<String>,
        /// Which is chosen.
        chosen: usize,
    },
    /// Yes or no.
    Check(bool),
}

/// What is wrong with a text, in a short sentence.
pub type Check = fn(&str) -> Result<(), String>;

/// A labelled field.
#[derive(Clone, Debug)]
pub struct Field {
    /// By what the program finds it.
    pub name: &'static str,
    /// What the person reads.
    pub label: String,
    /// A line shown while the field has the keys.
    pub help: String,
    /// What it holds.
    pub kind: Kind,
    /// What is wrong with a text, of what the form itself can know.
    check: Option<Check>,
    /// What is wrong, of what others found out.
    problem: Option<String>,
}

impl Field {
    fn new(name: &'static str, label: &str, kind: Kind) -> Self {
        Field { name, label: label.into(), help: String::new(), kind, check: None, problem: None }
    }

    /// A field for a text.
    pub fn text(name: &'static str, label: &str, value: &str) -> Self {
        Field::new(name, label, Kind::Text(Input::new(value)))
    }

    /// A field for a number between two others.
    pub fn number(name: &'static str, label: &str, value: f64, range: (f64, f64)) -> Self {
        let input = Input::new(&value.to_string());
        Field::new(name, label, Kind::Number { input, range, whole: false })
    }

    /// A field for a whole number.
    pub fn count(name: &'static str, label: &str, value: u64, range: (u64, u64)) -> Self {
        let input = Input::new(&value.to_string());
        let range = (range.0 as f64, range.1 as f64);
        Field::new(name, label, Kind::Number { input, range, whole: true })
    }

    /// A field for one of several.
    pub fn choice(name: &'static str, label: &str, options: Vec<String>, chosen: usize) -> Self {
        let chosen = chosen.min(options.len().saturating_sub(1));
        Field::new(name, label, Kind::Choice { options, chosen })
    }

    /// A field to tick.
    pub fn tick(name: &'static str, label: &str, on: bool) -> Self {
        Field::new(name, label, Kind::Check(on))
    }

    /// With a line of help.
    pub fn help(mut self, help: &str) -> Self {
        self.help = help.into();
        self
    }

    /// With a check of its text; the error is a short sentence.
    pub fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// What is wrong with it now, if anything is.
    pub fn problem(&self) -> Option<String> {
        self.own_problem().or_else(|| self.problem.clone())
    }

    /// Says or unsays what others found wrong; forgotten at the next change of the field.
    pub fn set_problem(&mut self, problem: Option<String>) {
        self.problem = problem;
    }

    /// Its value as text: `true` or `false` for a tick, the option for a choice.
    pub fn value(&self) -> String {
        match &self.kind {
            Kind::Text(input) | Kind::Number { input, .. } => input.text().trim().to_owned(),
            Kind::Choice { options, chosen } => options.get(*chosen).cloned().unwrap_or_default(),
            Kind::Check(on) => on.to_string(),
        }
    }

    /// Which option of a choice is chosen.
    pub fn chosen(&self) -> Option<usize> {
        match &self.kind {
            Kind::Choice { options, chosen } if *chosen < options.len() => Some(*chosen),
            _ => None,
        }
    }

    /// Its value as a number, if it is one and in the range.
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
                Ok(value) if *whole && value.fract() != 0.0 => return Some("not a whole number".into()),
                Ok(value) if !(*low..=*high).contains(&value) => {
                    return Some(format!("not in {low} to {high}"));
                }
                Ok(_) => {}
            }
        }
        self.check.and_then(|check| check(&self.value()).err())
    }

    /// Takes a key; gives whether the value changed.
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
                    // A letter goes to the next option that begins with it.
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

    /// Puts a text in, where it can be typed; gives whether the value changed.
    pub(super) fn paste(&mut self, text: &str) -> bool {
        match &mut self.kind {
            Kind::Text(input) | Kind::Number { input, .. } => input.paste(text),
            _ => return false,
        }
        self.problem = None;
        true
    }
}
