//! The part of Python's pickle format (protocols 2 to 5) that a `state_dict` needs.
//!
//! A pickle is a program for a small stack machine that may call any Python function. This machine has no
//! functions: it knows the few names of [`Global`] as data, builds plain values, and refuses everything else by
//! name. Each opcode makes at most one value and reads the input once, so time and memory stay in proportion to
//! the input. Opcodes are described in CPython's `Lib/pickletools.py`.

use std::collections::HashMap;
use std::rc::Rc;

use super::element::Element;
use super::error::Error;

/// Weights of convolutions have four axes.
const MOST_AXES: usize = 8;

/// Index of a [`Node`] in a [`Pickle`]. Indices allow a container to be filled after others refer to it.
pub(super) type Id = usize;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// None, a truth value, a float, bytes: what metadata hold and weights do not need.
    Other,
    Int(i64),
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Tensor),
}

/// The names of Python that are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A storage of floats, or of something else, by its name.
    Storage(Result<Element, String>),
}

/// An array of numbers in a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// The file's name.
    pub key: Rc<str>,
    /// The numbers' format, or its name if they are no floats.
    pub element: Result<Element, String>,
    /// How many there are.
    pub length: usize,
}

/// A view into a storage; all counted in numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// All values of a pickle, and the outermost one.
#[derive(Debug)]
pub(super) struct Pickle {
    pub nodes: Vec<Node>,
    pub root: Id,
}

/// Reads a pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, Error> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let at = machine.at;
        let step = machine.step().map_err(|fault| match fault {
            Fault::Code(name) => Error::Code(name),
            Fault::Damage(what) => Error::Pickle { at, what },
        })?;
        if let Some(root) = step {
            return Ok(Pickle { nodes: machine.nodes, root });
        }
    }
}

enum Fault {
    Code(String),
    Damage(String),
}

type Outcome<T> = Result<T, Fault>;

fn damage<T>(what: &str) -> Outcome<T> {
    Err(Fault::Damage(what.into()))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    /// Carries out one opcode; gives the value when it was the last.
    fn step(&mut self) -> Outcome<Option<Id>> {
        match self.take(1)?[0] {
            b'.' => return self.pop().map(Some),
            0x80 => match self.number(1)? {
                2..=5 => {}
                version => return damage(&format!("protocol {version} is not one of 2 to 5")),
            },
            // The length of a frame, which only helps those who read from a stream.
            0x95 => {
                self.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'N' | 0x88 | 0x89 => self.push(Node::Other),
            b'G' => self.skip(8)?,
            b'C' => self.skip_counted(1)?,
            b'B' => self.skip_counted(4)?,
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Node::Int(value.into()));
            }
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            0x8a => self.long()?,
            b'X' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            b')' => self.push(Node::Tuple(Vec::new())),
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b't' => {
                let items = self.pop_marked()?;
                self.push(Node::Tuple(items));
            }
            opcode @ 0x85..=0x87 => {
                let start = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                let Some(start) = start else { return damage("the stack is empty") };
                let items = self.stack.split_off(start);
                self.push(Node::Tuple(items));
            }
            b'q' => self.memoize(1)?,
            b'r' => self.memoize(4)?,
            0x94 => self.remember(self.memo.len() as u64)?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            opcode => return self.structured(opcode).map(|()| None),
        }
        Ok(None)
    }

    /// The opcodes that fill containers, name things and put them together.
    fn structured(&mut self, opcode: u8) -> Outcome<()> {
        match opcode {
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])
            }
            b'e' => {
                let items = self.pop_marked()?;
                self.append(items)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(&[key, value])
            }
            b'u' => {
                let items = self.pop_marked()?;
                self.insert(&items)
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.nodes[module], &self.nodes[name]) {
                    (Node::Text(module), Node::Text(name)) => {
                        let (module, name) = (Rc::clone(module), Rc::clone(name));
                        self.global(&module, &name)
                    }
                    _ => damage("a name is no text"),
                }
            }
            b'Q' => self.storage(),
            b'R' => self.reduce(),
            b'b' => {
                // The state of an ordered dictionary: PyTorch's versions of modules, which weights do not need.
                self.pop()?;
                match self.stack.last().map(|&id| &self.nodes[id]) {
                    Some(Node::Dict(_)) => Ok(()),
                    _ => damage("an object is given a state, which weights do not have"),
                }
            }
            other => damage(&format!("opcode {other:#04x} is not one that weights need")),
        }
    }

    fn take(&mut self, length: usize) -> Outcome<&[u8]> {
        let end = self.at.checked_add(length);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += length;
                Ok(bytes)
            }
            None => damage("it is cut short"),
        }
    }

    fn number(&mut self, length: usize) -> Outcome<u64> {
        Ok(self.take(length)?.iter().rev().fold(0, |value, &digit| value << 8 | u64::from(digit)))
    }

    fn length(&mut self, digits: usize) -> Outcome<usize> {
        let length = self.number(digits)?;
        usize::try_from(length).or_else(|_| damage("a length is out of range"))
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn pop(&mut self) -> Outcome<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().map_or_else(|| damage("the stack is empty"), Ok),
            false => damage("the stack is empty"),
        }
    }

    fn pop_marked(&mut self) -> Outcome<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => damage("there is no mark"),
        }
    }

    fn skip(&mut self, length: usize) -> Outcome<()> {
        self.take(length)?;
        self.push(Node::Other);
        Ok(())
    }

    fn skip_counted(&mut self, digits: usize) -> Outcome<()> {
        let length = self.length(digits)?;
        self.skip(length)
    }

    fn integer(&mut self, length: usize) -> Outcome<()> {
        let value = self.number(length)?;
        self.push(Node::Int(value as i64));
        Ok(())
    }

    /// A whole number of any length; those beyond 64 bits are no sizes.
    fn long(&mut self) -> Outcome<()> {
        let length = self.length(1)?;
        let digits = self.take(length)?;
        let node = match digits.len() {
            0 => Node::Int(0),
            1..=8 => {
                let sign = if digits[digits.len() - 1] & 0x80 == 0 { 0 } else { 0xff };
                let mut wide = [sign; 8];
                wide[..digits.len()].copy_from_slice(digits);
                Node::Int(i64::from_le_bytes(wide))
            }
            _ => Node::Other,
        };
        self.push(node);
        Ok(())
    }

    fn text(&mut self, digits: usize) -> Outcome<()> {
        let length = self.length(digits)?;
        match std::str::from_utf8(self.take(length)?) {
            Ok(text) => {
                let text = text.into();
                self.push(Node::Text(text));
                Ok(())
            }
            Err(_) => damage("a text is not UTF-8"),
        }
    }

    fn line(&mut self) -> Outcome<String> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return damage("it is cut short");
        };
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn memoize(&mut self, digits: usize) -> Outcome<()> {
        let key = self.number(digits)?;
        self.remember(key)
    }

    fn remember(&mut self, key: u64) -> Outcome<()> {
        match self.stack.last() {
            Some(&id) => {
                self.memo.insert(key, id);
                Ok(())
            }
            None => damage("the stack is empty"),
        }
    }

    fn recall(&mut self, digits: usize) -> Outcome<()> {
        let key = self.number(digits)?;
        match self.memo.get(&key) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => damage("it refers to what was not kept"),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Outcome<()> {
        match self.stack.last().map(|&id| &mut self.nodes[id]) {
            Some(Node::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => damage("something is appended to what is no list"),
        }
    }

    fn insert(&mut self, items: &[Id]) -> Outcome<()> {
        match self.stack.last().map(|&id| &mut self.nodes[id]) {
            Some(Node::Dict(dict)) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => damage("something is put into what is no dictionary"),
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Outcome<()> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", storage) => match (Element::named(storage), storage) {
                (Some(element), _) => Global::Storage(Ok(element)),
                (
                    None,
                    "LongStorage" | "IntStorage" | "ShortStorage" | "CharStorage" | "ByteStorage"
                    | "BoolStorage",
                ) => Global::Storage(Err(storage.into())),
                _ => return Err(Fault::Code(format!("{module}.{name}"))),
            },
            _ => return Err(Fault::Code(format!("{module}.{name}"))),
        };
        self.push(Node::Global(global));
        Ok(())
    }

    fn tuple(&self, id: Id) -> Outcome<&[Id]> {
        match &self.nodes[id] {
            Node::Tuple(items) => Ok(items),
            _ => damage("there is no tuple where one should be"),
        }
    }

    /// `("storage", kind, key, location, length)`: a storage kept outside the pickle.
    fn storage(&mut self) -> Outcome<()> {
        let id = self.pop()?;
        let &[tag, kind, key, _, length] = self.tuple(id)? else {
            return damage("a storage is not described as PyTorch does");
        };
        let nodes = [tag, kind, key, length].map(|id| &self.nodes[id]);
        let [Node::Text(tag), Node::Global(Global::Storage(element)), Node::Text(key), Node::Int(length)] =
            nodes
        else {
            return damage("a storage is not described as PyTorch does");
        };
        let Ok(length) = usize::try_from(*length) else { return damage("a storage's length is below 0") };
        if &**tag != "storage" {
            return damage("something other than a storage is kept outside the pickle");
        }
        let storage = Storage { key: key.clone(), element: element.clone(), length };
        self.push(Node::Storage(storage));
        Ok(())
    }

    fn reduce(&mut self) -> Outcome<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let arguments: Vec<Id> = self.tuple(arguments)?.iter().take(4).copied().collect();
        match (&self.nodes[callee], arguments.as_slice()) {
            (Node::Global(Global::OrderedDict), []) => self.push(Node::Dict(Vec::new())),
            (Node::Global(Global::RebuildParameter), [data, ..]) => self.stack.push(*data),
            (Node::Global(Global::RebuildTensor), [storage, offset, shape, strides]) => {
                let tensor = self.tensor(*storage, *offset, *shape, *strides)?;
                self.push(Node::Tensor(tensor));
            }
            _ => return damage("something is called that is no constructor of weights"),
        }
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Outcome<Tensor> {
        let Node::Storage(storage) = &self.nodes[storage] else {
            return damage("a tensor has no storage");
        };
        let size = |id: Id| match self.nodes[id] {
            Node::Int(value) => usize::try_from(value).or_else(|_| damage("a size is below 0")),
            _ => damage("a size is no whole number"),
        };
        let sizes = |id: Id| match self.tuple(id)? {
            axes if axes.len() > MOST_AXES => damage("a tensor has more axes than weights have"),
            axes => axes.iter().map(|&id| size(id)).collect(),
        };
        let storage = storage.clone();
        Ok(Tensor { storage, offset: size(offset)?, shape: sizes(shape)?, strides: sizes(strides)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(bytes: &[u8]) -> Node {
        let pickle = read(bytes).unwrap();
        pickle.nodes[pickle.root].clone()
    }

    #[test]
    fn plain_values_are_read() {
        assert_eq!(root(b"\x80\x02K\x07."), Node::Int(7));
        assert_eq!(root(b"\x80\x02J\xff\xff\xff\xff."), Node::Int(-1));
        assert_eq!(root(b"\x80\x02\x8a\x02\x00\x80."), Node::Int(-32768));
        assert_eq!(root(b"\x80\x04\x8c\x02ab."), Node::Text("ab".into()));
    }

    #[test]
    fn a_dictionary_that_is_kept_and_then_filled_is_one_dictionary() {
        let pickle = read(b"\x80\x02}q\x00X\x01\0\0\0aK\x01sh\x00\x86.").unwrap();
        let Node::Tuple(items) = &pickle.nodes[pickle.root] else { panic!("{pickle:?}") };
        assert_eq!(items[0], items[1]);
        assert!(matches!(&pickle.nodes[items[0]], Node::Dict(entries) if entries.len() == 1));
    }

    #[test]
    fn names_that_are_no_weights_are_refused_as_code() {
        for (module, name) in
            [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch.nn", "Linear")]
        {
            let bytes = format!("\u{1}c{module}\n{name}\n)R.").into_bytes();
            let error = read(&bytes[1..]).unwrap_err();
            assert!(matches!(&error, Error::Code(code) if *code == format!("{module}.{name}")), "{error}");
        }
    }

    #[test]
    fn a_damaged_program_is_refused_with_its_place() {
        for (bytes, place) in [
            (&b"\x80\x02K"[..], "byte 2"),
            (b"\x80\x09.", "byte 0"),
            (b"(t", "byte 2"),
            (b"K\x01K\x01R.", "byte 4"),
        ] {
            assert!(read(bytes).unwrap_err().to_string().contains(place), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_program_ends_in_a_value_or_an_error(
            codes in proptest::collection::vec(
                prop_oneof![
                    proptest::sample::select(b".(NGCBJKMXU)]}tqrhjaesucQRb".to_vec()),
                    0x80u8..=0x95,
                    any::<u8>(),
                ],
                0..200,
            ),
        ) {
            let _ = read(&codes);
        }
    }
}
