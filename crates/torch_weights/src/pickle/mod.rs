//! A pickle machine that knows what PyTorch writes, and calls nothing.
//!
//! Values live in one list and refer to each other by place, as Python's do by reference. So a
//! value costs its own size however often it is used, and nothing here recurses.

mod globals;
mod machine;
mod rebuild;

use std::collections::BTreeMap;

use crate::view::View;

pub(crate) use globals::Global;
pub(crate) use machine::parse;

/// Most values of one pickle. A network of a thousand tensors has some ten thousand.
const MAX_NODES: usize = 1_000_000;

/// What can be wrong with a pickle.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PickleError {
    /// It ends too early.
    #[error(
        "found the end of the file within the pickle, expected its last instruction; hint: the \
         file may be truncated"
    )]
    Ends,
    /// An instruction that PyTorch does not write.
    #[error(
        "found instruction 0x{code:02x} at byte {at} of the pickle, expected one that PyTorch \
         writes; hint: the file may be damaged, or of another program than torch.save"
    )]
    Instruction {
        /// The instruction.
        code: u8,
        /// Where, from the pickle's start.
        at: usize,
    },
    /// A Python name that weights have no use for.
    #[error(
        "found the Python object {name} in the pickle, expected tensors, dictionaries and \
         numbers alone; nothing was run; hint: if you trust the file, save its state_dict alone \
         with torch"
    )]
    Foreign {
        /// The name with its module, shortened where it is long.
        name: String,
    },
    /// Instructions that make no sense together.
    #[error(
        "found {what} at byte {at} of the pickle, expected what torch.save writes; hint: the file \
         may be damaged"
    )]
    Damaged {
        /// Where, from the pickle's start.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// More values than any network needs.
    #[error(
        "found more than {MAX_NODES} values in the pickle, expected fewer: a network of a \
         thousand tensors has some ten thousand; hint: save its state_dict alone with torch"
    )]
    TooLarge,
}

/// Place of a value in the list.
pub(crate) type NodeId = usize;

/// A Python value.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of other than 1 to 8 bytes, in two's complement, little-endian.
    Long(&'a [u8]),
    Float(f64),
    Text(&'a str),
    /// Bytes, or text of Python 2 that is not UTF-8.
    Bytes,
    Tuple(Vec<NodeId>),
    List(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    Global(Global),
    Storage(crate::view::Storage<'a>),
    Tensor(Box<View<'a>>),
    /// A `Parameter` whose tensor is still to come.
    EmptyParameter,
    /// A known object that is of no use here, such as a number of NumPy.
    Inert,
}

/// What the persistent references of a pickle refer to.
pub(crate) enum References<'a, 'r> {
    /// There are none.
    Refused,
    /// Storages of the container.
    Storages,
    /// Tensors listed beforehand.
    Tensors(&'r BTreeMap<i64, View<'a>>),
}

/// A parsed pickle.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    nodes: Vec<Node<'a>>,
    root: NodeId,
    /// Bytes that the pickle takes.
    pub(crate) length: usize,
}

impl<'a> Parsed<'a> {
    /// The value that the pickle stands for.
    pub(crate) fn root(&self) -> &Node<'a> {
        self.node(self.root)
    }

    /// The value at a place.
    pub(crate) fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id]
    }

    /// All values, in no order that matters.
    pub(crate) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// The items of a tuple or list; nothing is copied, since many lists may be one.
    pub(crate) fn items<'s>(
        &'s self,
        node: &'s Node<'a>,
    ) -> Option<impl ExactSizeIterator<Item = &'s Node<'a>>> {
        match node {
            Node::Tuple(ids) | Node::List(ids) => Some(ids.iter().map(|&id| self.node(id))),
            _ => None,
        }
    }

    /// The items of a tuple or list of `N`.
    pub(crate) fn fields<'s, const N: usize>(
        &'s self,
        node: &'s Node<'a>,
    ) -> Option<[&'s Node<'a>; N]> {
        match node {
            Node::Tuple(ids) | Node::List(ids) => {
                Some(ids.as_array::<N>()?.map(|id| self.node(id)))
            }
            _ => None,
        }
    }

    /// The entries of a dictionary whose keys are text, in name order; of two, the later counts.
    pub(crate) fn entries(&self, node: &Node<'a>) -> Option<BTreeMap<&'a str, &Node<'a>>> {
        let Node::Dict(pairs) = node else { return None };
        let entry = |&(key, value): &(NodeId, NodeId)| match self.node(key) {
            Node::Text(key) => Some((*key, self.node(value))),
            _ => None,
        };
        Some(pairs.iter().filter_map(entry).collect())
    }
}

#[cfg(test)]
mod tests;
