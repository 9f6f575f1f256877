//! How many pages a table would need, by the average widths that ANALYZE found, beside how many it has.

use schemars::JsonSchema;
use serde::Serialize;

use super::{TableFact, autovacuum::Own};

pub const SOURCE: &str = "estimate from pg_class and pg_stats, as of the last VACUUM or ANALYZE; off by tens of percent for small, wide or unevenly filled tables";

const PAGE_HEADER: f64 = 24.0;
const TUPLE_HEADER: f64 = 23.0;
const LINE_POINTER: f64 = 4.0;
const ALIGNMENT: f64 = 8.0;
/// Below this nothing can be said: a page more or less is all the difference.
const FEWEST_PAGES: i64 = 8;

/// Pages beyond those that the rows need, an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Bloat {
    pub bytes: i64,
    /// Of the heap's own size.
    pub pct: f64,
}

impl Bloat {
    /// Returns nothing where the statistics do not allow an estimate: never analyzed, not to be read, or too small.
    pub fn of(table: &TableFact) -> Option<Self> {
        let fillfactor = Own(table.reloptions.as_deref().unwrap_or_default()).real("fillfactor");
        estimate(table, fillfactor.unwrap_or(100.0))
    }
}

fn estimate(table: &TableFact, fillfactor: f64) -> Option<Bloat> {
    let known = table.columns > 0 && table.columns_known == table.columns;
    if !known || table.reltuples < 0.0 || table.pages < FEWEST_PAGES {
        return None;
    }
    let block_size = whole(table.block_size);
    let null_bitmap = if table.has_nulls? {
        (whole(table.columns) + 7.0) / 8.0
    } else {
        0.0
    };
    let tuple = aligned(TUPLE_HEADER + null_bitmap.floor()) + aligned(table.row_width?.ceil()) + LINE_POINTER;
    let tuples_per_page = ((block_size - PAGE_HEADER) * fillfactor / 100.0 / tuple).floor();
    if tuples_per_page < 1.0 {
        return None;
    }
    let needed = (table.reltuples / tuples_per_page).ceil();
    let spare = (whole(table.pages) - needed).max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates; tables have at most 2^32 pages"
    )]
    let bytes = (spare * block_size) as i64;
    Some(Bloat {
        bytes,
        pct: (spare * 1000.0 / whole(table.pages)).round() / 10.0,
    })
}

fn aligned(bytes: f64) -> f64 {
    (bytes / ALIGNMENT).ceil() * ALIGNMENT
}

#[expect(clippy::cast_precision_loss, reason = "pages and columns are far below 2^52")]
fn whole(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pages: i64, reltuples: f64) -> TableFact {
        TableFact {
            pages,
            reltuples,
            block_size: 8192,
            columns: 2,
            columns_known: 2,
            row_width: Some(8.0),
            has_nulls: Some(false),
            ..TableFact::default()
        }
    }

    #[test]
    fn a_full_table_has_none_and_one_with_half_its_rows_gone_has_half() {
        // 24 bytes of header, 8 of data, 4 of line pointer: 226 rows a page.
        assert_eq!(
            estimate(&table(100, 22_600.0), 100.0),
            Some(Bloat { bytes: 0, pct: 0.0 })
        );
        assert_eq!(
            estimate(&table(100, 11_300.0), 100.0),
            Some(Bloat {
                bytes: 50 * 8192,
                pct: 50.0
            })
        );
        // Room that a fillfactor keeps free is not bloat.
        assert_eq!(
            estimate(&table(100, 11_300.0), 50.0),
            Some(Bloat { bytes: 0, pct: 0.0 })
        );
    }

    #[test]
    fn without_statistics_nothing_is_said() {
        let blind = TableFact {
            columns_known: 0,
            row_width: None,
            ..table(100, 11_300.0)
        };
        assert_eq!(estimate(&blind, 100.0), None);
        assert_eq!(estimate(&table(100, -1.0), 100.0), None);
        assert_eq!(estimate(&table(2, 1.0), 100.0), None);
    }
}
