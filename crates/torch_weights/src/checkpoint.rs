//! What a saved object holds: weights, the memory beside them, and things of no use here.

use models::weights::{HostTensor, MEMORY_KEY, NamedTensors};

use crate::containers::Container;
use crate::pickle::Node;
use crate::view::View;

/// Where a saved dictionary may have the weights; tried in this order, and then the whole.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Where the reference saves the memory, beside the `state_dict`.
const MEMORY: &str = "memory";

/// Weights and the rest.
pub(crate) struct Contents {
    pub(crate) tensors: NamedTensors,
    pub(crate) not_read: Vec<String>,
}

/// Why there are none.
pub(crate) enum Missing {
    /// The file has other keys.
    Weights { keys: Vec<String> },
    /// A tensor cannot be read.
    Tensor { name: String, reason: String },
}

/// Takes the weights out of a saved object.
///
/// `file_length` bounds what tensors that share storages may take together.
pub(crate) fn contents(
    container: &Container<'_>,
    key: Option<&str>,
    file_length: usize,
) -> Result<Contents, Missing> {
    let pickle = &container.pickle;
    let root = pickle.entries(pickle.root()).unwrap_or_default();
    let keys = || root.keys().map(|&key| key.to_owned()).collect();
    let within = |key: &str| root.get(key).and_then(|node| pickle.entries(node));
    let (weights, holder) = match key {
        Some(key) => (within(key).ok_or_else(|| Missing::Weights { keys: keys() })?, Some(key)),
        None => KEYS
            .into_iter()
            .find_map(|key| Some((within(key)?, Some(key))))
            .unwrap_or_else(|| (root.clone(), None)),
    };
    if !weights.values().any(|node| matches!(node, Node::Tensor(_))) {
        return Err(Missing::Weights { keys: keys() });
    }
    let mut budget = file_length;
    let mut read = |name: &str, view: &View<'_>| {
        tensor(container, view, &mut budget)
            .map_err(|reason| Missing::Tensor { name: name.to_owned(), reason })
    };
    let mut tensors = NamedTensors::new();
    let mut not_read = Vec::new();
    for (name, node) in &weights {
        match node {
            Node::Tensor(view) => {
                tensors.insert((*name).to_owned(), read(name, view)?);
            }
            other => not_read.push(described(name, other)),
        }
    }
    if let Some(holder) = holder {
        for (name, node) in &root {
            match node {
                Node::Tensor(view) if *name == MEMORY => {
                    tensors.insert(MEMORY_KEY.to_owned(), read(name, view)?);
                }
                other if *name != holder => not_read.push(described(name, other)),
                _ => {}
            }
        }
    }
    Ok(Contents { tensors, not_read })
}

fn tensor(
    container: &Container<'_>,
    view: &View<'_>,
    budget: &mut usize,
) -> Result<HostTensor, String> {
    let key = &view.storage.key;
    let storage = container
        .storages
        .get(key)
        .ok_or_else(|| format!("its storage {key} is not in the file"))?;
    // Only tensors that share a storage can have more elements than the file has bytes.
    *budget = view.count().and_then(|count| budget.checked_sub(count)).ok_or_else(|| {
        "the tensors up to it have more elements than the file has bytes".to_owned()
    })?;
    Ok(HostTensor { shape: view.shape.clone(), values: view.values(storage)? })
}

/// A value in a few words, such as `epoch = 3`.
fn described(name: &str, node: &Node<'_>) -> String {
    match node {
        Node::Int(value) => format!("{name} = {value}"),
        Node::Float(value) => format!("{name} = {value}"),
        Node::Bool(value) => format!("{name} = {value}"),
        _ => name.to_owned(),
    }
}
