//! The parse tree as its fields' names and values, by default without anything that only says where in the text it stood.
//!
//! It is what JSON would say of the tree, in the same shape: a node that may be of several types is `{"node": {"ColumnRef": {…}}}`.
//! But the names are the parser's own and are not copied: most of a tree is names, and most of the time that a statement takes
//! would go into them.

use pg_query::protobuf::ParseResult;
use serde::Serialize;

use crate::{statement::ParseError, unfold::Unfold};

/// A part of a parse tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(i64),
    String(Box<str>),
    Array(Vec<Tree>),
    Object(Fields),
}

/// The fields of a node in the order of the grammar, which is the same in all nodes of one type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(Vec<(&'static str, Tree)>);

impl Fields {
    pub fn get(&self, name: &str) -> Option<&Tree> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Tree)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    pub fn values(&self) -> impl Iterator<Item = &Tree> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Tree> {
        self.0
            .iter_mut()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn with_room(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    pub(crate) fn push(&mut self, name: &'static str, value: Tree) {
        self.0.push((name, value));
    }
}

impl Tree {
    /// Returns the field of that name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// Returns what a path as `/node/AConst/val` or `/args/0` leads to.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').skip(1).try_fold(self, |tree, name| match tree {
            Self::Object(fields) => fields.get(name),
            Self::Array(items) => items.get(name.parse::<usize>().ok()?),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => None,
        })
    }

    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        self.as_i64().and_then(|value| value.try_into().ok())
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Fields> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Returns the tree of the first statement, so that two spellings of one statement compare equal.
pub(crate) fn of(parsed: &ParseResult) -> Result<Tree, ParseError> {
    let first = parsed.stmts.first().and_then(|raw| raw.stmt.as_deref());
    first.ok_or(ParseError::Empty)?.serialize(Unfold { positions: false })
}

/// Returns the tree of all statements, with the places where they stand.
pub(crate) fn with_positions(parsed: &ParseResult) -> Result<Tree, ParseError> {
    parsed.serialize(Unfold { positions: true })
}
