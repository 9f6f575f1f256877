//! Lets the planner choose among candidates, within a number of plans and a time.

use std::{collections::BTreeMap, time::Instant};

use kit::{CallContext, ToolError};

use super::{
    Advice, Evidence, LIMITS, Skipped, Suggestion, Writes,
    candidates::{self, Popularity},
    tables::Tables,
    workload::Asked,
};
use crate::{
    extensions::{Extension, Surroundings},
    hypothetical::{Held, Index, Method, is_hypothetical},
    plan::{Node, Plan},
    planner::{self, Pretended},
    state::Source,
};

/// Costs of a page read at random and of a row, as the server's own defaults have them.
const RANDOM_PAGE: f64 = 4.0;
const ROW: f64 = 0.02;

/// The way to plans, with what is left to spend.
pub struct Planner<'a> {
    source: &'a Source,
    major: u32,
    hypopg: Option<&'a Extension>,
    call: &'a CallContext,
    started: Instant,
    pub plans: usize,
    pub cost_ms: f64,
    pub cut: Option<String>,
}

/// A statement on its way through the search.
struct Judged<'a> {
    asked: &'a Asked,
    before: Plan,
    candidates: Vec<Index>,
    /// The best cost so far, and the hypothetical indexes that bring it.
    after: f64,
    chosen: Vec<Index>,
}

/// Sizes and names of candidates, as hypopg gives them.
type Known = Vec<(Index, Held)>;

impl<'a> Planner<'a> {
    pub fn new(source: &'a Source, around: &'a Surroundings, call: &'a CallContext) -> Self {
        Self {
            source,
            major: around.major,
            hypopg: around.hypopg().ok(),
            call,
            started: Instant::now(),
            plans: 0,
            cost_ms: 0.0,
            cut: None,
        }
    }

    /// Returns the plan with these indexes; nothing once time or plans are spent.
    async fn plan(&mut self, asked: &Asked, indexes: &[Index]) -> Option<Result<Plan, ToolError>> {
        let late = self.started.elapsed() > LIMITS.deadline;
        if late || self.plans >= LIMITS.plans {
            let spent = if late {
                format!("{} s were spent", LIMITS.deadline.as_secs())
            } else {
                format!("{} plans were made", LIMITS.plans)
            };
            self.cut.get_or_insert(spent);
            return None;
        }
        self.plans += 1;
        let pretended = self.hypopg.map(|extension| Pretended { extension, indexes });
        let planned = planner::plan(self.source, self.major, &asked.statement, pretended, self.call).await;
        Some(planned.map(|planned| {
            self.cost_ms += planned.reading.elapsed_ms();
            planned.plan
        }))
    }

    /// Asks hypopg for all candidates once, and leaves out those that cannot be.
    async fn known(&mut self, all: Vec<Index>) -> Result<Known, ToolError> {
        let Some(extension) = self.hypopg else {
            return Ok(Known::new());
        };
        let possible: Vec<Index> = all
            .into_iter()
            .filter(|index| index.method.can_be_hypothetical())
            .collect();
        let plain = |index: &Index| index.keys.iter().all(|key| key.function.is_none());
        // A function that is not immutable makes hypopg refuse the lot.
        let without_functions = possible.iter().filter(|index| plain(index)).cloned().collect();
        for indexes in [possible, without_functions] {
            let pretended = Pretended {
                extension,
                indexes: &indexes,
            };
            match planner::held(self.source, pretended, self.call).await {
                Ok((held, reading)) => {
                    self.cost_ms += reading.elapsed_ms();
                    return Ok(indexes.into_iter().zip(held).collect());
                }
                Err(error) if error.code == "cancelled" => return Err(error),
                Err(error) => {
                    tracing::debug!(code = error.code, "hypopg refused candidates");
                }
            }
        }
        self.hypopg = None;
        Ok(Known::new())
    }
}

/// Searches, and puts what it finds into the advice.
pub async fn search(
    planner: &mut Planner<'_>,
    asked: &[Asked],
    tables: &Tables,
    advice: &mut Advice,
) -> Result<(), ToolError> {
    let mut popularity = Popularity::new();
    for asked in asked {
        candidates::count(&asked.scopes, tables, &mut popularity);
    }
    let mut judged = Vec::new();
    for asked in asked {
        match planner.plan(asked, &[]).await {
            None => break,
            Some(Err(error)) if error.code == "cancelled" => return Err(error),
            Some(Err(error)) => advice.skipped.push(Skipped::of(&asked.origin, &error.message)),
            Some(Ok(before)) => {
                advice.statements_planned += 1;
                let after = before.root.total_cost;
                let candidates = candidates::candidates(&asked.scopes, tables, &popularity, LIMITS.table_pages);
                if after >= LIMITS.plan_cost && !candidates.is_empty() {
                    judged.push(Judged {
                        asked,
                        before,
                        candidates,
                        after,
                        chosen: Vec::new(),
                    });
                }
            }
        }
    }
    let all: Vec<Index> = judged.iter().flat_map(|judged| judged.candidates.clone()).collect();
    let known = planner.known(distinct(all)).await?;
    let mut suggestions = match planner.hypopg {
        Some(_) => verified(planner, &mut judged, tables, &known).await?,
        None => judged.iter().filter_map(|judged| estimated(judged, tables)).collect(),
    };
    suggestions.extend(judged.iter().flat_map(|judged| inverted(judged, tables)));
    advice.suggestions = merged(suggestions);
    advice.suggestions.sort_by(|a, b| b.gain().total_cmp(&a.gain()));
    advice.suggestions.truncate(LIMITS.suggestions);
    Ok(())
}

async fn verified(
    planner: &mut Planner<'_>,
    judged: &mut [Judged<'_>],
    tables: &Tables,
    known: &Known,
) -> Result<Vec<Suggestion>, ToolError> {
    for judged in judged.iter_mut() {
        let mut offered = judged.candidates.clone();
        offered.retain(|index| known.iter().any(|(known, _)| known == index));
        if offered.is_empty() || !try_with(planner, judged, &offered, known, LIMITS.cost_after).await? {
            continue;
        }
        narrow(planner, judged, known).await?;
    }
    let chosen = without_prefixes(distinct(
        judged.iter().flat_map(|judged| judged.chosen.clone()).collect(),
    ));
    // Once more with what all statements together have chosen: an index of one can serve another in place of its own.
    for judged in judged
        .iter_mut()
        .filter(|judged| judged.chosen.iter().any(|own| !chosen.contains(own)))
    {
        judged.after = judged.before.root.total_cost;
        judged.chosen.clear();
        try_with(planner, judged, &chosen, known, LIMITS.cost_after).await?;
    }
    let suggestions = chosen.iter().filter_map(|index| {
        let evidence: Vec<Evidence> = judged
            .iter()
            .filter(|judged| judged.chosen.contains(index))
            .map(Judged::evidence)
            .collect();
        let size = known
            .iter()
            .find(|(known, _)| known == index)
            .map(|(_, held)| held.size_bytes);
        suggestion(index, tables, true, size, evidence)
    });
    Ok(suggestions.collect())
}

/// Plans with these indexes and keeps what the planner used, if the cost falls to `part` of what it was.
async fn try_with(
    planner: &mut Planner<'_>,
    judged: &mut Judged<'_>,
    offered: &[Index],
    known: &Known,
    part: f64,
) -> Result<bool, ToolError> {
    let plan = match planner.plan(judged.asked, offered).await {
        None => return Ok(false),
        Some(Err(error)) if error.code == "cancelled" => return Err(error),
        Some(Err(_)) => return Ok(false),
        Some(Ok(plan)) => plan,
    };
    let used = used(&plan.root, offered, known);
    if used.is_empty() || plan.root.total_cost > part * judged.after {
        return Ok(false);
    }
    judged.after = plan.root.total_cost;
    judged.chosen = used;
    Ok(true)
}

/// Takes keys and whole indexes away as long as the plan stays about as cheap: less to write and to keep.
async fn narrow(planner: &mut Planner<'_>, judged: &mut Judged<'_>, known: &Known) -> Result<(), ToolError> {
    for index in judged.chosen.clone() {
        if judged.chosen.len() > 1 {
            let fewer: Vec<Index> = judged.chosen.iter().filter(|other| **other != index).cloned().collect();
            if try_with(planner, judged, &fewer, known, LIMITS.narrower).await? {
                continue;
            }
        }
        let shorter = known
            .iter()
            .map(|(known, _)| known)
            .filter(|known| is_prefix(known, &index));
        let Some(shorter) = shorter.max_by_key(|known| known.keys.len()) else {
            continue;
        };
        let others = judged.chosen.iter().filter(|other| **other != index).chain([shorter]);
        let others: Vec<Index> = others.cloned().collect();
        try_with(planner, judged, &others, known, LIMITS.narrower).await?;
    }
    Ok(())
}

fn used(root: &Node, offered: &[Index], known: &Known) -> Vec<Index> {
    let names: Vec<&String> = root
        .all()
        .into_iter()
        .filter_map(|node| node.index.as_ref())
        .filter(|name| is_hypothetical(name))
        .collect();
    let is_used = |index: &&Index| {
        let held = known.iter().find(|(known, _)| known == *index).map(|(_, held)| held);
        held.is_some_and(|held| names.iter().any(|name| held.is(name)))
    };
    offered.iter().filter(is_used).cloned().collect()
}

/// Without hypothetical plans: the index whose equality keeps least of a table that the plan reads whole.
fn estimated(judged: &Judged<'_>, tables: &Tables) -> Option<Suggestion> {
    let before = judged.before.root.total_cost;
    let best = judged
        .candidates
        .iter()
        .filter(|index| index.method == Method::Btree)
        .filter_map(|index| {
            let scan = whole_scan(judged, index)?;
            let table = tables.find(&index.schema, &index.table)?;
            let (columns, equal) = (
                index.keys.iter().map(|key| key.column.as_str()),
                equalities(judged, index),
            );
            let part = table.selectivity(&columns.take(equal).collect::<Vec<_>>())?;
            let rows = part * table.rows;
            let own = 2.0 * RANDOM_PAGE + rows * ROW + rows.min(table.pages as f64) * RANDOM_PAGE;
            let after = before - scan.total_cost + own;
            let good = equal > 0 && part <= LIMITS.selectivity && after <= LIMITS.cost_after * before;
            good.then_some((index, after))
        })
        .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.keys.len().cmp(&b.0.keys.len())));
    let (index, after) = best?;
    let evidence = Evidence {
        origin: judged.asked.origin.clone(),
        cost_before: before,
        cost_after: crate::statement_counters::rounded(after.max(0.0)),
    };
    suggestion(index, tables, false, None, vec![evidence])
}

/// An inverted index where a containment condition makes the plan read a table whole. Nothing here can plan with one.
fn inverted(judged: &Judged<'_>, tables: &Tables) -> Vec<Suggestion> {
    let gin = judged.candidates.iter().filter(|index| index.method == Method::Gin);
    gin.filter_map(|index| {
        let scan = whole_scan(judged, index)?;
        let table = tables.find(&index.schema, &index.table)?;
        let before = judged.before.root.total_cost;
        let own = 4.0 * RANDOM_PAGE + scan.plan_rows * ROW + scan.plan_rows.min(table.pages as f64) * RANDOM_PAGE;
        let after = before - scan.total_cost + own;
        let evidence = Evidence {
            origin: judged.asked.origin.clone(),
            cost_before: before,
            cost_after: crate::statement_counters::rounded(after.max(0.0)),
        };
        (after <= LIMITS.cost_after * before)
            .then(|| suggestion(index, tables, false, None, vec![evidence]))
            .flatten()
    })
    .collect()
}

fn whole_scan<'j>(judged: &'j Judged<'_>, index: &Index) -> Option<&'j Node> {
    let of_table =
        |node: &&Node| node.kind == "Seq Scan" && node.table() == Some((index.schema.as_str(), index.table.as_str()));
    judged.before.root.all().into_iter().find(of_table)
}

/// Returns how many leading keys the statement compares by equality.
fn equalities(judged: &Judged<'_>, index: &Index) -> usize {
    let equal = |key: &&crate::hypothetical::Key| {
        judged.asked.scopes.iter().flat_map(|scope| &scope.uses).any(|found| {
            let kind = matches!(
                found.condition,
                sql_facts::Condition::Equality | sql_facts::Condition::Join(_)
            );
            kind && found.required && found.function == key.function && found.column.name == key.column
        })
    };
    index.keys.iter().take_while(equal).count()
}

fn suggestion(
    index: &Index,
    tables: &Tables,
    verified: bool,
    size: Option<i64>,
    evidence: Vec<Evidence>,
) -> Option<Suggestion> {
    let table = tables.find(&index.schema, &index.table)?;
    (!evidence.is_empty()).then(|| Suggestion {
        schema: index.schema.clone(),
        table: index.table.clone(),
        columns: index.columns(),
        method: index.method,
        ddl: index.ddl(),
        verified,
        size_bytes: size.unwrap_or_else(|| table.size_of(index)),
        table_rows: table.rows,
        table_writes: Writes {
            n_tup_ins: table.inserted,
            n_tup_upd: table.updated,
            n_tup_del: table.deleted,
        },
        evidence,
    })
}

impl Judged<'_> {
    fn evidence(&self) -> Evidence {
        Evidence {
            origin: self.asked.origin.clone(),
            cost_before: self.before.root.total_cost,
            cost_after: self.after,
        }
    }
}

impl Suggestion {
    /// Milliseconds saved where they are known, cost saved where not.
    fn gain(&self) -> f64 {
        let each = self.evidence.iter().map(|evidence| {
            let part = 1.0 - evidence.cost_after / evidence.cost_before.max(1.0);
            part * evidence.origin.total_ms.unwrap_or(evidence.cost_before)
        });
        each.sum()
    }
}

fn merged(suggestions: Vec<Suggestion>) -> Vec<Suggestion> {
    let mut by_ddl: BTreeMap<String, Suggestion> = BTreeMap::new();
    for suggestion in suggestions {
        match by_ddl.get_mut(&suggestion.ddl) {
            Some(same) => same.evidence.extend(suggestion.evidence),
            None => {
                by_ddl.insert(suggestion.ddl.clone(), suggestion);
            }
        }
    }
    by_ddl.into_values().collect()
}

fn distinct(mut indexes: Vec<Index>) -> Vec<Index> {
    indexes.sort();
    indexes.dedup();
    indexes
}

fn without_prefixes(indexes: Vec<Index>) -> Vec<Index> {
    let longer = |index: &Index| indexes.iter().any(|other| is_prefix(index, other));
    indexes.iter().filter(|index| !longer(index)).cloned().collect()
}

fn is_prefix(short: &Index, long: &Index) -> bool {
    let same = (&short.schema, &short.table, short.method) == (&long.schema, &long.table, long.method);
    same && short.keys.len() < long.keys.len() && long.keys.starts_with(&short.keys)
}
