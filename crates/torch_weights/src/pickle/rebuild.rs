//! What the known names do: tensors and dictionaries from their parts.

use std::borrow::Cow;

use super::machine::Machine;
use super::{Global, MAX_NODES, Node, NodeId, PickleError, References};
use crate::view::{MAX_AXES, Storage, View};

impl<'a> Machine<'a, '_> {
    /// The value that a known name gives for its arguments.
    pub(super) fn build(
        &mut self,
        callable: NodeId,
        arguments: NodeId,
    ) -> Result<Node<'a>, PickleError> {
        match (&self.nodes[callable], self.items(arguments)?) {
            (Node::Global(Global::OrderedDict), []) => Ok(Node::Dict(Vec::new())),
            (Node::Global(Global::OrderedDict), &[pairs]) => {
                // One list may serve many calls, each of which copies it.
                self.copied_items += self.items(pairs)?.len();
                if self.copied_items > MAX_NODES {
                    return Err(PickleError::TooLarge);
                }
                let pair = |&pair: &NodeId| match self.items(pair)? {
                    &[key, value] => Ok((key, value)),
                    _ => Err(self.damaged("an entry without key and value")),
                };
                Ok(Node::Dict(self.items(pairs)?.iter().map(pair).collect::<Result<_, _>>()?))
            }
            (
                Node::Global(global @ (Global::RebuildTensor | Global::RebuildTensorV3)),
                &[storage, offset, shape, strides, ref rest @ ..],
            ) => {
                // Whether it needs a gradient, hooks, and then the element type.
                let dtype = (*global == Global::RebuildTensorV3).then(|| rest.get(2)).flatten();
                self.tensor([storage, offset, shape, strides], dtype.copied())
            }
            (Node::Global(Global::RebuildParameter | Global::Parameter), &[data, ..]) => {
                match &self.nodes[data] {
                    Node::Tensor(view) => Ok(Node::Tensor(view.clone())),
                    _ => Err(self.damaged("a parameter without a tensor")),
                }
            }
            (Node::Global(Global::Parameter), []) => Ok(Node::EmptyParameter),
            (Node::Global(Global::Size), &[sides]) => match self.items(sides)? {
                sides if sides.len() <= MAX_AXES => Ok(Node::Tuple(sides.to_vec())),
                _ => Err(self.damaged("a shape with too many axes")),
            },
            (Node::Global(Global::Inert), _) => Ok(Node::Inert),
            _ => Err(self.damaged("a call that PyTorch does not write")),
        }
    }

    /// Gives an object its attributes.
    pub(super) fn set_state(&mut self, object: NodeId, state: NodeId) -> Result<(), PickleError> {
        match &self.nodes[object] {
            // Attributes of a dictionary are versions of modules.
            Node::Dict(_) | Node::Inert => Ok(()),
            // The oldest files have parameters as (data, gradient, hooks, two flags).
            Node::EmptyParameter => {
                let data = self.items(state)?.first().map(|&data| &self.nodes[data]);
                let Some(Node::Tensor(view)) = data else {
                    return Err(self.damaged("a parameter without a tensor"));
                };
                self.nodes[object] = Node::Tensor(view.clone());
                Ok(())
            }
            _ => Err(self.damaged("attributes of something that has none")),
        }
    }

    /// What a persistent reference refers to.
    pub(super) fn resolve(&self, reference: NodeId) -> Result<Node<'a>, PickleError> {
        match self.references {
            References::Refused => Err(self.damaged("a reference where PyTorch writes none")),
            References::Storages => self.storage(reference).map(Node::Storage),
            References::Tensors(tensors) => {
                let key = match &self.nodes[reference] {
                    Node::Int(key) => Some(*key),
                    Node::Text(key) => key.parse().ok(),
                    _ => None,
                };
                let view = key.and_then(|key| tensors.get(&key));
                let view = view.ok_or_else(|| self.damaged("a tensor that is not in the file"))?;
                Ok(Node::Tensor(Box::new(view.clone())))
            }
        }
    }

    /// A reference `("storage", class, key, device, length[, view])`.
    fn storage(&self, reference: NodeId) -> Result<Storage<'a>, PickleError> {
        let wrong = || self.damaged("a reference that is not to a storage");
        let &[kind, class, key, _, length, ref view @ ..] = self.items(reference)? else {
            return Err(wrong());
        };
        let (Node::Text("storage"), Node::Global(Global::Storage(element))) =
            (&self.nodes[kind], &self.nodes[class])
        else {
            return Err(wrong());
        };
        let key = match &self.nodes[key] {
            Node::Text(key) => Cow::Borrowed(*key),
            Node::Int(key) => Cow::Owned(key.to_string()),
            _ => return Err(wrong()),
        };
        let start = match view.first().map(|&view| &self.nodes[view]) {
            None | Some(Node::None) => 0,
            // Key, first element and length of a view of the storage.
            Some(Node::Tuple(view)) if view.len() == 3 => self.size(view[1])?,
            Some(_) => return Err(wrong()),
        };
        Ok(Storage { key, element: *element, length: self.size(length)?, start })
    }

    fn tensor(
        &self,
        [storage, offset, shape, strides]: [NodeId; 4],
        dtype: Option<NodeId>,
    ) -> Result<Node<'a>, PickleError> {
        let Node::Storage(storage) = &self.nodes[storage] else {
            return Err(self.damaged("a tensor without a storage"));
        };
        let element = match (dtype.map(|dtype| &self.nodes[dtype]), storage.element) {
            (None, Some(element)) => element,
            (Some(Node::Global(Global::Dtype(dtype))), None) => *dtype,
            _ => return Err(self.damaged("a tensor without an element type")),
        };
        let [shape, strides] = [self.sizes(shape)?, self.sizes(strides)?];
        if shape.len() != strides.len() || shape.len() > MAX_AXES {
            return Err(self.damaged("a tensor with too many axes, or not one stride for each"));
        }
        let (storage, offset) = (storage.clone(), self.size(offset)?);
        Ok(Node::Tensor(Box::new(View { storage, element, offset, shape, strides })))
    }

    fn items(&self, id: NodeId) -> Result<&[NodeId], PickleError> {
        match &self.nodes[id] {
            Node::Tuple(items) | Node::List(items) => Ok(items),
            _ => Err(self.damaged("something else than a tuple or list")),
        }
    }

    fn sizes(&self, id: NodeId) -> Result<Vec<usize>, PickleError> {
        let ids = self.items(id)?;
        // Not all of them, which may be many, where there are too many.
        ids.iter().take(MAX_AXES + 1).map(|&id| self.size(id)).collect()
    }

    fn size(&self, id: NodeId) -> Result<usize, PickleError> {
        match self.nodes[id] {
            Node::Int(size) => {
                usize::try_from(size).ok().ok_or_else(|| self.damaged("a negative size"))
            }
            _ => Err(self.damaged("a size that is no integer")),
        }
    }
}
