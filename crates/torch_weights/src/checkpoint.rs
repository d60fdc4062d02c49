//! What a saved object holds: weights, the memory beside them, and things of no use here.

use models::weights::{HostTensor, MEMORY_KEY, NamedTensors};

use crate::containers::{Container, DAMAGED};
use crate::naming::without_module;
use crate::pickle::{Node, Parsed};
use crate::shown::{shown, shown_list};
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
    /// There are none where they were looked for.
    Weights { place: String, top: String, hint: &'static str },
    /// A tensor cannot be read.
    Tensor { name: String, reason: String },
    /// There are two memories.
    Memory { inner: String, outer: String },
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
    let within = |key: &str| root.get(key).and_then(|node| pickle.entries(node));
    let (weights, holder) = match key {
        Some(key) => (within(key).unwrap_or_default(), Some(key)),
        None => KEYS
            .into_iter()
            .find_map(|key| Some((within(key)?, Some(key))))
            .unwrap_or_else(|| (root.clone(), None)),
    };
    if !weights.values().any(|node| matches!(node, Node::Tensor(_))) {
        return Err(no_weights(pickle, key, holder));
    }
    let mut budget = file_length;
    let mut read = |name: &str, view: &View<'_>| {
        tensor(container, view, &mut budget)
            .map_err(|reason| Missing::Tensor { name: shown(name), reason })
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
    for (name, node) in &root {
        match (node, holder) {
            (_, None) => {}
            (Node::Tensor(view), Some(holder)) if *name == MEMORY => {
                add_memory(&mut tensors, read(name, view)?, holder)?;
            }
            (other, Some(holder)) if *name != holder => not_read.push(described(name, other)),
            _ => {}
        }
    }
    Ok(Contents { tensors, not_read })
}

/// Where there was nothing, what is there instead, and what may help.
fn no_weights(pickle: &Parsed<'_>, key: Option<&str>, holder: Option<&str>) -> Missing {
    let place = match holder {
        Some(holder) => format!("under {}", shown(holder)),
        None => format!("at the top, and no dictionary under {}", KEYS.join(" or ")),
    };
    let (top, hint) = match pickle.entries(pickle.root()) {
        None => {
            let kind = kind(pickle.root());
            let hint = "load it with torch and save its state_dict";
            (format!("the file is no dictionary but {kind}"), hint)
        }
        Some(entries) => {
            let hint = match key {
                None => "name the dictionary that holds the weights with --key",
                Some(_) => "name another dictionary with --key, or leave it out",
            };
            match entries.len() {
                0 => ("the file has no keys of text".to_owned(), hint),
                _ => (format!("its keys are: {}", shown_list(entries.keys().copied())), hint),
            }
        }
    };
    Missing::Weights { place, top, hint }
}

/// Puts the memory that stands beside the weights among them, unless it is there already.
fn add_memory(tensors: &mut NamedTensors, memory: HostTensor, holder: &str) -> Result<(), Missing> {
    let bits = |tensor: &HostTensor| -> Vec<u32> {
        tensor.values.iter().map(|value| value.to_bits()).collect()
    };
    let inner = tensors.iter().find(|(name, _)| without_module(name) == MEMORY_KEY);
    match inner {
        None => {
            tensors.insert(MEMORY_KEY.to_owned(), memory);
            Ok(())
        }
        Some((_, same)) if same.shape == memory.shape && bits(same) == bits(&memory) => Ok(()),
        Some((name, _)) => Err(Missing::Memory {
            inner: format!("{}.{name}", shown(holder)),
            outer: MEMORY.to_owned(),
        }),
    }
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
        .ok_or_else(|| format!("found no storage {}, expected one; {DAMAGED}", shown(key)))?;
    // Only tensors that share a storage can have more elements than the file has bytes.
    *budget = view.count().and_then(|count| budget.checked_sub(count)).ok_or_else(|| {
        "the tensors up to it have more elements than the file has bytes, expected fewer; hint: \
         save copies of tensors that share their elements"
            .to_owned()
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

/// What a value is, for a file that should have been a dictionary.
fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::Tensor(_) => "a tensor",
        Node::Tuple(_) | Node::List(_) => "a list",
        Node::Dict(_) => "a dictionary",
        Node::Text(_) | Node::Bytes => "text",
        Node::None | Node::Bool(_) | Node::Int(_) | Node::Long(_) | Node::Float(_) => {
            "a single value"
        }
        _ => "another object",
    }
}
