//! Tells which casts a statement may run, by the types that its expressions can have.
//!
//! Only needed where somebody made a cast between built-in types: then `a + b` may call a function that nothing in the text
//! names. Every expression has a set of types that it can have, or any; a name stands for every column of that name. Among
//! the candidates of a call those with the most exact matches are kept, as the server does first (func_select_candidate);
//! when one of those that are left needs the cast, the cast may run.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use serde::Deserialize;
use sql_facts::{Fields, Tree};

/// The types that an expression can have; `None` is any.
type Types = Option<BTreeSet<u32>>;

/// What a function or an operator takes and gives.
#[derive(Debug, Clone, Deserialize)]
pub struct Signature {
    name: String,
    /// The function that runs.
    code: u32,
    result: u32,
    arguments: Vec<u32>,
    /// How many of the last arguments may be left out.
    defaults: usize,
    /// The element of a VARIADIC last argument, or 0.
    variadic: u32,
}

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const NUMERIC: u32 = 1700;
const UNKNOWN: u32 = 705;
const RECORD: u32 = 2249;
/// any, anyelement, anyarray, anynonarray, anyenum, anyrange and their compatible kin: they take what comes.
const POLYMORPHIC: [u32; 12] = [2276, 2283, 2277, 2776, 3500, 3831, 4537, 5077, 5078, 5079, 5080, RECORD];
const SAME_AS_ARGUMENTS: [u32; 2] = [2283, 5077];
/// Objects with smaller numbers came with the server.
const FIRST_USER_OID: u32 = 16384;
/// Frame option of a window whose offsets have types of their own.
const FRAME_RANGE: i64 = 0x2;
/// Combinations of argument types that are tried; beyond, anything may be.
const MAX_COMBINATIONS: usize = 64;
/// How far names are followed into the expressions that define them.
const MAX_DEPTH: usize = 40;

/// What the catalog says, as queries/guard/typing.sql returns it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Known {
    pub columns: Option<Vec<(String, u32)>>,
    pub functions: Option<Vec<Signature>>,
    pub operators: Option<Vec<Signature>>,
    pub types: Option<Vec<(String, u32)>>,
    /// Element, array or other type that holds it (those without a category), category, whether it is preferred there.
    pub kinds: Option<Vec<(u32, u32, String, bool)>>,
    /// Implicit casts.
    pub casts: Option<Vec<(u32, u32)>>,
}

/// What is known of a text that is a function's body.
#[derive(Debug, Default)]
pub struct Body {
    pub parameters: Vec<(Option<String>, u32)>,
    /// The type that the body's last column is made into.
    pub result: Option<u32>,
}

/// A cast from one built-in type to another.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    pub source: u32,
    pub target: u32,
    pub implicit: bool,
    /// It is also used where a clause wants one type: conditions, subscripts, LIMIT, the result of a body.
    pub assignment: bool,
}

/// Returns whether the statement `tree` may run `cast`.
pub fn may_run(tree: &Tree, known: &Known, body: &Body, cast: Cast) -> bool {
    Typing::of(tree, known, body, cast, &BTreeSet::new()).meets(tree)
}

/// Returns whether a bare operator or function name in `tree` may come to mean one of `harmful`.
pub fn may_choose(tree: &Tree, known: &Known, harmful: &BTreeSet<u32>) -> bool {
    let none = Cast {
        source: 0,
        target: 0,
        implicit: false,
        assignment: false,
    };
    Typing::of(tree, known, &Body::default(), none, harmful).meets(tree)
}

/// Returns whether any value in the statement `tree` can have the type `oid`.
pub fn may_have(tree: &Tree, known: &Known, body: &Body, oid: u32) -> bool {
    let none = Cast {
        source: oid,
        target: oid,
        implicit: false,
        assignment: false,
    };
    Typing::of(tree, known, body, none, &BTreeSet::new()).has_source
}

impl Signature {
    /// Returns the types of so many parameters, if it can be called with so many.
    fn parameters(&self, count: usize) -> Option<Vec<u32>> {
        let mut wanted = self.arguments.clone();
        if self.variadic != 0 && count >= wanted.len() {
            wanted.pop();
            wanted.resize(count, self.variadic);
        }
        let least = wanted.len().saturating_sub(self.defaults);
        (least..=wanted.len()).contains(&count).then_some(wanted)
    }
}

/// Keeps those of which `count` says most.
fn most(all: Vec<(&Signature, Vec<u32>)>, count: impl Fn(&[u32]) -> usize) -> Vec<(&Signature, Vec<u32>)> {
    let most = all.iter().map(|(_, wanted)| count(wanted)).max().unwrap_or(0);
    all.into_iter().filter(|(_, wanted)| count(wanted) == most).collect()
}

struct Typing<'a> {
    known: &'a Known,
    cast: Cast,
    /// Expressions that columns of a name stand for; `None` is one that cannot be told.
    defined: BTreeMap<&'a str, Vec<Option<&'a Tree>>>,
    body: &'a Body,
    harmful: &'a BTreeSet<u32>,
    /// Whether the cast's source, and its target, can be among the statement's values at all.
    has_source: bool,
    has_target: bool,
    memo: RefCell<HashMap<usize, Types>>,
}

impl<'a> Typing<'a> {
    fn of(tree: &'a Tree, known: &'a Known, body: &'a Body, cast: Cast, harmful: &'a BTreeSet<u32>) -> Self {
        let mut defined: BTreeMap<&str, Vec<Option<&Tree>>> = BTreeMap::new();
        walk(tree, &mut |name, body| define(name, body, &mut defined));
        let mut typing = Self {
            known,
            cast,
            defined,
            body,
            harmful,
            has_source: true,
            has_target: true,
            memo: RefCell::default(),
        };
        let reachable = typing.reachable();
        typing.has_source = reachable.contains(&cast.source);
        typing.has_target = reachable.contains(&cast.target);
        typing
    }

    fn meets(&self, tree: &'a Tree) -> bool {
        let mut may = self.results_in_it(tree);
        walk(tree, &mut |name, body| may = may || self.runs(name, body));
        may
    }

    /// Whether the columns of a body are made into the function's result by the cast. Of a result that is a row only that
    /// is known.
    fn results_in_it(&self, tree: &'a Tree) -> bool {
        let Some(result) = self.body.result else { return false };
        let is_row = result >= FIRST_USER_OID || POLYMORPHIC.contains(&result);
        let wanted = self.cast.assignment && (is_row || result == self.cast.target);
        wanted && rows(tree).iter().flatten().any(|node| self.can_be_source(node))
    }

    /// Returns every type that a value in the statement can have: of columns, literals, parameters and written types, and
    /// whatever functions and operators make of those.
    fn reachable(&self) -> BTreeSet<u32> {
        let mut types = BTreeSet::from([BOOL, INT4, INT8, NUMERIC, TEXT, UNKNOWN, RECORD]);
        types.extend(self.known.columns.iter().flatten().map(|(_, oid)| *oid));
        types.extend(self.known.types.iter().flatten().map(|(_, oid)| *oid));
        types.extend(VALUE_FUNCTIONS);
        types.extend(self.body.parameters.iter().map(|(_, oid)| *oid));
        loop {
            let before = types.len();
            for (element, whole, category, _) in self.known.kinds.iter().flatten().filter(|kind| kind.1 != 0) {
                if types.contains(whole) {
                    types.insert(*element);
                } else if !category.is_empty() && types.contains(element) {
                    // ARRAY[…] makes an array of anything; nothing makes a point of numbers but a function.
                    types.insert(*whole);
                }
            }
            let casts = self.known.casts.iter().flatten().filter(|cast| types.contains(&cast.0));
            let cast_to: Vec<u32> = casts.map(|cast| cast.1).collect();
            let takes = |wanted: &u32| {
                types.contains(wanted) || cast_to.contains(wanted) || POLYMORPHIC.contains(wanted) || *wanted == 0
            };
            let functions = self
                .known
                .functions
                .iter()
                .flatten()
                .filter(|function| function.arguments.iter().all(takes));
            let operators = self
                .known
                .operators
                .iter()
                .flatten()
                .filter(|operator| operator.arguments.iter().any(|oid| *oid != 0 && takes(oid)));
            let results: Vec<u32> = functions.chain(operators).map(|found| found.result).collect();
            types.extend(results);
            if types.len() == before {
                return types;
            }
        }
    }

    /// Whether this node itself, not what is in it, may run the cast.
    fn runs(&self, name: &str, body: &'a Tree) -> bool {
        let wants = |target: u32, keys: &[&str]| {
            self.cast.assignment
                && self.cast.target == target
                && keys
                    .iter()
                    .filter_map(|key| body.get(key))
                    .any(|node| self.can_be_source(node))
        };
        match name {
            "TypeCast" => self.is_run_by(body),
            "AExpr" => self
                .operands(body)
                .iter()
                .any(|(operator, operands)| self.resolve(operator, operands, true).0),
            "FuncCall" => self.call(body).0 || wants(BOOL, &["agg_filter"]),
            "CaseExpr" => self.unifies(&self.branches(body)) || self.compares_branches(body),
            "CoalesceExpr" | "MinMaxExpr" => self.unifies(&list(body, "args")),
            "AArrayExpr" => self.unifies(&list(body, "elements")),
            "BoolExpr" => {
                self.cast.assignment
                    && self.cast.target == BOOL
                    && list(body, "args").iter().any(|node| self.can_be_source(node))
            }
            "BooleanTest" => wants(BOOL, &["arg"]),
            "JoinExpr" => wants(BOOL, &["quals"]) || self.joins(body),
            "CaseWhen" => wants(BOOL, &["expr"]),
            "AIndices" => wants(INT4, &["lidx", "uidx"]),
            "SubLink" => self.compares_subselect(body),
            "SelectStmt" => {
                let limits =
                    wants(INT8, &["limit_count", "limit_offset"]) || wants(BOOL, &["where_clause", "having_clause"]);
                limits || self.sets(body)
            }
            "WindowDef" => {
                let range = body
                    .get("frame_options")
                    .and_then(Tree::as_i64)
                    .is_some_and(|options| options & FRAME_RANGE != 0);
                let offsets = ["start_offset", "end_offset"]
                    .into_iter()
                    .filter_map(|key| body.get(key))
                    .filter(|node| !node.is_null());
                self.cast.assignment
                    && (range || self.cast.target == INT8)
                    && offsets.into_iter().any(|node| self.can_be_source(node))
            }
            // Text is wanted inside these, and what else is not followed.
            _ if name.starts_with("Xml") || name.starts_with("Json") || name == "RangeTableFunc" => wants(
                TEXT,
                &["args", "named_args", "expr", "docexpr", "rowexpr", "formatted_expr"],
            ),
            _ => false,
        }
    }

    fn can_be_source(&self, node: &'a Tree) -> bool {
        !node.is_null() && self.may_be_source(&self.types(node, 0))
    }

    fn may_be_source(&self, types: &Types) -> bool {
        match types {
            None => self.has_source,
            Some(_) => can_be(types, self.cast.source),
        }
    }

    /// A cast that is written, of a value or of the elements of an array.
    fn is_run_by(&self, body: &'a Tree) -> bool {
        let (Some(r#type), Some(argument)) = (body.get("type_name"), body.get("arg")) else {
            return false;
        };
        // A row is cast field by field.
        if let Some(row) = argument.at("/node/RowExpr") {
            return list(row, "args").iter().any(|node| self.can_be_source(node));
        }
        let targets = self.of_name(r#type, false);
        if !can_be(&targets, self.cast.target) {
            return false;
        }
        match is_array(r#type) {
            false => self.can_be_source(argument),
            // Of an array nothing more is known than that it is one.
            true => self
                .types(argument, 0)
                .is_none_or(|types| types.iter().any(|oid| *oid != UNKNOWN)),
        }
    }

    fn call(&self, body: &'a Tree) -> (bool, Types) {
        let Some(name) = last(body.get("funcname")) else {
            return (false, None);
        };
        let arguments: Vec<Types> = list(body, "args").iter().map(|node| self.types(node, 0)).collect();
        let candidates: Vec<&Signature> = self
            .known
            .functions
            .iter()
            .flatten()
            .filter(|signature| signature.name == name)
            .collect();
        if list(body, "args")
            .iter()
            .any(|node| node.at("/node/NamedArgExpr").is_some())
        {
            let any = arguments.iter().any(|types| self.may_be_source(types));
            let wanted = candidates
                .iter()
                .any(|signature| signature.arguments.contains(&self.cast.target));
            let results = self.results(candidates.iter().map(|signature| signature.result), &arguments);
            return (
                (self.cast.implicit && any && wanted) || self.is_harmful(&candidates),
                results,
            );
        }
        // `int4(x)` may be a cast.
        let is_target = |(named, oid): &(String, u32)| named == name && *oid == self.cast.target;
        let is_cast = arguments.len() == 1
            && self.known.types.iter().flatten().any(is_target)
            && arguments.iter().all(|types| self.may_be_source(types));
        if candidates.is_empty() {
            return (is_cast, None);
        }
        let (runs, results) = self.among(&candidates, &arguments, false);
        (runs || is_cast, results)
    }

    fn resolve(&self, operator: &str, operands: &[Types], binary: bool) -> (bool, Types) {
        let candidates: Vec<&Signature> = self
            .known
            .operators
            .iter()
            .flatten()
            .filter(|signature| signature.name == operator)
            .collect();
        match candidates.is_empty() {
            true => (false, None),
            false => self.among(&candidates, operands, binary),
        }
    }

    fn is_harmful(&self, candidates: &[&Signature]) -> bool {
        candidates
            .iter()
            .any(|signature| self.harmful.contains(&signature.code))
    }

    /// Chooses among candidates for every combination of argument types; returns whether one of the chosen is harmful or
    /// needs the cast, and what they give.
    fn among(&self, candidates: &[&Signature], arguments: &[Types], binary: bool) -> (bool, Types) {
        let known = arguments.iter().all(Option::is_some);
        if !known && self.is_harmful(candidates) {
            return (true, None);
        }
        // What can be anything is tried as what would do harm.
        let anything = || {
            if self.has_source {
                vec![self.cast.source]
            } else {
                Vec::new()
            }
        };
        let sets: Vec<Vec<u32>> = arguments
            .iter()
            .map(|types| {
                types
                    .as_ref()
                    .map_or_else(anything, |types| types.iter().copied().collect())
            })
            .collect();
        let combined = sets
            .iter()
            .map(Vec::len)
            .try_fold(1usize, |all, len| all.checked_mul(len));
        if combined.is_none_or(|all| all > MAX_COMBINATIONS) {
            let any = arguments.iter().any(|types| self.may_be_source(types));
            return ((self.cast.implicit && any) || self.is_harmful(candidates), None);
        }
        let (mut runs, mut results) = (false, BTreeSet::new());
        for combination in combinations(&sets) {
            // Schemas of the role's path may be left out of it, and their candidates with them.
            let built_in: Vec<&Signature> = candidates
                .iter()
                .copied()
                .filter(|signature| signature.code < FIRST_USER_OID)
                .collect();
            let chosen = self.chosen(candidates, &combination, binary);
            for (signature, needs_cast) in chosen.into_iter().chain(self.chosen(&built_in, &combination, binary)) {
                runs |= needs_cast || self.harmful.contains(&signature.code);
                results.insert(signature.result);
            }
        }
        let types = if known {
            self.results(results.into_iter(), arguments)
        } else {
            None
        };
        (runs, types)
    }

    /// Returns the candidates that are left when the server would look further, and whether each needs the cast.
    fn chosen<'s>(&self, candidates: &[&'s Signature], given: &[u32], binary: bool) -> Vec<(&'s Signature, bool)> {
        // With one operand of no type, the server tries the other's type for both.
        let assumed: Option<u32> = match given {
            [UNKNOWN, other] | [other, UNKNOWN] if binary => Some(*other),
            _ => None,
        };
        let all_of =
            |signature: &&&Signature| assumed.is_some_and(|same| signature.arguments.iter().all(|oid| *oid == same));
        let exact: Vec<_> = candidates
            .iter()
            .filter(all_of)
            .map(|signature| (*signature, false))
            .collect();
        if !exact.is_empty() {
            return exact;
        }
        let coercible = |from: u32, to: u32| {
            let implicit = || self.known.casts.iter().flatten().any(|cast| *cast == (from, to));
            from == to || from == UNKNOWN || POLYMORPHIC.contains(&to) || implicit()
        };
        let fitting = candidates
            .iter()
            .filter_map(|signature| Some((*signature, signature.parameters(given.len())?)));
        let fitting: Vec<(&Signature, Vec<u32>)> = fitting
            .filter(|(_, wanted)| given.iter().zip(wanted).all(|(from, to)| coercible(*from, *to)))
            .collect();
        let exact = |(from, to): (&u32, &u32)| from == to;
        let preferred = |(from, to): (&u32, &u32)| from == to || self.prefers(*from, *to);
        let fitting = most(fitting, |wanted| {
            given.iter().zip(wanted).filter(|pair| exact(*pair)).count()
        });
        let fitting = most(fitting, |wanted| {
            given.iter().zip(wanted).filter(|pair| preferred(*pair)).count()
        });
        let needs = |(from, to): (&u32, &u32)| (*from, *to) == (self.cast.source, self.cast.target);
        fitting
            .into_iter()
            .map(|(signature, wanted)| (signature, self.cast.implicit && given.iter().zip(&wanted).any(needs)))
            .collect()
    }

    /// Whether `to` is the type that values of the category of `from` are preferably made into.
    fn prefers(&self, from: u32, to: u32) -> bool {
        let kind = |oid: u32| self.known.kinds.iter().flatten().find(|kind| kind.0 == oid);
        matches!((kind(from), kind(to)), (Some(from), Some(to)) if to.3 && from.2 == to.2)
    }

    fn results(&self, results: impl Iterator<Item = u32>, arguments: &[Types]) -> Types {
        let mut all = BTreeSet::new();
        for result in results {
            if SAME_AS_ARGUMENTS.contains(&result) {
                for types in arguments {
                    let types = types.as_ref()?;
                    let elements = self.known.kinds.iter().flatten().filter(|kind| types.contains(&kind.1));
                    all.extend(elements.map(|kind| kind.0));
                    all.extend(types.iter().copied());
                }
            } else if POLYMORPHIC.contains(&result) && result != RECORD {
                return None;
            } else {
                all.insert(result);
            }
        }
        (!all.is_empty()).then_some(all)
    }

    fn unifies(&self, nodes: &[&'a Tree]) -> bool {
        let target = |types: &Types| {
            types
                .as_ref()
                .map_or(self.has_target, |_| can_be(types, self.cast.target))
        };
        self.cast.implicit
            && nodes.iter().any(|node| self.can_be_source(node))
            && nodes.iter().any(|node| target(&self.types(node, 0)))
    }

    fn branches(&self, body: &'a Tree) -> Vec<&'a Tree> {
        let mut branches: Vec<&Tree> = list(body, "args")
            .iter()
            .filter_map(|when| when.at("/node/CaseWhen/result"))
            .collect();
        branches.extend(body.get("defresult").filter(|node| !node.is_null()));
        branches
    }

    fn compares_branches(&self, body: &'a Tree) -> bool {
        let Some(subject) = body.get("arg").filter(|node| !node.is_null()) else {
            return false;
        };
        let whens = list(body, "args")
            .into_iter()
            .filter_map(|when| when.at("/node/CaseWhen/expr"));
        whens.into_iter().any(|when| {
            self.resolve("=", &[self.types(subject, 0), self.types(when, 0)], true)
                .0
        })
    }

    fn compares_subselect(&self, body: &'a Tree) -> bool {
        let Some(subject) = body.get("testexpr").filter(|node| !node.is_null()) else {
            return false;
        };
        let operator = last(body.get("oper_name")).unwrap_or("=");
        let first = body.at("/subselect/node/SelectStmt/target_list/0/node/ResTarget/val");
        let other = first.and_then(|node| self.types(node, 0));
        self.resolve(operator, &[self.types(subject, 0), other], true).0
    }

    fn joins(&self, body: &'a Tree) -> bool {
        let natural = body.get("is_natural") == Some(&Tree::Bool(true));
        let columns = list(body, "using_clause").into_iter().filter_map(text);
        let same = |name: &str| {
            let types = self.of_column(name, 0);
            self.resolve("=", &[types.clone(), types], true).0
        };
        let all = self
            .known
            .columns
            .iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .filter(|_| natural);
        columns.chain(all).any(same)
    }

    /// Whether the columns of a set operation, or of the rows of VALUES, get one type by the cast.
    fn sets(&self, body: &'a Tree) -> bool {
        let rows = rows(body);
        let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
        (0..widest).any(|at| {
            let column: Vec<&Tree> = rows.iter().filter_map(|row| row.get(at).copied()).collect();
            column.len() > 1 && self.unifies(&column)
        })
    }

    /// Returns operator and operands of every comparison that an expression makes.
    fn operands(&self, body: &'a Tree) -> Vec<(&'a str, Vec<Types>)> {
        let Some(operator) = last(body.get("name")) else {
            return Vec::new();
        };
        let side = |key: &str| body.get(key).filter(|node| !node.is_null());
        let (left, right) = (side("lexpr"), side("rexpr"));
        let left_types = left.map_or(Some(BTreeSet::from([0])), |node| self.types(node, 0));
        let Some(right) = right else {
            return vec![(operator, vec![left_types])];
        };
        let kind = body.get("kind").and_then(Tree::as_i64).unwrap_or(0);
        let items = right.at("/node/List/items").and_then(Tree::as_array);
        // Lists are long and their items alike.
        let each = |operators: &[&'a str]| -> Vec<(&'a str, Vec<Types>)> {
            let items: BTreeSet<Types> = items.into_iter().flatten().map(|item| self.types(item, 0)).collect();
            let pair = |operator: &&'a str, item: &Types| (*operator, vec![left_types.clone(), item.clone()]);
            items
                .iter()
                .flat_map(|item| operators.iter().map(move |operator| pair(operator, item)))
                .collect()
        };
        match (kind, operator) {
            (_, between) if between.contains("BETWEEN") => each(&["<=", ">=", "<", ">"]),
            _ if items.is_some() => each(&[operator]),
            // ANY and ALL: the right side is an array, of which the element's type counts.
            (KIND_ANY | KIND_ALL, _) => {
                let elements = right.at("/node/AArrayExpr").map(|array| list(array, "elements"));
                let elements = elements.map_or(vec![None], |all| all.iter().map(|node| self.types(node, 0)).collect());
                let unknown = self
                    .types(right, 0)
                    .is_some_and(|types| types.iter().all(|oid| *oid == UNKNOWN));
                match unknown {
                    true => Vec::new(),
                    false => elements
                        .into_iter()
                        .map(|types| (operator, vec![left_types.clone(), types]))
                        .collect(),
                }
            }
            _ => vec![(operator, vec![left_types, self.types(right, 0)])],
        }
    }

    fn types(&self, node: &'a Tree, depth: usize) -> Types {
        let key = std::ptr::from_ref(node).addr();
        if let Some(known) = self.memo.borrow().get(&key) {
            return known.clone();
        }
        if depth > MAX_DEPTH {
            return None;
        }
        // A name that is defined by itself (WITH RECURSIVE) has the types of its other definitions.
        self.memo.borrow_mut().insert(key, Some(BTreeSet::new()));
        let types = self.types_of(node, depth + 1);
        self.memo.borrow_mut().insert(key, types.clone());
        types
    }

    fn types_of(&self, node: &'a Tree, depth: usize) -> Types {
        let (name, body) = node.get("node")?.as_object()?.iter().next()?;
        let one = |oid: u32| Some(BTreeSet::from([oid]));
        let union = |nodes: Vec<&'a Tree>| {
            let mut all = BTreeSet::new();
            for node in nodes {
                all.extend(self.types(node, depth)?);
            }
            Some(all)
        };
        match name {
            "AConst" => constant(body),
            "TypeCast" => self.of_name(body.get("type_name")?, true),
            "ColumnRef" => match list(body, "fields").last().map(|field| text(field)) {
                Some(Some(column)) => self.of_column(column, depth),
                Some(None) | None => one(RECORD),
            },
            "FuncCall" => self.call(body).1,
            "AExpr" => {
                let operator = last(body.get("name"))?;
                if body.get("kind").and_then(Tree::as_i64) == Some(KIND_NULLIF) {
                    return self.types(body.get("lexpr")?, depth);
                }
                match self.operands(body).as_slice() {
                    [(found, operands)] if *found == operator => self.resolve(operator, operands, true).1,
                    _ => one(BOOL),
                }
            }
            "BoolExpr" | "NullTest" | "BooleanTest" => one(BOOL),
            "CaseExpr" => union(self.branches(body)),
            "CoalesceExpr" | "MinMaxExpr" => union(list(body, "args")),
            "SubLink" => match body.get("sub_link_type").and_then(Tree::as_i64) {
                Some(SUBLINK_EXPR) => self.types(
                    body.at("/subselect/node/SelectStmt/target_list/0/node/ResTarget/val")?,
                    depth,
                ),
                Some(SUBLINK_ARRAY) => None,
                _ => one(BOOL),
            },
            "AArrayExpr" => {
                let elements: Vec<u32> = union(list(body, "elements"))?
                    .into_iter()
                    .map(|oid| if oid == UNKNOWN { TEXT } else { oid })
                    .collect();
                let array = |oid: &u32| {
                    self.known
                        .kinds
                        .iter()
                        .flatten()
                        .find(|kind| kind.0 == *oid)
                        .map(|kind| kind.1)
                };
                elements.iter().map(array).collect()
            }
            "ParamRef" => {
                let number = body
                    .get("number")
                    .and_then(Tree::as_u64)
                    .and_then(|number| usize::try_from(number).ok())?;
                self.body
                    .parameters
                    .get(number.checked_sub(1)?)
                    .and_then(|(_, oid)| one(*oid))
            }
            "SqlvalueFunction" => Some(BTreeSet::from(VALUE_FUNCTIONS)),
            "RowExpr" => one(RECORD),
            "GroupingFunc" => one(INT4),
            "CollateClause" | "NamedArgExpr" => self.types(body.get("arg")?, depth),
            _ => None,
        }
    }

    fn of_column(&self, name: &str, depth: usize) -> Types {
        let mut all: BTreeSet<u32> = BTreeSet::new();
        all.extend(
            self.known
                .columns
                .iter()
                .flatten()
                .filter(|(column, _)| column == name)
                .map(|(_, oid)| *oid),
        );
        all.extend(
            self.body
                .parameters
                .iter()
                .filter(|(known, _)| known.as_deref() == Some(name))
                .map(|(_, oid)| *oid),
        );
        for definition in self.defined.get(name).into_iter().flatten() {
            all.extend(self.types((*definition)?, depth)?);
        }
        (!all.is_empty()).then_some(all)
    }

    /// Returns what a type's name means: the type, or the array of it where `arrays` says so and the name is one.
    fn of_name(&self, r#type: &Tree, arrays: bool) -> Types {
        let name = last(r#type.get("names"))?;
        let array = |oid: u32| {
            self.known
                .kinds
                .iter()
                .flatten()
                .find(|kind| kind.0 == oid)
                .map(|kind| kind.1)
        };
        let as_array = arrays && is_array(r#type);
        let found = self.known.types.iter().flatten().filter(|(known, _)| known == name);
        let all: Option<BTreeSet<u32>> = found
            .map(|(_, oid)| if as_array { array(*oid) } else { Some(*oid) })
            .collect();
        all.filter(|all| !all.is_empty())
    }
}

/// What CURRENT_DATE, CURRENT_USER and their like give: date, time, timetz, timestamp, timestamptz, name.
const VALUE_FUNCTIONS: [u32; 6] = [1082, 1083, 1266, 1114, 1184, 19];
const KIND_NULLIF: i64 = 6;
const KIND_ANY: i64 = 2;
const KIND_ALL: i64 = 3;
const SUBLINK_EXPR: i64 = 5;
const SUBLINK_ARRAY: i64 = 7;

/// Returns the rows of expressions that a SELECT consists of: one for each arm of a set operation, one for each of VALUES.
fn rows(select: &Tree) -> Vec<Vec<&Tree>> {
    let (mut rows, mut arms) = (Vec::new(), vec![select]);
    while let Some(arm) = arms.pop() {
        let arm = arm.at("/node/SelectStmt").unwrap_or(arm);
        let sides: Vec<&Tree> = ["rarg", "larg"]
            .iter()
            .filter_map(|side| arm.get(side))
            .filter(|side| !side.is_null())
            .collect();
        if sides.is_empty() {
            let targets = list(arm, "target_list").into_iter();
            let targets: Vec<&Tree> = targets.filter_map(|target| target.at("/node/ResTarget/val")).collect();
            rows.extend((!targets.is_empty()).then_some(targets));
            rows.extend(list(arm, "values_lists").iter().map(|row| {
                row.at("/node/List/items")
                    .and_then(Tree::as_array)
                    .into_iter()
                    .flatten()
                    .collect()
            }));
        }
        arms.extend(sides);
    }
    rows
}

fn constant(body: &Tree) -> Types {
    let one = |oid: u32| Some(BTreeSet::from([oid]));
    let value = match body.get("val") {
        Some(value) if body.get("isnull") != Some(&Tree::Bool(true)) => value,
        _ => return one(UNKNOWN),
    };
    if value.get("Ival").is_some() {
        one(INT4)
    } else if let Some(number) = value.at("/Fval/fval").and_then(Tree::as_str) {
        one(if number.parse::<i64>().is_ok() { INT8 } else { NUMERIC })
    } else if value.get("Boolval").is_some() {
        one(BOOL)
    } else if value.get("Sval").is_some() {
        one(UNKNOWN)
    } else {
        None
    }
}

fn can_be(types: &Types, oid: u32) -> bool {
    // A text without a type becomes text where nothing else is asked of it.
    types
        .as_ref()
        .is_none_or(|types| types.contains(&oid) || (oid == TEXT && types.contains(&UNKNOWN)))
}

fn define<'a>(name: &str, body: &'a Tree, defined: &mut BTreeMap<&'a str, Vec<Option<&'a Tree>>>) {
    let mut add = |name: &'a str, value: Option<&'a Tree>| defined.entry(name).or_default().push(value);
    match name {
        "ResTarget" => {
            let value = body.get("val").filter(|value| !value.is_null());
            let own = body.get("name").and_then(Tree::as_str).filter(|name| !name.is_empty());
            let implied = || {
                let node = value?.get("node")?;
                last(node.at("/FuncCall/funcname")).or_else(|| last(node.at("/TypeCast/type_name/names")))
            };
            if let Some(name) = own.or_else(implied) {
                add(name, value);
            }
        }
        // Columns that get other names, by their place; of relations and functions that is not followed.
        "CommonTableExpr" => rename(list(body, "aliascolnames"), body.get("ctequery"), &mut add),
        "RangeSubselect" => {
            rename(
                body.get("alias")
                    .map(|alias| list(alias, "colnames"))
                    .unwrap_or_default(),
                body.get("subquery"),
                &mut add,
            );
        }
        "RangeVar" | "JoinExpr" | "RangeFunction" => {
            let names = body
                .get("alias")
                .map(|alias| list(alias, "colnames"))
                .unwrap_or_default();
            names.into_iter().filter_map(text).for_each(|name| add(name, None));
            define_function(body, &mut add);
        }
        "ColumnDef" | "RangeTableFuncCol" | "JsonTableColumn" => {
            let column = ["colname", "name"]
                .iter()
                .find_map(|key| body.get(key))
                .and_then(Tree::as_str);
            column.into_iter().for_each(|name| add(name, None));
        }
        _ => {}
    }
}

fn rename<'a>(names: Vec<&'a Tree>, select: Option<&'a Tree>, add: &mut impl FnMut(&'a str, Option<&'a Tree>)) {
    let rows = select.map(rows).unwrap_or_default();
    for (at, name) in names.into_iter().filter_map(text).enumerate() {
        match rows.is_empty() {
            true => add(name, None),
            false => rows.iter().for_each(|row| add(name, row.get(at).copied())),
        }
    }
}

fn define_function<'a>(body: &'a Tree, add: &mut impl FnMut(&'a str, Option<&'a Tree>)) {
    let Some(call) = body.at("/functions/0/node/List/items/0") else {
        return;
    };
    let alias = body.at("/alias/aliasname").and_then(Tree::as_str);
    let own = last(call.at("/node/FuncCall/funcname"));
    alias
        .into_iter()
        .chain(own)
        .for_each(|name| add(name, own.map(|_| call)));
    add("ordinality", None);
}

fn walk<'a>(tree: &'a Tree, visit: &mut impl FnMut(&str, &'a Tree)) {
    let mut left = vec![tree];
    while let Some(value) = left.pop() {
        match value {
            Tree::Array(items) => left.extend(items),
            Tree::Object(fields) => {
                if let Some(name) = untagged(fields) {
                    visit(name, value);
                }
                for (name, inner) in fields.iter() {
                    if name.starts_with(|first: char| first.is_ascii_uppercase()) {
                        visit(name, inner);
                    }
                    left.push(inner);
                }
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
        }
    }
}

/// Names nodes that stand in a field of fixed type and so carry no name.
fn untagged(fields: &Fields) -> Option<&'static str> {
    let has = |keys: [&str; 2]| keys.iter().all(|key| fields.contains_key(key));
    if has(["larg", "target_list"]) {
        Some("SelectStmt")
    } else if has(["relname", "relpersistence"]) {
        Some("RangeVar")
    } else if has(["frame_options", "start_offset"]) {
        Some("WindowDef")
    } else if has(["funcname", "agg_star"]) {
        Some("FuncCall")
    } else {
        None
    }
}

fn is_array(r#type: &Tree) -> bool {
    !list(r#type, "array_bounds").is_empty()
}

fn list<'a>(body: &'a Tree, key: &str) -> Vec<&'a Tree> {
    body.get(key).and_then(Tree::as_array).into_iter().flatten().collect()
}

fn last(parts: Option<&Tree>) -> Option<&str> {
    parts?.as_array()?.last().and_then(text)
}

fn text(node: &Tree) -> Option<&str> {
    node.at("/node/String/sval")?.as_str()
}

fn combinations(sets: &[Vec<u32>]) -> Vec<Vec<u32>> {
    sets.iter().fold(vec![Vec::new()], |all, set| {
        all.iter()
            .flat_map(|start| set.iter().map(|next| [start.as_slice(), &[*next]].concat()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    const DATE: u32 = 1082;
    const INTERVAL: u32 = 1186;
    const TIMESTAMPTZ: u32 = 1184;

    fn known() -> Known {
        let signature = |name: &str, arguments: &[u32], result| Signature {
            name: name.to_owned(),
            code: 7,
            result,
            arguments: arguments.to_vec(),
            defaults: 0,
            variadic: 0,
        };
        let harmful = Signature {
            code: 666,
            ..signature("=", &[INT4, TEXT], BOOL)
        };
        Known {
            columns: Some(vec![
                ("id".into(), INT4),
                ("at".into(), TIMESTAMPTZ),
                ("day".into(), DATE),
                ("name".into(), TEXT),
            ]),
            functions: Some(vec![
                signature("now", &[], TIMESTAMPTZ),
                signature("length", &[TEXT], INT4),
                signature("justify_hours", &[INTERVAL], INTERVAL),
                signature("count", &[], INT8),
            ]),
            operators: Some(vec![
                signature("+", &[INT4, INT4], INT4),
                signature("+", &[NUMERIC, NUMERIC], NUMERIC),
                signature("+", &[TIMESTAMPTZ, INTERVAL], TIMESTAMPTZ),
                signature("+", &[DATE, INT4], DATE),
                signature("=", &[INT4, INT4], BOOL),
                signature("=", &[TEXT, TEXT], BOOL),
                signature("=", &[INTERVAL, INTERVAL], BOOL),
                signature("<", &[TIMESTAMPTZ, TIMESTAMPTZ], BOOL),
                harmful,
            ]),
            types: Some(vec![
                ("int4".into(), INT4),
                ("interval".into(), INTERVAL),
                ("date".into(), DATE),
            ]),
            kinds: Some(vec![(INT4, 1007, "N".into(), false), (DATE, 1182, "D".into(), false)]),
            casts: Some(vec![(INT4, NUMERIC), (INT4, INTERVAL), (DATE, TIMESTAMPTZ)]),
        }
    }

    fn may(sql: &str, source: u32, target: u32, implicit: bool) -> bool {
        let statement = sql_facts::Statement::parse(sql).unwrap();
        let cast = Cast {
            source,
            target,
            implicit,
            assignment: implicit,
        };
        may_run(statement.tree(), &known(), &Body::default(), cast)
    }

    #[test]
    fn a_harmful_overload_is_chosen_only_where_its_types_are() {
        let chosen = |sql: &str| {
            may_choose(
                sql_facts::Statement::parse(sql).unwrap().tree(),
                &known(),
                &BTreeSet::from([666]),
            )
        };
        assert!(chosen("SELECT id = name FROM t"));
        assert!(chosen("SELECT id = something_unknown FROM t"));
        assert!(!chosen("SELECT id = 5, name = 'x', id = '7' FROM t"));
    }

    #[test]
    fn an_implicit_cast_is_met_where_nothing_fits_better() {
        for sql in [
            "SELECT now() + 5",
            "SELECT at + id FROM t",
            "SELECT justify_hours(id) FROM t",
            "SELECT x.a + x.b FROM (SELECT at AS a, id AS b FROM t) x",
            "SELECT CASE WHEN true THEN id ELSE '1'::interval END FROM t",
            "SELECT id FROM t UNION SELECT '1'::interval",
            "SELECT '1 h'::interval IN (5, 6)",
            "SELECT sum(1) OVER (ORDER BY at RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) FROM t",
        ] {
            assert!(may(sql, INT4, INTERVAL, true), "{sql}");
        }
    }

    #[test]
    fn what_fits_exactly_needs_no_cast() {
        for sql in [
            "SELECT id + 1 FROM t WHERE id = 5 AND id IN (1, 2)",
            "SELECT now() + '1 day', at + '5 min'::interval FROM t",
            "SELECT 1.5 + id FROM t",
            "SELECT day + 1 FROM t WHERE at < now()",
            "SELECT count(*) FROM t LIMIT 5",
            "SELECT x.n + 1 FROM (SELECT id AS n FROM t) x",
            "WITH RECURSIVE r (n) AS (SELECT 1 AS n UNION ALL SELECT n + 1 AS n FROM t) SELECT 1",
            "SELECT nullif(id, 0) + 1 FROM t",
        ] {
            assert!(!may(sql, INT4, INTERVAL, true), "{sql}");
        }
    }

    #[test]
    fn an_explicit_cast_is_met_where_it_is_written() {
        assert!(may("SELECT day::int4 FROM t", DATE, INT4, false));
        assert!(may("SELECT ARRAY[day]::int4[] FROM t", DATE, INT4, false));
        assert!(may("SELECT int4(day) FROM t", DATE, INT4, false));
        assert!(!may(
            "SELECT '5'::int4, id::int4, length('a')::int4 FROM t",
            DATE,
            INT4,
            false
        ));
        assert!(!may("SELECT day + 1 FROM t", DATE, INT4, false));
    }
}
