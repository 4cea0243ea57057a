//! What a method's loss is made of, as data: its terms, and the weights that a person may set.

/// A number of a method that a person may set, in a preset and while training runs: a key of the preset's `[method]`
/// table, a slider, a field of forms, a column of tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Its key in a preset.
    pub name: &'static str,
    /// What a form calls it.
    pub label: &'static str,
    /// Its value where a preset gives none.
    pub default: f64,
    /// Its least and its largest value. Where the largest is infinite, a slider goes to some times the preset's value.
    pub range: [f64; 2],
    /// What it does, in a sentence.
    pub help: &'static str,
}

impl Weight {
    /// Whether it may have this value.
    pub fn allows(&self, value: f64) -> bool {
        value.is_finite() && (self.range[0]..=self.range[1]).contains(&value)
    }

    /// Which values it may have, for a message: `a number of at least 0`.
    pub fn allowed(&self) -> String {
        match self.range {
            [least, most] if most.is_finite() => format!("a number from {least} to {most}"),
            [least, _] => format!("a number of at least {least}"),
        }
    }
}

/// A loss term beside cross-entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Its name in metrics.
    pub name: &'static str,
    /// What a chart calls it.
    pub label: &'static str,
    /// The name of the [`Weight`] that multiplies it.
    pub weight: &'static str,
    /// What its value on a batch says about the units in use, if it says something.
    pub estimate: Option<Estimate>,
}

/// A measure of the units in use that a term's value on a batch estimates, so that charts show it between epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// What is estimated.
    pub of: Estimated,
    /// What a chart calls the estimate.
    pub label: &'static str,
    /// Whether the estimate is 1 minus the term, not the term itself.
    pub complement: bool,
}

impl Estimate {
    /// The estimate, from the term's unweighted value.
    pub fn from_term(&self, value: f64) -> f64 {
        if self.complement { 1.0 - value } else { value }
    }
}

/// A measure of which units samples use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimated {
    /// How alike samples of one class are.
    Cohesion,
    /// How alike samples of different classes are.
    Coupling,
}

/// How much each term counts in a loss, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TermWeights(pub Vec<(&'static str, f64)>);

impl TermWeights {
    /// The weight of a term; 0 where it is not in the loss.
    pub fn of(&self, term: &str) -> f64 {
        self.0.iter().find(|(name, _)| *name == term).map_or(0.0, |(_, weight)| *weight)
    }

    /// Whether a term is in the loss.
    pub fn has(&self, term: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == term)
    }

    /// The weighted sum of named values.
    pub fn sum<'a>(&self, values: impl IntoIterator<Item = (&'a str, f64)>) -> f64 {
        values.into_iter().map(|(term, value)| self.of(term) * value).sum()
    }
}
