//! Unfolds what the parser returns into a tree, through the description that it gives of itself by `Serialize`.

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeSeq, SerializeStruct};

use crate::{
    statement::ParseError,
    tree::{Fields, Tree},
};

const POSITIONS: [&str; 11] = [
    "location",
    "stmt_location",
    "stmt_len",
    "arg_location",
    "name_location",
    "conninfo_location",
    "payload_location",
    "list_start",
    "list_end",
    "rexpr_list_start",
    "rexpr_list_end",
];

/// How each of them ends.
const ENDS: [&str; 4] = ["location", "_len", "_start", "_end"];

// Most names end otherwise, and this is asked of every field of every tree.
fn is_position(name: &str) -> bool {
    ENDS.iter().any(|end| name.ends_with(end)) && POSITIONS.contains(&name)
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Unfold {
    /// Keeps what says where in the text a node stood.
    pub positions: bool,
}

pub(crate) struct Items {
    unfold: Unfold,
    items: Vec<Tree>,
}

pub(crate) struct Node {
    unfold: Unfold,
    fields: Fields,
}

/// What no tree of this parser has.
fn unheard_of(what: &str) -> ParseError {
    ParseError::Unreadable {
        message: format!("the parse tree has a {what}"),
    }
}

impl ser::Error for ParseError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Unreadable {
            message: message.to_string(),
        }
    }
}

impl SerializeSeq for Items {
    type Ok = Tree;
    type Error = ParseError;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, item: &T) -> Result<(), ParseError> {
        self.items.push(item.serialize(self.unfold)?);
        Ok(())
    }

    fn end(self) -> Result<Tree, ParseError> {
        Ok(Tree::Array(self.items))
    }
}

impl SerializeStruct for Node {
    type Ok = Tree;
    type Error = ParseError;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), ParseError> {
        if self.unfold.positions || !is_position(name) {
            self.fields.push(name, value.serialize(self.unfold)?);
        }
        Ok(())
    }

    fn end(self) -> Result<Tree, ParseError> {
        Ok(Tree::Object(self.fields))
    }
}

impl ser::Serializer for Unfold {
    type Ok = Tree;
    type Error = ParseError;
    type SerializeSeq = Items;
    type SerializeStruct = Node;
    type SerializeTuple = Impossible<Tree, ParseError>;
    type SerializeTupleStruct = Impossible<Tree, ParseError>;
    type SerializeTupleVariant = Impossible<Tree, ParseError>;
    type SerializeMap = Impossible<Tree, ParseError>;
    type SerializeStructVariant = Impossible<Tree, ParseError>;

    fn serialize_bool(self, value: bool) -> Result<Tree, ParseError> {
        Ok(Tree::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value))
    }

    fn serialize_u8(self, value: u8) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Result<Tree, ParseError> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Result<Tree, ParseError> {
        let number = value.try_into();
        number
            .map(Tree::Number)
            .map_err(|_| unheard_of("number beyond 64 bits"))
    }

    fn serialize_f32(self, _: f32) -> Result<Tree, ParseError> {
        Err(unheard_of("fraction"))
    }

    fn serialize_f64(self, _: f64) -> Result<Tree, ParseError> {
        Err(unheard_of("fraction"))
    }

    fn serialize_char(self, value: char) -> Result<Tree, ParseError> {
        Ok(Tree::String(value.to_string().into()))
    }

    fn serialize_str(self, value: &str) -> Result<Tree, ParseError> {
        Ok(Tree::String(value.into()))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Tree, ParseError> {
        Err(unheard_of("field of bytes"))
    }

    fn serialize_none(self) -> Result<Tree, ParseError> {
        Ok(Tree::Null)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<Tree, ParseError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree, ParseError> {
        Ok(Tree::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, ParseError> {
        Ok(Tree::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Tree, ParseError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<Tree, ParseError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, ParseError> {
        let mut fields = Fields::with_room(1);
        fields.push(variant, value.serialize(self)?);
        Ok(Tree::Object(fields))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, ParseError> {
        Ok(Items {
            unfold: self,
            items: Vec::with_capacity(len.unwrap_or(0)),
        })
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Node, ParseError> {
        Ok(Node {
            unfold: self,
            fields: Fields::with_room(len),
        })
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, ParseError> {
        Err(unheard_of("tuple"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, ParseError> {
        Err(unheard_of("tuple"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ParseError> {
        Err(unheard_of("tuple"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, ParseError> {
        Err(unheard_of("map"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ParseError> {
        Err(unheard_of("variant with fields"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::{Value, json};

    use super::*;
    use crate::{parser, tree};

    fn json(tree: &Tree) -> Value {
        match tree {
            Tree::Null => Value::Null,
            Tree::Bool(value) => json!(value),
            Tree::Number(value) => json!(value),
            Tree::String(value) => json!(value),
            Tree::Array(items) => items.iter().map(json).collect(),
            Tree::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.to_owned(), json(value)))
                .collect(),
        }
    }

    #[test]
    fn a_tree_says_what_json_would_say() {
        for sql in [
            "SELECT a.b, count(*) FILTER (WHERE c), -1, 1.5, 'x', NULL, true FROM s.t a JOIN u USING (i) WHERE x IN (1, $2)",
            "WITH RECURSIVE t AS (SELECT 1) INSERT INTO u SELECT * FROM t ON CONFLICT DO NOTHING RETURNING *",
            "ALTER TABLE s.t SET (autovacuum_enabled = off)",
            "VACUUM (ANALYZE) s.t (a, b); DROP INDEX CONCURRENTLY IF EXISTS i",
            "MERGE INTO t USING u ON t.i = u.i WHEN MATCHED THEN DELETE",
        ] {
            let parsed = parser::parse(sql).unwrap();
            let said = tree::with_positions(&parsed).unwrap();
            assert_eq!(json(&said), serde_json::to_value(&parsed).unwrap(), "{sql}");
        }
    }
}
