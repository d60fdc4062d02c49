//! Counts how often each class occurs.

/// How often one class occurs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassTally {
    /// Pixels of the class.
    pub pixels: u64,
    /// Images with at least one such pixel.
    pub images: u64,
}

/// How often every class occurs in the images added so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// One count per train id, in order.
    pub classes: Vec<ClassTally>,
    /// Pixels that count for nothing.
    pub ignored: ClassTally,
}

impl Tally {
    /// Nothing counted yet, for so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![ClassTally::default(); classes], ignored: ClassTally::default() }
    }

    /// Counts one label map; a value that is no train id counts as ignored.
    pub fn add(&mut self, train_ids: &[u8]) {
        let mut pixels = [0_u64; 256];
        for &id in train_ids {
            pixels[usize::from(id)] += 1;
        }
        let (of_classes, of_others) = pixels.split_at(self.classes.len().min(256));
        for (tally, &count) in self.classes.iter_mut().zip(of_classes) {
            tally.pixels += count;
            tally.images += u64::from(count > 0);
        }
        let ignored: u64 = of_others.iter().sum();
        self.ignored.pixels += ignored;
        self.ignored.images += u64::from(ignored > 0);
    }

    /// Adds what another tally of the same classes has counted.
    pub fn merge(&mut self, other: &Self) {
        let pairs = self.classes.iter_mut().zip(&other.classes);
        for (mine, theirs) in pairs.chain([(&mut self.ignored, &other.ignored)]) {
            mine.pixels += theirs.pixels;
            mine.images += theirs.images;
        }
    }

    /// Pixels counted in all, ignored ones included.
    pub fn total_pixels(&self) -> u64 {
        self.classes.iter().map(|class| class.pixels).sum::<u64>() + self.ignored.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_two_tallies_equals_counting_both_maps_in_one() {
        let (first, second) = ([0_u8, 0, 2, 255], [2_u8, 2, 1, 255]);
        let mut together = Tally::new(3);
        together.add(&first);
        together.add(&second);
        let (mut left, mut right) = (Tally::new(3), Tally::new(3));
        left.add(&first);
        right.add(&second);
        left.merge(&right);
        assert_eq!(left, together);
        assert_eq!(together.classes[2], ClassTally { pixels: 3, images: 2 });
        assert_eq!(together.ignored, ClassTally { pixels: 2, images: 2 });
        assert_eq!(together.total_pixels(), 8);
    }
}
