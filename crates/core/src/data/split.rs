//! Splitting training images into training and validation: seeded and stratified by class.

use super::Error;
use crate::random::{Stream, generator, shuffle};

/// Indices into a training split, each list ascending.
#[derive(Debug, PartialEq)]
pub(super) struct Division {
    pub train: Vec<usize>,
    pub valid: Vec<usize>,
}

/// Gives `fraction` of each class to validation and, of the rest, `limit` images to training.
///
/// With a fraction above 0, validation gets at least one image of every class that has two or more, and training keeps
/// at least one. A limit takes images in proportion to the classes, at least one of each.
pub(super) fn divide(
    labels: &[u32],
    classes: usize,
    fraction: f64,
    limit: Option<usize>,
    seed: u64,
) -> Result<Division, Error> {
    let mut by_class = vec![Vec::new(); classes];
    for (i, &label) in labels.iter().enumerate() {
        by_class[label as usize].push(i);
    }
    let mut valid = Vec::new();
    for (class, indices) in by_class.iter_mut().enumerate() {
        shuffle(&mut generator(seed, Stream::Split, class as u64), indices);
        valid.extend(indices.drain(..valid_count(indices.len(), fraction)));
    }
    if fraction > 0.0 && valid.is_empty() {
        let hint = "no class has a second image to give to it: add images, or set data.valid_fraction = 0";
        return Err(Error::EmptySplit { split: "valid", hint });
    }
    let mut train = match limit {
        Some(limit) => take(&by_class, limit)?,
        None => by_class.concat(),
    };
    train.sort_unstable();
    valid.sort_unstable();
    Ok(Division { train, valid })
}

fn valid_count(images: usize, fraction: f64) -> usize {
    if fraction == 0.0 || images < 2 {
        return 0;
    }
    ((images as f64 * fraction).round() as usize).clamp(1, images - 1)
}

/// `limit` images in proportion to the classes: the first ones when each class is spread evenly over 0..1.
fn take(by_class: &[Vec<usize>], limit: usize) -> Result<Vec<usize>, Error> {
    let classes = by_class.iter().filter(|indices| !indices.is_empty()).count();
    if limit < classes {
        let what =
            format!("{limit} training images cannot cover {classes} classes; set it to {classes} or more");
        return Err(Error::Setting { key: "limit", what });
    }
    let mut ranked: Vec<(f64, usize)> = by_class
        .iter()
        .flat_map(|indices| {
            indices.iter().enumerate().map(|(rank, &i)| (rank as f64 / indices.len() as f64, i))
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(ranked.into_iter().take(limit).map(|(_, i)| i).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sizes: &[usize]) -> Vec<u32> {
        sizes.iter().enumerate().flat_map(|(class, &n)| vec![class as u32; n]).collect()
    }

    fn count(labels: &[u32], indices: &[usize], class: u32) -> usize {
        indices.iter().filter(|&&i| labels[i] == class).count()
    }

    #[test]
    fn every_class_gives_its_share_and_nothing_is_lost() {
        let labels = labels(&[100, 20, 3, 1]);
        let division = divide(&labels, 4, 0.1, None, 7).unwrap();
        let given: Vec<usize> = (0..4).map(|class| count(&labels, &division.valid, class)).collect();
        assert_eq!(given, [10, 2, 1, 0]);
        let mut all = [division.train.clone(), division.valid.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        assert_eq!(division, divide(&labels, 4, 0.1, None, 7).unwrap());
        assert_ne!(division, divide(&labels, 4, 0.1, None, 8).unwrap());
    }

    #[test]
    fn a_high_fraction_leaves_every_class_something_to_train_on() {
        let labels = labels(&[2, 5, 1]);
        let division = divide(&labels, 3, 0.99, None, 7).unwrap();
        assert!((0..3).all(|class| count(&labels, &division.train, class) == 1));
    }

    #[test]
    fn one_image_cannot_be_divided_but_can_be_kept() {
        assert!(matches!(divide(&[0], 1, 0.1, None, 7), Err(Error::EmptySplit { split: "valid", .. })));
        assert_eq!(divide(&[0], 1, 0.0, None, 7).unwrap(), Division { train: vec![0], valid: vec![] });
    }

    #[test]
    fn a_limit_is_exact_and_in_proportion() {
        let labels = labels(&[60, 30, 1]);
        let division = divide(&labels, 3, 0.0, Some(19), 7).unwrap();
        let kept: Vec<usize> = (0..3).map(|class| count(&labels, &division.train, class)).collect();
        assert_eq!(kept, [12, 6, 1]);
        assert!(divide(&labels, 3, 0.0, Some(2), 7).is_err());
        assert_eq!(divide(&labels, 3, 0.0, Some(1000), 7).unwrap().train.len(), 91);
    }

    #[test]
    fn a_limit_does_not_move_the_validation_split() {
        let labels = labels(&[50, 50]);
        let whole = divide(&labels, 2, 0.2, None, 3).unwrap();
        let limited = divide(&labels, 2, 0.2, Some(10), 3).unwrap();
        assert_eq!(whole.valid, limited.valid);
        assert!(limited.train.iter().all(|i| whole.train.contains(i)));
    }

    #[test]
    fn a_thousand_classes_work() {
        let labels: Vec<u32> = (0..5000).map(|i| i % 1000).collect();
        let division = divide(&labels, 1000, 0.1, Some(1000), 7).unwrap();
        assert_eq!((division.train.len(), division.valid.len()), (1000, 1000));
    }
}
