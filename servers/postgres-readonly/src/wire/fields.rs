//! Reads what stands inside messages: column descriptions, rows as text, errors.

use std::fmt;

use bytes::{Buf, Bytes};

use super::WireError;

const CUT_SHORT: WireError = WireError::Protocol("a message that ends too early");

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
}

/// One row, its values in PostgreSQL's text form; NULL is `None`. It is kept as it came, in one piece.
#[derive(Debug, Clone, Default)]
pub struct TextRow(Bytes);

/// What the server said in an ErrorResponse. The texts may quote data, so they are cleaned before they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    pub sqlstate: String,
    pub message: String,
    pub hint: Option<String>,
    /// The session is over.
    pub fatal: bool,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", kit::text::clean(&self.message, 400), self.sqlstate)
    }
}

impl TextRow {
    /// Checks once that the lengths of the values add up, so that they can be walked without a fault.
    pub fn read(mut body: Bytes) -> Result<Self, WireError> {
        let count = read_u16(&mut body)?;
        let mut rest = body.as_ref();
        for _ in 0..count {
            (_, rest) = value(rest).ok_or(CUT_SHORT)?;
        }
        Ok(Self(body))
    }

    pub fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.0.as_ref();
        std::iter::from_fn(move || {
            let (found, after) = value(rest)?;
            rest = after;
            Some(found)
        })
    }

    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// Cuts one value off: its length, -1 for NULL, then its bytes.
fn value(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    match usize::try_from(i32::from_be_bytes(*length)) {
        Ok(length) => rest.split_at_checked(length).map(|(value, rest)| (Some(value), rest)),
        Err(_) => Some((None, rest)),
    }
}

pub fn columns(mut body: Bytes) -> Result<Vec<Column>, WireError> {
    let count = read_u16(&mut body)?;
    (0..count)
        .map(|_| {
            let name = read_text(&mut body)?;
            // Table oid and attribute number come before the type; its size, modifier and format after it.
            skip(&mut body, 6)?;
            let type_oid = body.try_get_u32().map_err(|_| CUT_SHORT)?;
            skip(&mut body, 8)?;
            Ok(Column { name, type_oid })
        })
        .collect()
}

pub fn error(mut body: Bytes) -> ServerError {
    let mut error = ServerError::default();
    while let Ok(kind) = body.try_get_u8() {
        let Ok(text) = read_text(&mut body) else { break };
        match kind {
            b'C' => error.sqlstate = text,
            b'M' => error.message = text,
            b'H' => error.hint = Some(text),
            // `V` is never translated; `S` is all that servers before 9.6 send.
            b'V' => error.fatal = text == "FATAL" || text == "PANIC",
            _ => {}
        }
    }
    error
}

pub fn read_text(body: &mut Bytes) -> Result<String, WireError> {
    let end = body.iter().position(|byte| *byte == 0).ok_or(CUT_SHORT)?;
    let text = body.split_to(end);
    body.advance(1);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn read_u16(body: &mut Bytes) -> Result<u16, WireError> {
    body.try_get_u16().map_err(|_| CUT_SHORT)
}

fn skip(body: &mut Bytes, bytes: usize) -> Result<(), WireError> {
    if body.len() < bytes {
        return Err(CUT_SHORT);
    }
    body.advance(bytes);
    Ok(())
}
