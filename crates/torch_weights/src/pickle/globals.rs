//! The Python names that PyTorch writes.

use crate::element::Element;

/// What a known name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    /// `_rebuild_tensor` and `_rebuild_tensor_v2`, which begin alike.
    RebuildTensor,
    /// `_rebuild_tensor_v3`, which names the element type.
    RebuildTensorV3,
    RebuildParameter,
    Parameter,
    Size,
    /// A class of storages; `None` if it has no element type.
    Storage(Option<Element>),
    Dtype(Element),
    /// A name that may occur beside weights and is of no use.
    Inert,
}

impl Global {
    /// What `module.name` stands for, if PyTorch writes it.
    pub(crate) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTensorV3,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch.nn.parameter", "Parameter") => Self::Parameter,
            ("torch", "Size") => Self::Size,
            ("torch" | "torch.storage", "UntypedStorage") => Self::Storage(None),
            ("torch" | "torch.cuda", name) => match Element::of_storage(name) {
                Some(element) => Self::Storage(Some(element)),
                // The class of a tensor, in the oldest files.
                None if name.ends_with("Tensor") || name == "device" => Self::Inert,
                None => Self::Dtype(Element::of_dtype(name)?),
            },
            // Sets, the settings of a schedule, and numbers of NumPy, such as a mean IoU.
            ("builtins" | "__builtin__", "set" | "frozenset")
            | ("collections", "Counter" | "defaultdict")
            | ("_codecs", "encode")
            | ("numpy", "dtype" | "ndarray")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct") => {
                Self::Inert
            }
            _ => return None,
        })
    }
}
