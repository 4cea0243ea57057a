//! The list of classes: choice, filter and cursor.

/// The classes of a run, with the chosen ones, those that match the filter, and the cursor.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes {
    names: Vec<String>,
    chosen: Vec<bool>,
    filter: String,
    shown: Vec<usize>,
    cursor: usize,
}

impl Classes {
    /// A list of these classes with none chosen.
    pub fn new(names: Vec<String>) -> Self {
        let count = names.len();
        Classes {
            names,
            chosen: vec![false; count],
            filter: String::new(),
            shown: (0..count).collect(),
            cursor: 0,
        }
    }

    /// All names, by label.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a label; empty if it does not exist.
    pub fn name(&self, class: usize) -> &str {
        self.names.get(class).map_or("", String::as_str)
    }

    /// Whether a class is chosen.
    pub fn is_chosen(&self, class: usize) -> bool {
        self.chosen.get(class).copied().unwrap_or(false)
    }

    /// Labels of the chosen classes, ascending.
    pub fn chosen(&self) -> Vec<usize> {
        (0..self.names.len()).filter(|&class| self.chosen[class]).collect()
    }

    /// Labels that match the filter, in display order.
    pub fn shown(&self) -> &[usize] {
        &self.shown
    }

    /// Row of the cursor among the shown classes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The class under the cursor.
    pub fn current(&self) -> Option<usize> {
        self.shown.get(self.cursor).copied()
    }

    /// The filter's text.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Shows only classes whose name contains this text (ignoring case) or whose number it is.
    pub fn set_filter(&mut self, text: &str) {
        let current = self.current();
        self.filter = text.to_owned();
        let wanted = text.trim().to_lowercase();
        let number = wanted.parse::<usize>().ok();
        let fits =
            |class: &usize| self.names[*class].to_lowercase().contains(&wanted) || number == Some(*class);
        self.shown = (0..self.names.len()).filter(fits).collect();
        let same = current.and_then(|class| self.shown.iter().position(|shown| *shown == class));
        self.cursor = same.unwrap_or(0);
    }

    /// Moves the cursor by this many rows, within the list.
    pub fn step(&mut self, by: isize) {
        self.go(self.cursor.saturating_add_signed(by));
    }

    /// Moves the cursor to a row, or to the last.
    pub fn go(&mut self, row: usize) {
        self.cursor = row.min(self.shown.len().saturating_sub(1));
    }

    /// Toggles the class under the cursor.
    pub fn toggle(&mut self) {
        if let Some(class) = self.current() {
            self.chosen[class] = !self.chosen[class];
        }
    }

    /// Chooses all shown classes, or none if all are chosen.
    pub fn toggle_all(&mut self) {
        let all = self.shown.iter().all(|&class| self.chosen[class]);
        self.shown.iter().for_each(|&class| self.chosen[class] = !all);
    }

    /// Inverts the choice of the shown classes.
    pub fn invert(&mut self) {
        self.shown.iter().for_each(|&class| self.chosen[class] = !self.chosen[class]);
    }

    /// Chooses exactly the classes with these names; returns the names that the run does not have.
    pub fn choose(&mut self, names: &[String]) -> Vec<String> {
        self.chosen = self.names.iter().map(|name| names.contains(name)).collect();
        names.iter().filter(|name| !self.names.contains(name)).cloned().collect()
    }

    /// Names of the chosen classes.
    pub fn chosen_names(&self) -> Vec<String> {
        self.chosen().into_iter().map(|class| self.names[class].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Classes {
        Classes::new(["cat", "dog", "Catfish", "車", "7"].map(String::from).to_vec())
    }

    #[test]
    fn the_filter_looks_for_a_text_in_any_case_or_a_number() {
        let mut classes = classes();
        classes.set_filter("CAT");
        assert_eq!(classes.shown(), [0, 2]);
        classes.set_filter("車");
        assert_eq!(classes.shown(), [3]);
        classes.set_filter("1");
        assert_eq!(classes.shown(), [1]);
        classes.set_filter("none such");
        assert_eq!((classes.shown().len(), classes.current()), (0, None));
        classes.toggle();
        classes.step(3);
        assert!(classes.chosen().is_empty());
    }

    #[test]
    fn the_cursor_stays_on_its_class_when_the_filter_changes() {
        let mut classes = classes();
        classes.go(2);
        classes.set_filter("cat");
        assert_eq!((classes.current(), classes.cursor()), (Some(2), 1));
        classes.set_filter("");
        assert_eq!(classes.cursor(), 2);
    }

    #[test]
    fn all_and_invert_reach_only_what_is_shown() {
        let mut classes = classes();
        classes.set_filter("cat");
        classes.toggle_all();
        assert_eq!(classes.chosen(), [0, 2]);
        classes.set_filter("");
        classes.invert();
        assert_eq!(classes.chosen(), [1, 3, 4]);
        classes.toggle_all();
        assert_eq!(classes.chosen().len(), 5);
        classes.toggle_all();
        assert!(classes.chosen().is_empty());
    }

    #[test]
    fn a_set_of_another_data_set_tells_which_names_are_unknown() {
        let mut classes = classes();
        assert_eq!(classes.choose(&["dog".into(), "horse".into()]), ["horse"]);
        assert_eq!(classes.chosen_names(), ["dog"]);
    }
}
