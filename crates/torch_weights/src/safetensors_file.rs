//! Tensors of a safetensors file, of any element type with a number per element.

use std::collections::BTreeMap;

use models::weights::{HostTensor, NamedTensors};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};

use crate::containers::DAMAGED;
use crate::element::Element;
use crate::shown::{shown, shown_message};
use crate::view::MAX_AXES;

/// Reads all tensors, and the metadata.
pub(crate) fn tensors(bytes: &[u8]) -> Result<(NamedTensors, BTreeMap<String, String>), String> {
    let wrong = |error: SafeTensorError| {
        let found = shown_message(&error.to_string());
        format!("found {found}, expected a header and its tensors end to end; {DAMAGED}")
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    let metadata = header.metadata().iter().flatten();
    let metadata = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
    let file = SafeTensors::deserialize(bytes).map_err(wrong)?;
    let mut tensors = NamedTensors::new();
    for (name, view) in file.iter() {
        let axes = view.shape().len();
        if axes > MAX_AXES {
            let name = shown(name);
            return Err(format!(
                "found {axes} axes of tensor {name}, expected at most {MAX_AXES}; {DAMAGED}"
            ));
        }
        let element = element(view.dtype()).ok_or_else(|| {
            let (name, dtype) = (shown(name), view.dtype());
            format!(
                "found tensor {name} of {dtype:?}, expected a type with one real number per \
                     element; hint: convert it before it is saved"
            )
        })?;
        let values = element.numbers(view.data());
        tensors.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok((tensors, metadata))
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U64 => Element::U64,
        Dtype::U32 => Element::U32,
        Dtype::U16 => Element::U16,
        Dtype::U8 => Element::U8,
        Dtype::BOOL => Element::Bool,
        _ => return None,
    })
}
