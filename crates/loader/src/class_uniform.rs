//! Samples chosen for a class, from the class-presence bitsets of the shards, without decoding.

use shard_format::{IGNORE_BIT, LABEL_TILE_EDGE};

use crate::random::{Purpose, SampleKey};

/// Sampling that gives rare classes as much room as frequent ones.
///
/// With probability `fraction` a slot does not show the next sample of its stream. It draws a class
/// uniformly among those of the domain, then one of the label tiles that show the class, and its
/// crop is placed at random where it shows the centre of that tile; the scale is drawn as ever.
///
/// Source: `class_uniform_pct` of RobustNet, 0.5 there, with class centroids in place of tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassUniform {
    /// Share of the samples that are chosen for a class, 0 to 1.
    pub fraction: f64,
}

/// The label tiles in which each class of a domain occurs.
#[derive(Debug)]
pub(crate) struct ClassTable {
    /// Classes that occur, in ascending order.
    classes: Vec<ClassTiles>,
}

/// Two lists rather than one of pairs, which would be a third larger.
#[derive(Debug)]
struct ClassTiles {
    class: u8,
    /// The sample's number within the domain.
    samples: Vec<u32>,
    /// The tile's place in that sample's label grid, which has fewer than 2^16.
    tiles: Vec<u16>,
}

/// A tile that was drawn for a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassPick {
    pub(crate) class: u8,
    pub(crate) sample: usize,
    pub(crate) tile: usize,
}

impl ClassTable {
    /// The table of samples that come with the class presence of their label tiles.
    pub(crate) fn new<'a>(presences: impl Iterator<Item = &'a [u32]>) -> Self {
        let mut classes: Vec<ClassTiles> = (0..IGNORE_BIT as u8)
            .map(|class| ClassTiles { class, samples: Vec::new(), tiles: Vec::new() })
            .collect();
        for (sample, presence) in (0_u32..).zip(presences) {
            for (tile, &bits) in (0_u16..).zip(presence) {
                let mut rest = bits & !(1 << IGNORE_BIT);
                while rest != 0 {
                    let tiles = &mut classes[rest.trailing_zeros() as usize];
                    tiles.samples.push(sample);
                    tiles.tiles.push(tile);
                    rest &= rest - 1;
                }
            }
        }
        classes.retain(|tiles| !tiles.samples.is_empty());
        for tiles in &mut classes {
            tiles.samples.shrink_to_fit();
            tiles.tiles.shrink_to_fit();
        }
        Self { classes }
    }

    /// Whether no class occurs.
    pub(crate) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Memory that the lists take.
    pub(crate) fn bytes(&self) -> u64 {
        let entry = (size_of::<u32>() + size_of::<u16>()) as u64;
        self.classes.iter().map(|tiles| tiles.samples.len() as u64 * entry).sum()
    }

    /// A class and a tile that shows it; the table must not be empty.
    pub(crate) fn pick(&self, key: SampleKey) -> ClassPick {
        let tiles = &self.classes[key.below(Purpose::Class, self.classes.len() as u32) as usize];
        let at = key.below_wide(Purpose::ClassTile, tiles.samples.len() as u64) as usize;
        ClassPick {
            class: tiles.class,
            sample: tiles.samples[at] as usize,
            tile: usize::from(tiles.tiles[at]),
        }
    }
}

/// The pixel in the middle of label tile `tile` of a sample of this size.
pub(crate) fn tile_centre(tile: usize, (width, height): (u32, u32)) -> (u32, u32) {
    let columns = width.div_ceil(LABEL_TILE_EDGE);
    let middle = |place: u32, side: u32| {
        let start = place * LABEL_TILE_EDGE;
        start + (side - start).min(LABEL_TILE_EDGE) / 2
    };
    (middle(tile as u32 % columns, width), middle(tile as u32 / columns, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_drawn_evenly_and_their_tiles_evenly_within_them() {
        // Class 0 in five tiles, class 3 in one, and ignored pixels, which are no class.
        let ignored = 1 << IGNORE_BIT;
        let table =
            ClassTable::new([&[1, 1, 1 | 8][..], &[ignored], &[1 | ignored, 1]].into_iter());
        assert_eq!(table.bytes(), 6 * 6);
        let mut counts = [[0; 3]; 4];
        for index in 0..2000 {
            let pick = table.pick(SampleKey::new(5, "gtav", 0, index));
            counts[usize::from(pick.class)][pick.sample] += 1;
            assert!(pick.class == 0 || (pick.sample, pick.tile) == (0, 2));
        }
        // 1000 expected, standard deviation 22, and two fifths of 1000 in sample 2, deviation 18.
        assert!((890..=1110).contains(&counts[3][0]), "{counts:?}");
        assert!((310..=490).contains(&counts[0][2]), "{counts:?}");
        assert_eq!((counts[0][1], counts[1], counts[2]), (0, [0; 3], [0; 3]));
    }

    #[test]
    fn a_domain_without_labels_has_an_empty_table() {
        assert!(ClassTable::new([&[1 << IGNORE_BIT][..]].into_iter()).is_empty());
    }

    #[test]
    fn the_middle_of_an_edge_tile_lies_in_what_there_is_of_it() {
        assert_eq!(tile_centre(0, (600, 300)), (128, 128));
        assert_eq!(tile_centre(5, (600, 300)), (512 + 44, 256 + 22));
        assert_eq!(tile_centre(0, (1, 1)), (0, 0));
    }
}
