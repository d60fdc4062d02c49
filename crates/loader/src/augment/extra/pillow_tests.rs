//! The colour operations beside the output of Pillow; `tests/pillow/make_vectors.py` made it.

use safetensors::SafeTensors;

use super::{autocontrast, enhance, equalize, posterize, sharpness, solarize};

/// Width of `small`.
const SMALL: u32 = 11;

struct Vectors(Vec<u8>);

impl Vectors {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pillow/vectors.safetensors");
        Self(std::fs::read(path).unwrap())
    }

    /// [H, W, 3] as [3, H, W].
    fn planes(&self, name: &str) -> Vec<u8> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let rgb = tensors.tensor(name).unwrap().data().to_vec();
        (0..3).flat_map(|channel| rgb.iter().skip(channel).step_by(3).copied()).collect()
    }

    /// Fails unless `operation` makes of `source` what Pillow made of it, which is something else.
    fn check(&self, source: &str, result: &str, operation: impl Fn(&mut [u8])) {
        let source = self.planes(source);
        let mut planes = source.clone();
        operation(&mut planes);
        assert_eq!(planes, self.planes(result), "{result}");
        assert_ne!(planes, source, "{result}");
    }
}

#[test]
fn operations_on_histograms_equal_pillow_exactly() {
    let vectors = Vectors::open();
    for source in ["large", "flat"] {
        vectors.check(source, &format!("autocontrast_{source}"), autocontrast::adjust);
        vectors.check(source, &format!("equalize_{source}"), equalize::adjust);
    }
}

#[test]
fn posterize_and_solarize_equal_pillow_exactly() {
    let vectors = Vectors::open();
    for bits in [1, 4, 7] {
        let operation = |planes: &mut [u8]| posterize::adjust(planes, bits);
        vectors.check("small", &format!("posterize_{bits}"), operation);
    }
    for threshold in ["0", "127.5", "200"] {
        let level = threshold.parse().unwrap();
        let operation = |planes: &mut [u8]| solarize::adjust(planes, level);
        vectors.check("small", &format!("solarize_{threshold}"), operation);
    }
}

#[test]
fn enhancements_equal_pillow_exactly() {
    let vectors = Vectors::open();
    type Operation = fn(&mut [u8], f32);
    let operations: [(&str, Operation); 4] = [
        ("saturation", enhance::saturation),
        ("contrast", enhance::contrast),
        ("brightness", enhance::brightness),
        ("sharpness", |planes, factor| sharpness::adjust(planes, SMALL, factor)),
    ];
    for (name, operation) in operations {
        for factor in ["0.1", "0.55", "1.45", "1.9"] {
            let number = factor.parse().unwrap();
            vectors.check("small", &format!("{name}_{factor}"), |planes| operation(planes, number));
        }
    }
}
