//! Labelled images of one split.

/// Labelled images of one split: `u8` pixels, `[n, channels, height, width]` row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// The pixels of all images, one after the other.
    pub pixels: Vec<u8>,
    /// A label for each image: an index into the class names of the data set.
    pub labels: Vec<u32>,
}

impl Images {
    /// No images yet, of this shape.
    pub fn empty(shape: [usize; 3]) -> Images {
        Images { shape, pixels: Vec::new(), labels: Vec::new() }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image: channels x height x width.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The pixels of image `i`, `[channels, height, width]`.
    pub fn image(&self, i: usize) -> &[u8] {
        let length = self.image_len();
        &self.pixels[i * length..(i + 1) * length]
    }

    /// The images at `indices`, in that order; an index may occur more than once.
    pub fn select(&self, indices: &[usize]) -> Images {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_len());
        for &i in indices {
            pixels.extend_from_slice(self.image(i));
        }
        Images { shape: self.shape, pixels, labels: self.labels_of(indices) }
    }

    /// The labels at `indices`, in that order.
    pub fn labels_of(&self, indices: &[usize]) -> Vec<u32> {
        indices.iter().map(|&i| self.labels[i]).collect()
    }

    /// The indices of the images of one class, ascending.
    pub fn of_class(&self, class: usize) -> Vec<usize> {
        (0..self.len()).filter(|&i| self.labels[i] as usize == class).collect()
    }

    /// How many images each of `classes` classes has.
    pub fn class_sizes(&self, classes: usize) -> Vec<usize> {
        let mut sizes = vec![0; classes];
        for &label in &self.labels {
            sizes[label as usize] += 1;
        }
        sizes
    }

    /// Appends the images of `other`, which have the same shape.
    pub(super) fn append(&mut self, mut other: Images) {
        self.pixels.append(&mut other.pixels);
        self.labels.append(&mut other.labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Images {
        Images { shape: [1, 1, 2], pixels: vec![0, 1, 10, 11, 20, 21], labels: vec![1, 0, 1] }
    }

    #[test]
    fn selects_by_index_and_by_class() {
        let images = three();
        assert_eq!(images.image(1), [10, 11]);
        assert_eq!(images.of_class(1), [0, 2]);
        assert_eq!(images.class_sizes(3), [1, 2, 0]);
        let picked = images.select(&[2, 2, 0]);
        assert_eq!(
            picked,
            Images { shape: [1, 1, 2], pixels: vec![20, 21, 20, 21, 0, 1], labels: vec![1, 1, 1] }
        );
    }

    #[test]
    fn an_empty_selection_is_empty() {
        assert!(three().select(&[]).is_empty());
        assert_eq!(Images::empty([3, 4, 5]).image_len(), 60);
    }
}
