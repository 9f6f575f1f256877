//! The tools of a server by name, with their types erased.

use std::{
    collections::BTreeMap,
    marker::PhantomData,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt;
use rmcp::model::{self, JsonObject, ToolAnnotations};

use crate::{CallContext, Tool, ToolError, arguments, outcome, schema, text};

/// How long a tool that was told to stop may take to end its work elsewhere.
const GRACE: Duration = Duration::from_secs(2);

/// Clients cut descriptions there.
pub const MAX_DESCRIPTION_BYTES: usize = 2048;

/// Tools in the order of their names, which is the order in which they are listed.
pub struct Registry<S> {
    tools: BTreeMap<&'static str, Arc<Entry<S>>>,
    faults: Vec<String>,
    written: Option<&'static str>,
}

pub struct Entry<S> {
    pub name: &'static str,
    define: fn() -> Result<model::Tool, String>,
    definition: OnceLock<model::Tool>,
    tool: Box<dyn AnyTool<S>>,
}

impl<S: Send + Sync + 'static> Registry<S> {
    pub fn new() -> Self {
        Self {
            tools: BTreeMap::new(),
            faults: Vec::new(),
            written: None,
        }
    }

    /// Adds a tool.
    pub fn add<T: Tool<State = S>>(&mut self) {
        let entry = Entry {
            name: T::NAME,
            define: define::<T>,
            definition: OnceLock::new(),
            tool: Box::new(Typed::<T>(PhantomData)),
        };
        if self.tools.insert(T::NAME, Arc::new(entry)).is_some() {
            self.faults.push(format!("two tools are named `{}`", T::NAME));
        }
    }

    /// Takes the tools' descriptions from a text that was written beforehand; see [`crate::Server::described_by`].
    pub fn describe_by(&mut self, written: &'static str) {
        self.written = Some(written);
    }

    /// Sees to it that every tool is described, and returns what is wrong with them: a second one of the same name, or a
    /// schema that is no object, is a mistake of the server's author.
    pub fn describe(&mut self) -> Vec<String> {
        let mut faults = std::mem::take(&mut self.faults);
        match self.written {
            Some(written) => {
                let named = tool_lines(written).map(written_name);
                if !named.eq(self.tools.keys().copied().map(Some)) {
                    faults.push("the written descriptions are not those of the tools".to_owned());
                }
            }
            None => faults.extend(derive_halved(&self.tools.values().collect::<Vec<_>>())),
        }
        faults
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Entry<S>>> {
        self.tools.get(name)
    }

    /// Returns the tool's description, which is made when it is first asked for.
    pub fn definition<'a>(&self, entry: &'a Entry<S>) -> Result<&'a model::Tool, ToolError> {
        if let Some(known) = entry.definition.get() {
            return Ok(known);
        }
        let made = match self.written {
            Some(written) => tool_lines(written)
                .find(|line| written_name(line) == Some(entry.name))
                .and_then(|line| serde_json::from_str(line).ok())
                .ok_or_else(|| format!("tool `{}` is not described", entry.name)),
            None => (entry.define)(),
        };
        let made = made.map_err(|fault| ToolError::new("internal", fault))?;
        Ok(entry.definition.get_or_init(|| made))
    }

    pub fn definitions(&self) -> Result<Vec<model::Tool>, ToolError> {
        self.tools
            .values()
            .map(|entry| self.definition(entry).cloned())
            .collect()
    }

    /// Returns the text that [`Self::describe_by`] takes, made from the tools' types.
    pub fn derived(&self) -> Result<String, String> {
        let line = |entry: &Arc<Entry<S>>| {
            let definition = (entry.define)()?;
            serde_json::to_string(&definition).map_err(|error| error.to_string())
        };
        let lines: Vec<String> = self.tools.values().map(line).collect::<Result<_, _>>()?;
        Ok(format!("[\n{}\n]\n", lines.join(",\n")))
    }
}

/// Cuts the written text into the tools, each a line of JSON.
fn tool_lines(written: &str) -> impl Iterator<Item = &str> {
    written
        .lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| line.starts_with('{'))
}

fn written_name(line: &str) -> Option<&str> {
    line.strip_prefix("{\"name\":\"")?.split('"').next()
}

impl<S> Registry<S> {
    /// Returns the descriptions that were written beforehand: a JSON array, in lines.
    pub fn written(&self) -> Option<&'static str> {
        self.written
    }
}

impl<S: Send + Sync + 'static> Entry<S> {
    /// Calls the tool within its bounds: names and types of arguments, deadline, size of the result. Returns JSON.
    pub async fn call(
        &self,
        state: &S,
        arguments: JsonObject,
        schema: &JsonObject,
        call: &CallContext,
    ) -> Result<String, ToolError> {
        let work = AssertUnwindSafe(self.tool.call(state, arguments, schema, call)).catch_unwind();
        let mut work = std::pin::pin!(work);
        let deadline = self.tool.deadline();
        let stopped = tokio::select! {
            biased;
            done = &mut work => return done.unwrap_or_else(|_| Err(broken())),
            () = call.cancelled.cancelled() => ToolError::new("cancelled", "the call was cancelled"),
            () = tokio::time::sleep(deadline) => {
                call.cancelled.cancel();
                ToolError::new("deadline_exceeded", format!("no answer within {} s", deadline.as_secs_f64()))
                    .retryable()
                    .hint("ask for less, or try again when the system is less busy")
            }
        };
        if tokio::time::timeout(GRACE, work).await.is_err() {
            tracing::warn!(tool = self.name, "the tool did not stop in time and was dropped");
        }
        Err(stopped)
    }
}

/// Describes all from their types, half of them beside the others: it is most of what a server does before it answers.
/// Returns what is wrong with them.
fn derive_halved<S: Send + Sync + 'static>(all: &[&Arc<Entry<S>>]) -> Vec<String> {
    let derive = |entry: &Arc<Entry<S>>| match (entry.define)() {
        Ok(definition) => {
            // Nobody else describes it meanwhile.
            let _ = entry.definition.set(definition);
            None
        }
        Err(fault) => Some(fault),
    };
    let run = |some: &[&Arc<Entry<S>>]| some.iter().filter_map(|entry| derive(entry)).collect::<Vec<_>>();
    let (first, second) = all.split_at(all.len() / 2);
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| run(second));
        let mut faults = run(first);
        let broke = |_| vec!["a tool could not be described".to_owned()];
        faults.extend(beside.join().unwrap_or_else(broke));
        faults
    })
}

fn broken() -> ToolError {
    ToolError::new("internal", "the tool broke").hint("the server's log has the cause")
}

/// Names and descriptions are what a model reads: clients cut long ones, and invisible characters belong to attacks.
fn check_words(name: &str, description: &str) -> Result<(), String> {
    let well_named =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !well_named {
        return Err(format!(
            "tool `{name}` needs a name of at most 64 lower-case letters, digits and underscores"
        ));
    }
    if description.is_empty() || description.len() > MAX_DESCRIPTION_BYTES || description.contains(text::is_hidden) {
        return Err(format!(
            "tool `{name}` needs a description of at most {MAX_DESCRIPTION_BYTES} visible bytes"
        ));
    }
    Ok(())
}

fn define<T: Tool>() -> Result<model::Tool, String> {
    check_words(T::NAME, T::DESCRIPTION)?;
    let hints = T::hints();
    let annotations = ToolAnnotations::with_title(T::TITLE)
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    Ok(model::Tool::new(T::NAME, T::DESCRIPTION, schema::of_input::<T>()?)
        .with_title(T::TITLE)
        .with_raw_output_schema(Arc::new(schema::of_output::<T>()?))
        .with_annotations(annotations))
}

#[async_trait]
trait AnyTool<S>: Send + Sync {
    fn deadline(&self) -> Duration;
    async fn call(
        &self,
        state: &S,
        arguments: JsonObject,
        schema: &JsonObject,
        call: &CallContext,
    ) -> Result<String, ToolError>;
}

struct Typed<T>(PhantomData<fn() -> T>);

#[async_trait]
impl<T: Tool> AnyTool<T::State> for Typed<T> {
    fn deadline(&self) -> Duration {
        T::deadline()
    }

    async fn call(
        &self,
        state: &T::State,
        arguments: JsonObject,
        schema: &JsonObject,
        call: &CallContext,
    ) -> Result<String, ToolError> {
        let input = arguments::parse::<T::Input>(arguments, schema)?;
        let output = T::call(state, input, call).await?;
        outcome::written(&output, T::max_result_bytes())
    }
}
