//! Where tree hashes are read from: the file while appending, memory while verifying.

use rusqlite::{Connection, OptionalExtension};
use tlog_tiles::{Error, Hash, HashReader, stored_hashes_for_record_hash, tree_hash};

/// The stored hashes of an open journal.
pub(crate) struct FileTree<'a>(pub(crate) &'a Connection);

impl FileTree<'_> {
    pub(crate) fn hash_at(&self, index: u64) -> Result<Option<Hash>, Error> {
        let index = i64::try_from(index).map_err(|_| Error::IndexesNotInTree)?;
        self.0
            .prepare_cached("SELECT hash FROM journal_hashes WHERE idx = ?1")
            .and_then(|mut statement| statement.query_row([index], |row| row.get::<_, [u8; 32]>(0)).optional())
            .map(|bytes| bytes.map(Hash))
            .map_err(|error| Error::InvalidInput(error.to_string()))
    }
}

impl HashReader for FileTree<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|index| self.hash_at(*index)?.ok_or(Error::IndexesNotInTree))
            .collect()
    }
}

/// A tree rebuilt from leaves alone.
#[derive(Default)]
pub(crate) struct RebuiltTree {
    hashes: Vec<Hash>,
    size: u64,
}

impl RebuiltTree {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns how many node hashes a tree of this size stores.
    pub(crate) fn stored(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Adds a leaf and returns the node hashes that it completes, first its own, to be stored from the returned index on.
    pub(crate) fn push(&mut self, leaf: Hash) -> Result<(u64, Vec<Hash>), Error> {
        let first = self.stored();
        let new = stored_hashes_for_record_hash(self.size, leaf, self)?;
        self.hashes.extend_from_slice(&new);
        self.size += 1;
        Ok((first, new))
    }

    /// Returns the root that the tree had when it held `size` leaves.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, Error> {
        tree_hash(size, self)
    }
}

impl HashReader for RebuiltTree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|index| {
                usize::try_from(*index)
                    .ok()
                    .and_then(|index| self.hashes.get(index).copied())
                    .ok_or(Error::IndexesNotInTree)
            })
            .collect()
    }
}
