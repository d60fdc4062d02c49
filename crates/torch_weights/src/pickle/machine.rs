//! The instructions.
//!
//! Source: the comments of CPython's `Lib/pickletools.py`; protocols 2 to 4, as `torch.save` uses
//! them.

use std::collections::BTreeMap;

use super::{Global, MAX_NODES, Node, NodeId, Parsed, PickleError, References};
use crate::shown::shown;

/// Reads one pickle from the start of `bytes`.
pub(crate) fn parse<'a>(
    bytes: &'a [u8],
    references: &References<'a, '_>,
) -> Result<Parsed<'a>, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        copied_items: 0,
        references,
    };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Parsed { nodes: machine.nodes, root, length: machine.at })
}

pub(super) struct Machine<'a, 'r> {
    bytes: &'a [u8],
    at: usize,
    pub(super) nodes: Vec<Node<'a>>,
    stack: Vec<NodeId>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, NodeId>,
    /// Items of lists that calls copied.
    pub(super) copied_items: usize,
    pub(super) references: &'r References<'a, 'r>,
}

impl<'a> Machine<'a, '_> {
    /// Obeys one instruction; false after the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        let at = self.at;
        let [code] = self.take_array()?;
        match code {
            b'.' => return Ok(false),
            // Protocol and frames say nothing that is needed.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'N' => self.push(Node::None)?,
            0x88 | 0x89 => self.push(Node::Bool(code == 0x88))?,
            b'J' | b'K' | b'M' | 0x8a | 0x8b => self.integer(code)?,
            b'G' => {
                let number = f64::from_be_bytes(self.take_array()?);
                self.push(Node::Float(number))?;
            }
            b'X' | b'T' | b'U' | b'B' | b'C' | 0x8c => self.text(code)?,
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            0x8f => self.push(Node::Inert)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items))?;
            }
            0x85..=0x87 => self.short_tuple(usize::from(code - 0x84))?,
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let [key, value] = self.pop_two()?;
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.insert(&items)?;
            }
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memorize(code)?,
            b'c' | 0x93 => self.global(code)?,
            b'Q' => {
                let reference = self.pop()?;
                let node = self.resolve(reference)?;
                self.push(node)?;
            }
            b'R' | 0x81 => {
                let [callable, arguments] = self.pop_two()?;
                let node = self.build(callable, arguments)?;
                self.push(node)?;
            }
            b'b' => {
                let [object, state] = self.pop_two()?;
                self.set_state(object, state)?;
                self.stack.push(object);
            }
            code => return Err(PickleError::Instruction { code, at }),
        }
        Ok(true)
    }

    fn integer(&mut self, code: u8) -> Result<(), PickleError> {
        let node = match code {
            b'J' => Node::Int(i32::from_le_bytes(self.take_array()?).into()),
            b'K' => Node::Int(u8::from_le_bytes(self.take_array()?).into()),
            b'M' => Node::Int(u16::from_le_bytes(self.take_array()?).into()),
            _ => {
                let length = self.length(if code == 0x8a { 1 } else { 4 })?;
                long(self.take(length)?)
            }
        };
        self.push(node)
    }

    fn text(&mut self, code: u8) -> Result<(), PickleError> {
        let short = matches!(code, b'U' | b'C' | 0x8c);
        let length = self.length(if short { 1 } else { 4 })?;
        let bytes = self.take(length)?;
        let node = match (code, str::from_utf8(bytes)) {
            (b'B' | b'C', _) => Node::Bytes,
            (_, Ok(text)) => Node::Text(text),
            // Python 2 wrote bytes as text.
            (b'T' | b'U', Err(_)) => Node::Bytes,
            (_, Err(_)) => return Err(self.damaged("text that is not UTF-8")),
        };
        self.push(node)
    }

    fn short_tuple(&mut self, length: usize) -> Result<(), PickleError> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn extend(&mut self, items: Vec<NodeId>) -> Result<(), PickleError> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::List(list) => list.extend(items),
            Node::Inert => {}
            _ => return Err(self.damaged("items for something that is not a list")),
        }
        Ok(())
    }

    fn insert(&mut self, items: &[NodeId]) -> Result<(), PickleError> {
        let top = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.damaged("a key without a value"));
        };
        match &mut self.nodes[top] {
            Node::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Node::Inert => {}
            _ => return Err(self.damaged("entries for something that is not a dictionary")),
        }
        Ok(())
    }

    /// Notes the top of the stack under a number, or pushes what was noted.
    fn memorize(&mut self, code: u8) -> Result<(), PickleError> {
        let number = match code {
            b'q' | b'h' => u8::from_le_bytes(self.take_array()?).into(),
            b'r' | b'j' => u32::from_le_bytes(self.take_array()?),
            // At most one note per byte of a pickle in memory.
            _ => u32::try_from(self.memo.len()).ok().ok_or(PickleError::TooLarge)?,
        };
        if matches!(code, b'h' | b'j') {
            let noted = self.memo.get(&number).copied();
            let id = noted.ok_or_else(|| self.damaged("a value that was never noted"))?;
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(number, top);
        }
        Ok(())
    }

    fn global(&mut self, code: u8) -> Result<(), PickleError> {
        let (module, name) = if code == b'c' {
            (self.line()?, self.line()?)
        } else {
            let ids = self.pop_two()?;
            let [Node::Text(module), Node::Text(name)] = ids.map(|id| &self.nodes[id]) else {
                return Err(self.damaged("a name that is not text"));
            };
            (*module, *name)
        };
        let global = Global::named(module, name)
            .ok_or_else(|| PickleError::Foreign { name: foreign(module, name) })?;
        self.push(Node::Global(global))
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        if self.nodes.len() == MAX_NODES {
            return Err(PickleError::TooLarge);
        }
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    fn top(&self) -> Result<NodeId, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let values = self.stack.get(floor..).unwrap_or_default();
        values.last().copied().ok_or_else(|| self.damaged("no value for an instruction"))
    }

    fn pop(&mut self) -> Result<NodeId, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_two(&mut self) -> Result<[NodeId; 2], PickleError> {
        let second = self.pop()?;
        Ok([self.pop()?, second])
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("no mark for an instruction"))?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let end = self.at.checked_add(length).ok_or(PickleError::Ends)?;
        let bytes = self.bytes.get(self.at..end).ok_or(PickleError::Ends)?;
        self.at = end;
        Ok(bytes)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.take(N)?.first_chunk().copied().ok_or(PickleError::Ends)
    }

    /// A length of one or four bytes.
    fn length(&mut self, bytes: usize) -> Result<usize, PickleError> {
        let length = self.take(bytes)?.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        usize::try_from(length).ok().ok_or(PickleError::Ends)
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::Ends)?;
        let line = self.take(length)?;
        self.take(1)?;
        str::from_utf8(line).ok().ok_or_else(|| self.damaged("a name that is not UTF-8"))
    }

    pub(super) fn damaged(&self, what: &'static str) -> PickleError {
        PickleError::Damaged { at: self.at, what }
    }
}

/// A name with its module, both of any length in a file that means harm.
fn foreign(module: &str, name: &str) -> String {
    format!("{}.{}", shown(module), shown(name))
}

/// An integer in two's complement.
fn long<'a>(bytes: &'a [u8]) -> Node<'a> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 8] } else { [0; 8] };
    match wide.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Node::Int(i64::from_le_bytes(wide))
        }
        None => Node::Long(bytes),
    }
}
