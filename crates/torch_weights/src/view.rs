//! A tensor of a pickle: a strided view of a storage.

use std::borrow::Cow;

use crate::containers::DAMAGED;
use crate::element::Element;
use crate::shown::shown;

/// Most axes of a tensor; a convolution has four.
pub(crate) const MAX_AXES: usize = 8;

/// A storage as a pickle refers to it.
#[derive(Clone, Debug)]
pub(crate) struct Storage<'a> {
    /// Its key in the container.
    pub(crate) key: Cow<'a, str>,
    /// Its elements; `None` where the tensor has to say.
    pub(crate) element: Option<Element>,
    /// Number of elements, or of bytes where it has no element type.
    pub(crate) length: usize,
    /// Where the storage begins in the one that the container has; only old files have such views.
    pub(crate) start: usize,
}

/// Where a tensor's elements lie.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub(crate) storage: Storage<'a>,
    pub(crate) element: Element,
    /// First element, from the storage's start.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

impl View<'_> {
    /// Number of elements; `None` if there is no such number.
    pub(crate) fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))
    }

    /// The elements, row-major.
    ///
    /// # Errors
    /// If the view reaches beyond the storage or has more elements than it.
    pub(crate) fn values(&self, storage: &[u8]) -> Result<Vec<f32>, String> {
        let size = self.element.size();
        let stored = storage.len() / size;
        let expected = match self.storage.element {
            Some(_) => self.storage.length,
            None => self.storage.length / size,
        };
        if stored < expected {
            return Err(format!(
                "its storage {} has {stored} elements, expected {expected}; {DAMAGED}",
                shown(&self.storage.key)
            ));
        }
        let outside = || {
            let key = shown(&self.storage.key);
            format!(
                "it reaches outside its storage {key}, expected at most {stored} elements; {DAMAGED}"
            )
        };
        // A view with stride 0 can be larger than all memory.
        let count = self.count().filter(|&count| count <= stored).ok_or_else(outside)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let first = self.storage.start.checked_add(self.offset).ok_or_else(outside)?;
        let reach = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(0usize, |reach, (&side, &stride)| {
                reach.checked_add((side - 1).checked_mul(stride)?)
            })
            .ok_or_else(outside)?;
        let bytes = first
            .checked_add(reach)
            .and_then(|last| last.checked_add(1))
            .filter(|&end| end <= stored)
            .and_then(|end| storage.get(first * size..end * size))
            .ok_or_else(outside)?;
        // Every index is at most `reach`, the last of the window. Elements that the view skips are
        // not looked at: a file can have many views with few elements from end to end.
        Ok(if self.is_contiguous() {
            self.element.numbers(bytes)
        } else {
            self.element.numbers_at(bytes, self.indices(count))
        })
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
            let fits = side == 1 || stride == expected;
            expected *= side;
            fits
        })
    }

    /// Where the elements lie from the first one on, row-major.
    fn indices(&self, count: usize) -> impl Iterator<Item = usize> {
        let mut place = vec![0; self.shape.len()];
        (0..count).map(move |_| {
            let at = place.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum();
            for (i, &side) in place.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < side {
                    break;
                }
                *i = 0;
            }
            at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(offset: usize, shape: &[usize], strides: &[usize]) -> View<'static> {
        View {
            storage: Storage { key: "0".into(), element: Some(Element::U8), length: 12, start: 0 },
            element: Element::U8,
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        }
    }

    const STORAGE: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    #[test]
    fn a_view_follows_its_offset_and_strides() {
        for (view, expected) in [
            (view(0, &[2, 3], &[3, 1]), vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            (view(1, &[2, 3], &[1, 4]), vec![1.0, 5.0, 9.0, 2.0, 6.0, 10.0]),
            (view(3, &[3, 1, 2], &[4, 99, 0]), vec![3.0, 3.0, 7.0, 7.0, 11.0, 11.0]),
            (view(11, &[], &[]), vec![11.0]),
            (view(12, &[0, 5], &[1, 1]), vec![]),
        ] {
            assert_eq!(view.values(&STORAGE).unwrap(), expected, "{view:?}");
        }
    }

    #[test]
    fn a_storage_may_begin_within_another() {
        let mut view = view(1, &[2, 2], &[2, 1]);
        view.storage.start = 5;
        assert_eq!(view.values(&STORAGE).unwrap(), [6.0, 7.0, 8.0, 9.0]);
        view.storage.start = 8;
        assert!(view.values(&STORAGE).is_err());
    }

    #[test]
    fn a_view_beyond_its_storage_is_refused() {
        for view in [
            view(12, &[1], &[1]),
            view(0, &[13], &[0]),
            view(0, &[2], &[12]),
            view(0, &[2, 2], &[usize::MAX, 1]),
            view(usize::MAX, &[1], &[1]),
            view(0, &[usize::MAX, 2], &[0, 0]),
        ] {
            let error = view.values(&STORAGE).unwrap_err();
            assert!(error.contains("outside its storage 0"), "{error}");
        }
        let error = view(0, &[1], &[1]).values(&STORAGE[..11]).unwrap_err();
        assert!(error.contains("has 11 elements, expected 12"), "{error}");
    }
}
