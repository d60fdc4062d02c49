//! Element types of stored tensors, and their values as f32.

use half::{bf16, f16};

/// How one number is stored; little-endian throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Element {
    /// Bytes of one element.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The element type of a storage class, such as `FloatStorage`.
    pub(crate) fn of_storage(class: &str) -> Option<Self> {
        Some(match class.strip_suffix("Storage")? {
            "Double" => Self::F64,
            "Float" => Self::F32,
            "Half" => Self::F16,
            "BFloat16" => Self::BF16,
            "Long" => Self::I64,
            "Int" => Self::I32,
            "Short" => Self::I16,
            "Char" => Self::I8,
            "Byte" => Self::U8,
            "Bool" => Self::Bool,
            _ => return None,
        })
    }

    /// The element type of a `torch.dtype`, such as `uint16`.
    pub(crate) fn of_dtype(name: &str) -> Option<Self> {
        Some(match name {
            "float64" => Self::F64,
            "float32" => Self::F32,
            "float16" => Self::F16,
            "bfloat16" => Self::BF16,
            "int64" => Self::I64,
            "int32" => Self::I32,
            "int16" => Self::I16,
            "int8" => Self::I8,
            "uint64" => Self::U64,
            "uint32" => Self::U32,
            "uint16" => Self::U16,
            "uint8" => Self::U8,
            "bool" => Self::Bool,
            _ => return None,
        })
    }

    /// The numbers in `bytes`, rounded to f32; bytes short of an element are left out.
    pub(crate) fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        self.numbers_at(bytes, 0..bytes.len() / self.size())
    }

    /// The numbers in `bytes` at the indices `at`, rounded to f32.
    ///
    /// # Panics
    /// If an index is beyond `bytes`: a bug of the caller.
    pub(crate) fn numbers_at(self, bytes: &[u8], at: impl Iterator<Item = usize>) -> Vec<f32> {
        match self {
            Self::F64 => convert(bytes, at, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => convert(bytes, at, f32::from_le_bytes),
            Self::F16 => convert(bytes, at, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => convert(bytes, at, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => convert(bytes, at, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => convert(bytes, at, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => convert(bytes, at, |b| i16::from_le_bytes(b).into()),
            Self::I8 => convert(bytes, at, |b| i8::from_le_bytes(b).into()),
            Self::U64 => convert(bytes, at, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => convert(bytes, at, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => convert(bytes, at, |b| u16::from_le_bytes(b).into()),
            Self::U8 => convert(bytes, at, |[b]| b.into()),
            Self::Bool => convert(bytes, at, |[b]| f32::from(b != 0)),
        }
    }
}

fn convert<const N: usize>(
    bytes: &[u8],
    at: impl Iterator<Item = usize>,
    number: impl Fn([u8; N]) -> f32,
) -> Vec<f32> {
    let (elements, _) = bytes.as_chunks::<N>();
    at.map(|index| number(elements[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_gives_its_number() {
        for (element, bytes, number) in [
            (Element::F64, (-1.5f64).to_le_bytes().to_vec(), -1.5),
            (Element::F32, 0.1f32.to_le_bytes().to_vec(), 0.1),
            (Element::F16, 0xc200u16.to_le_bytes().to_vec(), -3.0),
            (Element::BF16, 0xc040u16.to_le_bytes().to_vec(), -3.0),
            (Element::I64, (-7i64).to_le_bytes().to_vec(), -7.0),
            (Element::I32, (-7i32).to_le_bytes().to_vec(), -7.0),
            (Element::I16, (-7i16).to_le_bytes().to_vec(), -7.0),
            (Element::I8, (-7i8).to_le_bytes().to_vec(), -7.0),
            (Element::U64, (1u64 << 40).to_le_bytes().to_vec(), (1u64 << 40) as f32),
            (Element::U32, u32::MAX.to_le_bytes().to_vec(), u32::MAX as f32),
            (Element::U16, u16::MAX.to_le_bytes().to_vec(), 65535.0),
            (Element::U8, vec![200], 200.0),
            (Element::Bool, vec![3], 1.0),
        ] {
            assert_eq!(bytes.len(), element.size(), "{element:?}");
            assert_eq!(element.numbers(&bytes), [number], "{element:?}");
        }
    }
}
