//! The classification problem of a module: its classes' samples with labels of their own.

use super::error::Error;
use crate::data::{Dataset, Images};
use crate::modular;

/// Samples of some classes, labelled by position among them. Of a single class: its samples, labelled 0, and
/// as many of all others, evenly spaced, labelled 1.
pub struct Task {
    classes: Vec<usize>,
    /// For fine-tuning.
    pub train: Images,
    /// For picking the epoch.
    pub valid: Images,
    /// For measuring.
    pub test: Images,
}

impl Task {
    /// The problem of these classes.
    ///
    /// # Errors
    ///
    /// When `classes` is empty, repeats a class or names one that does not exist.
    pub fn new(dataset: &Dataset, classes: &[usize]) -> Result<Self, Error> {
        let known = dataset.classes.len();
        if classes.is_empty() {
            return Err(modular::Error::NoClasses.into());
        }
        for (position, &class) in classes.iter().enumerate() {
            if class >= known {
                return Err(modular::Error::UnknownClass { class, classes: known }.into());
            }
            if classes[..position].contains(&class) {
                return Err(modular::Error::RepeatedClass(class).into());
            }
        }
        let part = |images: &Images| relabelled(images, classes);
        Ok(Task {
            classes: classes.to_vec(),
            train: part(&dataset.train),
            valid: part(&dataset.valid),
            test: part(&dataset.test),
        })
    }

    /// Labels of its classes in the whole network.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// The class of a one-class problem.
    pub fn single_class(&self) -> Option<usize> {
        (self.classes.len() == 1).then(|| self.classes[0])
    }

    /// Whether it tells one class from the rest.
    pub fn is_one_vs_rest(&self) -> bool {
        self.classes.len() == 1
    }

    /// Outputs of a head for it.
    pub fn outputs(&self) -> usize {
        self.classes.len().max(2)
    }

    /// Names of its labels.
    pub fn class_names(&self, dataset: &Dataset) -> Vec<String> {
        let names = self.classes.iter().map(|&class| dataset.classes[class].clone());
        names.chain(self.is_one_vs_rest().then(|| "rest".to_owned())).collect()
    }
}

/// The images of these classes, labelled by position among them, as in [`Task`].
pub(super) fn relabelled(images: &Images, classes: &[usize]) -> Images {
    let position = |label: &u32| classes.iter().position(|&class| class == *label as usize);
    let mut wanted: Vec<(usize, u32)> = images
        .labels
        .iter()
        .enumerate()
        .filter_map(|(index, label)| Some((index, position(label)? as u32)))
        .collect();
    if classes.len() == 1 {
        let rest: Vec<usize> = (0..images.len()).filter(|&i| position(&images.labels[i]).is_none()).collect();
        let count = wanted.len().min(rest.len());
        wanted.extend((0..count).map(|i| (rest[i * rest.len() / count], 1)));
        wanted.sort_unstable();
    }
    let indices: Vec<usize> = wanted.iter().map(|(index, _)| *index).collect();
    Images { labels: wanted.iter().map(|(_, label)| *label).collect(), ..images.select(&indices) }
}
