//! Which indexes could help a statement, by the columns that it picks, joins and orders by. Pure; the planner judges.

use std::collections::BTreeMap;

use sql_facts::{Column, Condition, Scope};

use super::tables::{Table, Tables};
use crate::hypothetical::{Index, Key, Method};

const MAX_PER_TABLE: usize = 14;
const MAX_KEYS: usize = 4;
/// Tried after the equality columns, one at a time.
const MAX_LAST_KEYS: usize = 3;

/// How often each column is compared by equality in all statements together, so that indexes of several statements
/// begin alike.
pub type Popularity = BTreeMap<(String, String, String), usize>;

/// What one statement does with one table that it names.
#[derive(Debug, Default)]
struct Wanted<'t> {
    table: Option<&'t Table>,
    /// Compared by equality with a value, in every row.
    equal: Vec<String>,
    joined: Vec<String>,
    ranged: Vec<String>,
    /// Under OR, where only an index for each arm helps.
    optional: Vec<String>,
    inverted: Vec<String>,
    called: Vec<(String, String)>,
    order: Vec<Key>,
    order_alone: bool,
}

/// Returns the indexes that might help, without those that are covered by what exists.
pub fn candidates(scopes: &[Scope], tables: &Tables, popularity: &Popularity, min_pages: i64) -> Vec<Index> {
    let mut found = Vec::new();
    for wanted in wanted(scopes, tables) {
        let Some(table) = wanted.table.filter(|table| table.pages >= min_pages) else {
            continue;
        };
        let mut of_table = Vec::new();
        for index in wanted.indexes(table, popularity) {
            if !of_table.contains(&index) && !table.has_index_like(&index) {
                of_table.push(index);
            }
        }
        of_table.truncate(MAX_PER_TABLE);
        found.extend(of_table);
    }
    found.sort();
    found.dedup();
    found
}

/// Counts the columns of one statement's equalities.
pub fn count(scopes: &[Scope], tables: &Tables, popularity: &mut Popularity) {
    for wanted in wanted(scopes, tables) {
        let Some(table) = wanted.table else { continue };
        for column in wanted.equal.iter().chain(&wanted.joined) {
            let key = (table.schema.clone(), table.name.clone(), column.clone());
            *popularity.entry(key).or_default() += 1;
        }
    }
}

fn wanted<'t>(scopes: &[Scope], tables: &'t Tables) -> Vec<Wanted<'t>> {
    let mut all: BTreeMap<(usize, usize), Wanted<'t>> = BTreeMap::new();
    for (at, scope) in scopes.iter().enumerate() {
        for found in &scope.uses {
            let owners = owners(scopes, at, &found.column, tables);
            let partner = match &found.condition {
                // Equal to another column of the same row: no index finds that.
                Condition::Join(Some(other)) if other.qualifier.is_some() => {
                    owners == self::owners(scopes, at, other, tables)
                }
                _ => false,
            };
            if partner {
                continue;
            }
            for place in owners {
                let Some(table) = table_at(scopes, place, tables) else {
                    continue;
                };
                let wanted = all.entry(place).or_default();
                wanted.table = Some(table);
                wanted.note(table, found);
            }
        }
        order(scopes, at, scope, tables, &mut all);
    }
    all.into_values().collect()
}

fn order<'t>(
    scopes: &[Scope],
    at: usize,
    scope: &Scope,
    tables: &'t Tables,
    all: &mut BTreeMap<(usize, usize), Wanted<'t>>,
) {
    let Some(first) = scope.order.first() else { return };
    let place = owners(scopes, at, &first.column, tables).first().copied();
    let Some((place, table)) = place.and_then(|place| Some((place, table_at(scopes, place, tables)?))) else {
        return;
    };
    // An index is read backwards as well, so the first column's direction is what the others are compared with.
    let keys = scope.order.iter().map_while(|item| {
        let of_table = owners(scopes, at, &item.column, tables) == [place];
        let column = table.column(&item.column.name)?;
        let default = item.nulls_first.is_none_or(|first| first == item.descending);
        (of_table && column.can_be_ordered() && (default || first.nulls_first == item.nulls_first)).then(|| Key {
            descending: item.descending != first.descending,
            nulls_first: (!default).then_some(item.nulls_first.unwrap_or(false) != first.descending),
            ..Key::plain(&item.column.name)
        })
    });
    let keys: Vec<Key> = keys.take(MAX_KEYS).collect();
    let wanted = all.entry(place).or_default();
    wanted.table = Some(table);
    wanted.order_alone = scope.limited && scope.tables.len() == 1;
    wanted.order = keys;
}

/// Returns the tables (scope, position) that a column may belong to; several only where USING names both sides.
fn owners(scopes: &[Scope], at: usize, column: &Column, tables: &Tables) -> Vec<(usize, usize)> {
    let mut next = Some(at);
    while let Some((at, scope)) = next.and_then(|at| Some((at, scopes.get(at)?))) {
        let has = |named: &sql_facts::Table| {
            let known = named
                .schema
                .as_deref()
                .and_then(|schema| tables.find(schema, &named.name));
            known.is_some_and(|table| table.column(&column.name).is_some())
        };
        let mine: Vec<(usize, usize)> = scope
            .tables
            .iter()
            .enumerate()
            .filter(|(_, named)| {
                column
                    .qualifier
                    .as_ref()
                    .is_none_or(|qualifier| *qualifier == named.alias)
            })
            .filter(|(_, named)| has(named))
            .map(|(position, _)| (at, position))
            .collect();
        if !mine.is_empty() {
            return mine;
        }
        next = scope.outer;
    }
    Vec::new()
}

fn table_at<'t>(scopes: &[Scope], (at, position): (usize, usize), tables: &'t Tables) -> Option<&'t Table> {
    let named = scopes.get(at)?.tables.get(position)?;
    let table = tables.find(named.schema.as_deref()?, &named.name)?;
    matches!(table.kind.as_str(), "r" | "m").then_some(table)
}

impl Wanted<'_> {
    fn note(&mut self, table: &Table, found: &sql_facts::Use) {
        let Some(column) = table.column(&found.column.name) else {
            return;
        };
        let name = column.name.clone();
        if let Some(function) = &found.function {
            if found.condition == Condition::Equality || found.condition == Condition::Range {
                self.called.push((function.clone(), name));
            }
            return;
        }
        let list = match &found.condition {
            Condition::Contains if column.can_be_inverted() => &mut self.inverted,
            _ if !column.can_be_ordered() => return,
            Condition::Contains => return,
            _ if !found.required => &mut self.optional,
            Condition::Equality => &mut self.equal,
            Condition::Join(_) => &mut self.joined,
            Condition::Range => &mut self.ranged,
        };
        if !list.contains(&name) {
            list.push(name);
        }
    }

    fn indexes(&self, table: &Table, popularity: &Popularity) -> Vec<Index> {
        let rank = |column: &String| {
            let key = (table.schema.clone(), table.name.clone(), column.clone());
            let distinct = table.column(column).and_then(|column| column.distinct(table.rows));
            (
                popularity.get(&key).copied().unwrap_or(0),
                distinct.unwrap_or(0.0) as u64,
            )
        };
        let mut equal = self.equal.clone();
        equal.sort_by_key(|column| std::cmp::Reverse(rank(column)));
        equal.truncate(MAX_KEYS);
        let plain = |columns: &[String]| columns.iter().map(|column| Key::plain(column)).collect::<Vec<_>>();
        let together = plain(&equal);
        let mut keys: Vec<Vec<Key>> = Vec::new();
        // Equality first; after it one column more that narrows or orders.
        let lasts = self.ranged.iter().chain(&self.joined).take(2 * MAX_LAST_KEYS);
        keys.extend((!together.is_empty() && !self.order.is_empty()).then(|| joined(&together, &self.order)));
        keys.push(together.clone());
        keys.extend(lasts.clone().map(|last| joined(&together, &[Key::plain(last)])));
        keys.extend(
            self.joined
                .iter()
                .take(MAX_LAST_KEYS)
                .map(|first| joined(&[Key::plain(first)], &together)),
        );
        let singles = equal
            .iter()
            .chain(&self.joined)
            .chain(&self.ranged)
            .chain(&self.optional);
        keys.extend(singles.map(|column| vec![Key::plain(column)]));
        if self.order_alone && !self.order.is_empty() {
            keys.push(self.order.clone());
        }
        let mut indexes: Vec<Index> = keys
            .into_iter()
            .filter(|keys| !keys.is_empty())
            .map(|keys| index(table, keys, Method::Btree))
            .collect();
        indexes.extend(self.called.iter().map(|(function, column)| {
            let key = Key {
                function: Some(function.clone()),
                ..Key::plain(column)
            };
            index(table, vec![key], Method::Btree)
        }));
        indexes.extend(
            self.inverted
                .iter()
                .map(|column| index(table, vec![Key::plain(column)], Method::Gin)),
        );
        indexes
    }
}

fn joined(first: &[Key], then: &[Key]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for key in first.iter().chain(then) {
        if !keys.iter().any(|before| before.column == key.column) {
            keys.push(key.clone());
        }
    }
    keys.truncate(MAX_KEYS);
    keys
}

fn index(table: &Table, keys: Vec<Key>, method: Method) -> Index {
    Index {
        schema: table.schema.clone(),
        table: table.name.clone(),
        keys,
        method,
        unique: false,
    }
}
