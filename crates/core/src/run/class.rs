//! How users name a class: by its name, its number, or `#` and its number.

/// The label of the class that a word means: `#N` is the class of that number, any other word the class of that name
/// or, where no class has it, of that number.
pub fn class_label(word: &str, names: &[String]) -> Option<usize> {
    let number = |digits: &str| digits.parse().ok().filter(|label| *label < names.len());
    let by_name = || names.iter().position(|name| name == word);
    word.strip_prefix('#').and_then(number).or_else(by_name).or_else(|| number(word))
}

/// A word that means this class alone, also in a list with commas: its name where that is plain, else its number, or
/// `#` and the number where another class has that number as its name.
pub fn class_word(label: usize, names: &[String]) -> String {
    let is_plain = |name: &&String| {
        // Commas separate classes; other signs need quoting in shells or HTML.
        let is_odd = |c: char| !c.is_alphanumeric() && !" '_.+:&()/#-".contains(c);
        !name.is_empty() && *name != "all" && !name.starts_with(['-', '#']) && !name.contains(is_odd)
    };
    let number = label.to_string();
    let mut words = names.get(label).filter(is_plain).into_iter().chain([&number]);
    let word = words.find(|word| class_label(word, names) == Some(label));
    word.cloned().unwrap_or_else(|| format!("#{label}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_class_is_called_by_its_name_where_that_is_plain() {
        let names = ["it's", "a,b", "sea lion", "7", "7", "#0", "4"].map(String::from);
        let words: Vec<String> = (0..names.len()).map(|label| class_word(label, &names)).collect();
        assert_eq!(words, ["it's", "1", "sea lion", "7", "#4", "5", "4"]);
        assert_eq!((class_label("#0", &names), class_label("#9", &names)), (Some(0), None));
    }

    proptest! {
        #[test]
        fn a_word_for_a_class_means_that_class(names in prop::collection::vec("[#0-4a,-]{0,2}", 1..6)) {
            for label in 0..names.len() {
                let word = class_word(label, &names);
                prop_assert_eq!(class_label(&word, &names), Some(label));
                prop_assert!(!word.contains(',') && !word.starts_with('-'));
            }
        }
    }
}
