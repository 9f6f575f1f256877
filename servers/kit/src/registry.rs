//! The tools of a server by name, with their types erased.

use std::{collections::BTreeMap, marker::PhantomData, panic::AssertUnwindSafe, sync::Arc, time::Duration};

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
    /// Added, and not yet described.
    added: Vec<Added<S>>,
}

struct Added<S> {
    name: &'static str,
    define: fn() -> Result<model::Tool, String>,
    tool: Box<dyn AnyTool<S>>,
}

pub struct Entry<S> {
    pub definition: model::Tool,
    tool: Box<dyn AnyTool<S>>,
}

impl<S: Send + Sync + 'static> Registry<S> {
    pub fn new() -> Self {
        Self {
            tools: BTreeMap::new(),
            added: Vec::new(),
        }
    }

    /// Adds a tool.
    pub fn add<T: Tool<State = S>>(&mut self) {
        self.added.push(Added {
            name: T::NAME,
            define: define::<T>,
            tool: Box::new(Typed::<T>(PhantomData)),
        });
    }

    /// Describes the tools that were added, and returns what is wrong with them: a second one of the same name, or a schema
    /// that is no object, is a mistake of the server's author.
    pub fn describe(&mut self) -> Vec<String> {
        let added = std::mem::take(&mut self.added);
        let definers: Vec<_> = added.iter().map(|added| added.define).collect();
        let mut faults = Vec::new();
        for (added, definition) in added.into_iter().zip(run_halved(&definers)) {
            let definition = match definition {
                Ok(definition) => definition,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            let entry = Entry {
                definition,
                tool: added.tool,
            };
            if self.tools.insert(added.name, Arc::new(entry)).is_some() {
                faults.push(format!("two tools are named `{}`", added.name));
            }
        }
        faults
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Entry<S>>> {
        self.tools.get(name)
    }

    pub fn definitions(&self) -> Vec<model::Tool> {
        self.tools.values().map(|entry| entry.definition.clone()).collect()
    }
}

impl<S: Send + Sync + 'static> Entry<S> {
    /// Calls the tool within its bounds: names and types of arguments, deadline, size of the result. Returns JSON.
    pub async fn call(&self, state: &S, arguments: JsonObject, call: &CallContext) -> Result<String, ToolError> {
        let work =
            AssertUnwindSafe(self.tool.call(state, arguments, &self.definition.input_schema, call)).catch_unwind();
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
            tracing::warn!(tool = %self.definition.name, "the tool did not stop in time and was dropped");
        }
        Err(stopped)
    }
}

/// Runs all, half of them beside the others: making schemas is most of what a server does before it answers.
fn run_halved<T: Send>(all: &[fn() -> Result<T, String>]) -> Vec<Result<T, String>> {
    let (first, second) = all.split_at(all.len() / 2);
    let run = |some: &[fn() -> Result<T, String>]| some.iter().map(|one| one()).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| run(second));
        let mut results = run(first);
        let broke = || vec![Err("a tool could not be described".to_owned())];
        results.extend(beside.join().unwrap_or_else(|_| broke()));
        results
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
