//! One session and the one thing it does: a read inside a READ ONLY transaction, in one flight, with nothing left behind.
//!
//! The caller has its rows once the transaction is over. The reset comes after it in the same flight, and nothing is sent
//! over the session again before the server has said that it is done.

use std::{future::Future, time::Duration};

use bytes::{Bytes, BytesMut};
use postgres_protocol::{IsNull, message::frontend};
use tokio::time::{Instant, timeout_at};

use super::{
    Column, ConnectError, Endpoint, ServerError, WireError,
    cancel::CancelKey,
    fields::{self, TextRow},
    frames::{Frame, Frames},
    startup::{self, Login},
};

/// How much longer than the server the client waits before it gives the connection up.
const GRACE: Duration = Duration::from_secs(2);
const IDLE: u8 = b'I';
const LOCAL: &str = "SET LOCAL ";
const NO_ACTIVE_TRANSACTION: &str = "25P01";
const NO_TRANSACTION: WireError = WireError::Protocol("no transaction was open for the statement");
const NOT_RESET: WireError = WireError::Protocol("the session could not be reset");
const LEFT_TRANSACTION: WireError = WireError::Protocol("the statement left its transaction");

/// A session that is logged in, outside any transaction.
#[derive(Debug)]
pub struct Session {
    frames: Frames,
    endpoint: Endpoint,
    out: BytesMut,
    /// How many statements the reset has that was sent and not yet answered.
    pending: Option<usize>,
    /// What is set after the reset, so that the next call may leave it out.
    lasting: Vec<String>,
    pub key: CancelKey,
    pub server_version: String,
}

/// What the calls before and after make of a plain call.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    /// The prologue holds from the call before.
    is_set: bool,
    /// The prologue as it is said after the reset, for the call that comes next; may be empty.
    lasting: &'a [String],
}

/// One read: in one flight there, and in one back.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Opens the transaction: `BEGIN … READ ONLY`.
    pub begin: &'a str,
    /// Statements that set what holds for this transaction. Where all are `SET LOCAL` they are repeated after the reset
    /// without `LOCAL`: as a rule the next call wants the same, and finds it done.
    pub prologue: &'a [String],
    /// Further statements of ours before the one that is read; may be empty.
    pub setup: &'a str,
    /// Run after the transaction has been rolled back, to undo what the setup left in the server process itself; may be
    /// empty. When it fails the session is given up.
    pub epilogue: &'a str,
    /// Run at the end, outside any transaction: undoes whatever else the call left in the session. Empty where the session
    /// behind the connection may be another client's by then.
    pub reset: &'a str,
    /// One statement; the extended protocol takes no second one.
    pub statement: &'a str,
    pub parameters: &'a [Option<String>],
    pub max_rows: u32,
    /// Bytes of values that are kept; further rows are read past.
    pub max_bytes: usize,
    /// The server's own statement_timeout, which the client outwaits.
    pub statement_timeout: Duration,
}

/// What came back from one flight.
#[derive(Debug, Default)]
pub struct Flight {
    pub columns: Vec<Column>,
    pub rows: Vec<TextRow>,
    /// There was more than was kept.
    pub truncated: bool,
    pub error: Option<ServerError>,
    pub cancelled: bool,
    pub elapsed: Duration,
    bytes: usize,
    /// ROLLBACK found nothing to roll back.
    left_transaction: bool,
}

impl Session {
    /// Connects and logs in.
    pub async fn open(endpoint: &Endpoint, login: Login<'_>) -> Result<Self, ConnectError> {
        let mut frames = Frames::new(endpoint.open().await?);
        let late = || ConnectError::Broken(WireError::Silent);
        let greeting = tokio::time::timeout(endpoint.connect_timeout, startup::log_in(&mut frames, endpoint, login))
            .await
            .map_err(|_| late())??;
        Ok(Self {
            frames,
            endpoint: endpoint.clone(),
            out: BytesMut::new(),
            pending: None,
            lasting: Vec::new(),
            key: greeting.key,
            server_version: greeting.server_version,
        })
    }

    /// Returns whether an idle session can still be used: it is open, and as it was when it began.
    pub async fn is_alive(&mut self) -> bool {
        self.settle().await.is_ok() && self.frames.is_open().await
    }

    /// Runs one read. `Ok` means that the server said: no transaction is open; the statement itself may have failed. After
    /// `Err` the session must not be used again.
    pub async fn read(&mut self, call: Call<'_>, cancelled: impl Future<Output = ()>) -> Result<Flight, WireError> {
        self.settle().await?;
        let started = Instant::now();
        let deadline = started + call.statement_timeout + GRACE;
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let lasting = call.lasting();
        if !covers(call.prologue, &self.lasting) {
            self.forget(deadline, call).await?;
        }
        let around = Around {
            is_set: !lasting.is_empty() && lasting == self.lasting,
            lasting: &lasting,
        };
        encode(call, around, &mut out)?;
        timeout_at(deadline, self.frames.send(&out))
            .await
            .map_err(|_| WireError::Silent)??;
        self.out = out;

        let mut flight = Flight::default();
        let (endpoint, key) = (self.endpoint.clone(), self.key);
        let (clean, was_cancelled) = {
            let mut answers = std::pin::pin!(self.answers(call, around, &mut flight, started));
            tokio::select! {
                biased;
                done = timeout_at(deadline, &mut answers) => (done.map_err(|_| WireError::Silent)??, false),
                () = cancelled => {
                    // The session goes on being read while the signal is on its way: a server that is busy sending
                    // rows notices it only when somebody takes them.
                    let both = async { tokio::join!(key.cancel(&endpoint), &mut answers) };
                    let (sent, done) = timeout_at(deadline, both).await.map_err(|_| WireError::Silent)?;
                    sent.map_err(|_| WireError::Silent)?;
                    done?;
                    (false, true)
                }
            }
        };
        flight.cancelled = was_cancelled;
        self.lasting = lasting;
        if !clean {
            self.clean_up(deadline, call).await?;
        }
        Ok(flight)
    }

    /// Says goodbye, so that the server does not log a lost connection.
    pub async fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        // A server that does not even take five bytes has nothing to be told.
        let _ = tokio::time::timeout(GRACE, self.frames.send(&out)).await;
    }

    /// Reads the answers to the whole flight; returns whether the session came out clean.
    async fn answers(
        &mut self,
        call: Call<'_>,
        around: Around<'_>,
        flight: &mut Flight,
        started: Instant,
    ) -> Result<bool, WireError> {
        let clean = if call.is_plain() {
            self.plain_answers(call, around, flight).await?
        } else {
            self.answers_in_parts(call, flight).await?
        };
        flight.elapsed = started.elapsed();
        Ok(clean)
    }

    /// Everything between two Syncs, and the reset before a third: the server skips what follows a failure, the end of the
    /// transaction with it.
    async fn plain_answers(
        &mut self,
        call: Call<'_>,
        around: Around<'_>,
        flight: &mut Flight,
    ) -> Result<bool, WireError> {
        let [mut begun, mut prologue, mut ended] = [(); 3].map(|()| Flight::default());
        // A prologue that is set already is not sent.
        let settings = if around.is_set { 0 } else { call.prologue.len() };
        let mut done = 0;
        let status = loop {
            let (part, max_rows, max_bytes) = match done {
                0 => (&mut begun, 0, 0),
                n if n <= settings => (&mut prologue, 0, 0),
                n if n == settings + 1 => (&mut *flight, call.max_rows, call.max_bytes),
                _ => (&mut ended, 0, 0),
            };
            match self.step(part, max_rows, max_bytes).await? {
                Step::Part => done += 1,
                Step::Ready(status) => break status,
            }
        };
        self.pending = around.pending(call);
        if done == 0 {
            return Err(NO_TRANSACTION);
        }
        if ended.left_transaction {
            return Err(LEFT_TRANSACTION);
        }
        let failed = flight.error.is_some() || prologue.error.is_some() || ended.error.is_some();
        flight.keep_failure_of(prologue);
        // Beside them the transaction's begin and end, and what is read.
        Ok(status == IDLE && !failed && done == settings + 3)
    }

    /// Waits for what the server says to the reset of the call before.
    async fn settle(&mut self) -> Result<(), WireError> {
        let Some(parts) = self.pending else { return Ok(()) };
        let done = timeout_at(Instant::now() + GRACE, self.reset_answers(parts))
            .await
            .map_err(|_| WireError::Silent)??;
        match done {
            true => Ok(()),
            false => Err(NOT_RESET),
        }
    }

    async fn reset_answers(&mut self, parts: usize) -> Result<bool, WireError> {
        let mut part = Flight::default();
        let mut done = 0;
        loop {
            match self.step(&mut part, 0, 0).await? {
                Step::Part => done += 1,
                Step::Ready(status) => {
                    self.pending = None;
                    return Ok(status == IDLE && part.error.is_none() && done == parts);
                }
            }
        }
    }

    /// Resets the session by itself: something is set in it that the next call would not set.
    async fn forget(&mut self, deadline: Instant, call: Call<'_>) -> Result<(), WireError> {
        self.lasting.clear();
        let mut out = BytesMut::new();
        whole(call.reset, &mut out)?;
        frontend::sync(&mut out);
        self.pending = Some(1);
        timeout_at(deadline, self.frames.send(&out))
            .await
            .map_err(|_| WireError::Silent)??;
        self.settle().await
    }

    async fn answers_in_parts(&mut self, call: Call<'_>, flight: &mut Flight) -> Result<bool, WireError> {
        let mut prologue = Flight::default();
        let in_transaction = self.answer(&mut prologue, 0, 0).await?;
        let after = self.answer(flight, call.max_rows, call.max_bytes).await?;
        flight.keep_failure_of(prologue);
        if in_transaction == IDLE {
            return Err(NO_TRANSACTION);
        }
        if after == IDLE {
            // The guard does not let such a statement through; were there one, nothing ran after it but the reset.
            return Err(LEFT_TRANSACTION);
        }
        self.ends(call).await
    }

    /// Reads the answers to what [`encode_end`] sends; returns whether the session came out clean.
    async fn ends(&mut self, call: Call<'_>) -> Result<bool, WireError> {
        let mut clean = true;
        for _ in 0..ending(call).count() {
            let mut part = Flight::default();
            let status = self.answer(&mut part, 0, 0).await?;
            clean &= status == IDLE && part.error.is_none();
        }
        Ok(clean)
    }

    /// Rolls back and resets once more: the statement failed and took the end of its flight with it, or a cancel request
    /// hit the end instead of the statement.
    async fn clean_up(&mut self, deadline: Instant, call: Call<'_>) -> Result<(), WireError> {
        let mut out = BytesMut::new();
        encode_end(call, &mut out)?;
        self.lasting.clear();
        let work = async {
            if let Some(parts) = self.pending {
                // It failed with the rest of its flight, or the cancel request hit it.
                self.reset_answers(parts).await?;
            }
            self.frames.send(&out).await?;
            match self.ends(call).await? {
                true => Ok(()),
                false => Err(NOT_RESET),
            }
        };
        timeout_at(deadline + GRACE, work)
            .await
            .map_err(|_| WireError::Silent)?
    }

    /// Reads up to the next ReadyForQuery and returns the transaction status that it carries.
    async fn answer(&mut self, flight: &mut Flight, max_rows: u32, max_bytes: usize) -> Result<u8, WireError> {
        loop {
            if let Step::Ready(status) = self.step(flight, max_rows, max_bytes).await? {
                return Ok(status);
            }
        }
    }

    /// Reads up to the end of one statement, or to ReadyForQuery.
    async fn step(&mut self, flight: &mut Flight, max_rows: u32, max_bytes: usize) -> Result<Step, WireError> {
        loop {
            let (tag, body) = match self.frames.next().await? {
                Frame::Whole { tag, body } => (tag, body),
                Frame::TooLong { tag: b'D' } => {
                    flight.truncated = true;
                    continue;
                }
                Frame::TooLong { .. } => return Err(WireError::Protocol("a message that is too long")),
            };
            match tag {
                b'D' => flight.keep(body, max_rows, max_bytes)?,
                b'T' => flight.columns = fields::columns(body)?,
                b'E' => {
                    let error = fields::error(body);
                    if error.fatal {
                        return Err(WireError::Closed(error));
                    }
                    flight.error.get_or_insert(error);
                }
                b'C' => return Ok(Step::Part),
                b's' => {
                    flight.truncated = true;
                    return Ok(Step::Part);
                }
                b'I' => return Ok(Step::Part),
                b'Z' => {
                    let status = body.first().copied();
                    return status
                        .map(Step::Ready)
                        .ok_or(WireError::Protocol("a status without a value"));
                }
                b'N' => flight.left_transaction |= fields::error(body).sqlstate == NO_ACTIVE_TRANSACTION,
                // Completion and parameter messages, notifications: nothing that a read needs.
                b'1' | b'2' | b'3' | b'A' | b'K' | b'S' | b'n' | b't' => {}
                // COPY: the statement wants the connection for itself. The guard does not let such a one through.
                _ => return Err(WireError::Protocol("an unexpected message")),
            }
        }
    }
}

enum Step {
    Part,
    /// With the transaction status.
    Ready(u8),
}

impl Around<'_> {
    /// Returns how many statements the reset has, if there is one.
    fn pending(self, call: Call<'_>) -> Option<usize> {
        (!call.reset.is_empty()).then_some(1 + self.lasting.len())
    }
}

impl Call<'_> {
    /// Returns what makes the prologue outlast its transaction, in a session that is nobody else's.
    fn lasting(&self) -> Vec<String> {
        if !self.is_plain() || self.reset.is_empty() {
            return Vec::new();
        }
        let lasting = |statement: &String| Some(format!("SET {}", statement.strip_prefix(LOCAL)?));
        let all: Option<Vec<String>> = self.prologue.iter().map(lasting).collect();
        all.unwrap_or_default()
    }

    /// Nothing but the statement: all of it fits between two Syncs.
    fn is_plain(&self) -> bool {
        self.setup.is_empty() && self.epilogue.is_empty()
    }
}

impl Flight {
    fn keep(&mut self, row: Bytes, max_rows: u32, max_bytes: usize) -> Result<(), WireError> {
        if self.truncated || self.rows.len() >= max_rows as usize {
            self.truncated = true;
            return Ok(());
        }
        let row = TextRow::read(row)?;
        let bytes = self.bytes.saturating_add(row.bytes());
        if bytes > max_bytes {
            self.truncated = true;
        } else {
            self.bytes = bytes;
            self.rows.push(row);
        }
        Ok(())
    }

    fn keep_failure_of(&mut self, prologue: Self) {
        if prologue.error.is_some() {
            self.error = prologue.error;
        }
    }
}

/// Whether a prologue sets everything anew that is set.
fn covers(prologue: &[String], lasting: &[String]) -> bool {
    let name = |statement: &str, verb: &str| Some(statement.strip_prefix(verb)?.split(' ').next()?.to_owned());
    lasting.iter().all(|set| {
        prologue
            .iter()
            .any(|statement| name(statement, LOCAL) == name(set, "SET "))
    })
}

fn encode(call: Call<'_>, around: Around<'_>, out: &mut BytesMut) -> std::io::Result<()> {
    if call.is_plain() {
        whole(call.begin, out)?;
        if !around.is_set {
            call.prologue.iter().try_for_each(|statement| whole(statement, out))?;
        }
        encode_statement(call, out)?;
        whole("ROLLBACK", out)?;
        frontend::sync(out);
        if !call.reset.is_empty() {
            whole(call.reset, out)?;
            around.lasting.iter().try_for_each(|statement| whole(statement, out))?;
            frontend::sync(out);
        }
        return Ok(());
    }
    let Call {
        begin, prologue, setup, ..
    } = call;
    frontend::query(&format!("{begin}; {}; {setup}", prologue.join("; ")), out)?;
    encode_statement(call, out)?;
    frontend::sync(out);
    encode_end(call, out)
}

fn encode_statement(call: Call<'_>, out: &mut BytesMut) -> std::io::Result<()> {
    frontend::parse("", call.statement, [], out)?;
    let value = |value: &Option<String>, out: &mut BytesMut| match value {
        None => Ok(IsNull::Yes),
        Some(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(IsNull::No)
        }
    };
    frontend::bind("", "", [], call.parameters, value, [], out)
        .map_err(|_| std::io::Error::other("too many or too long parameters"))?;
    frontend::describe(b'P', "", out)?;
    // One more than is kept: the server calls a portal suspended even when its last row was the last one allowed.
    frontend::execute(
        "",
        i32::try_from(call.max_rows).unwrap_or(i32::MAX).saturating_add(1),
        out,
    )
}

/// A statement of ours whose rows need no description.
fn whole(statement: &str, out: &mut BytesMut) -> std::io::Result<()> {
    frontend::parse("", statement, [], out)?;
    frontend::bind("", "", [], std::iter::empty::<()>(), |(), _| Ok(IsNull::Yes), [], out)
        .map_err(|_| std::io::Error::other("a statement without parameters could not be written"))?;
    frontend::execute("", 0, out)
}

fn encode_end(call: Call<'_>, out: &mut BytesMut) -> std::io::Result<()> {
    ending(call).try_for_each(|text| frontend::query(text, out))
}

/// Messages of their own, for DISCARD ALL refuses to share one with anything but the end of a transaction.
fn ending(call: Call<'_>) -> impl Iterator<Item = &str> {
    ["ROLLBACK", call.epilogue, call.reset]
        .into_iter()
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlasts_a_call_is_set_anew_or_reset_before_the_next() {
        let statements = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let lasting = statements(&["SET search_path = a", "SET work_mem = '16384'"]);
        let same_names = statements(&["SET LOCAL search_path = b", "SET LOCAL work_mem = '1'"]);
        assert!(covers(&same_names, &lasting));
        assert!(covers(&statements(&["SET LOCAL search_path = b"]), &[]));
        assert!(!covers(&statements(&["SET LOCAL search_path = b"]), &lasting));
        let in_one = statements(&["SELECT pg_catalog.set_config('search_path', 'b', true)"]);
        assert!(!covers(&in_one, &lasting));
    }
}
