//! The table of routes: the only way to add one, so that the server and its OpenAPI description can't differ.
//!
//! ```text
//!  routes.view("/v1/nodes/{*node}", node)
//!     fn node(reading: &Reading, params: NodeParams) -> Result<NodePage, Problem>
//!                                        │                     └─ JsonSchema ─► the 200 answer
//!                                        └─ JsonSchema + doc comments ─► summary, description, parameters
//! ```
//!
//! The doc comment of a parameter struct is the operation's: its first paragraph the summary, the rest the
//! description; those of its fields describe the parameters.

use crate::{
    answer::{self, Answer, Caching, Json, Reading},
    auth::Principal,
    params::{Given, JsonBody, Nothing, Params},
    problem::{ErrorPage, Kind, Problem, ProblemBody, XrpcError},
    state::AppState,
};
use axum::{
    Extension, Router,
    extract::State,
    handler::Handler,
    http::{Method, StatusCode, header},
    response::IntoResponse,
    routing::{MethodFilter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use std::future::Future;

/// Routes being collected.
pub struct Routes {
    router: Router<AppState>,
    operations: Vec<Operation>,
    pub(crate) schemas: SchemaGenerator,
    inputs: SchemaGenerator,
    pub(crate) error_page: Option<ErrorPage>,
    tag: &'static str,
}

/// One method of one path, described.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path as axum writes it: `/v1/nodes/{*node}`.
    pub path: &'static str,
    /// The group it is shown in.
    pub tag: &'static str,
    /// One line.
    pub summary: String,
    /// The rest; may be empty.
    pub description: String,
    /// Path and query parameters: an object schema.
    pub parameters: Option<Schema>,
    /// The body: an object schema.
    pub body: Option<Schema>,
    /// What a success gives: status, media type, schema if it is JSON.
    pub answers: Vec<(StatusCode, &'static str, Option<Schema>)>,
    /// The problems that it can give beside those that every route can.
    pub problems: Vec<Kind>,
}

impl Operation {
    /// Says that it can give this problem.
    pub fn may(&mut self, kind: Kind) -> &mut Self {
        self.problems.push(kind);
        self
    }

    /// Says that it can answer with a redirect.
    pub fn leads_elsewhere(&mut self, status: StatusCode) -> &mut Self {
        self.answers.push((status, "text/plain", None));
        self
    }

    /// Says in a line what it does, for a route without parameters of its own.
    pub fn says(&mut self, summary: &str) -> &mut Self {
        summary.clone_into(&mut self.summary);
        self
    }

    /// Its path as OpenAPI writes it: `/v1/nodes/{node}`.
    #[must_use]
    pub fn template(&self) -> String {
        self.path.replace("{*", "{")
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let outputs = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let inputs = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true; // parameters are taken apart: a reference would not do
            settings.meta_schema = None;
        });
        let mut schemas = outputs.into_generator();
        schemas.subschema_for::<ProblemBody<'static>>();
        schemas.subschema_for::<XrpcError<'static>>();
        Self {
            router: Router::new(),
            operations: Vec::new(),
            schemas,
            inputs: inputs.into_generator(),
            error_page: None,
            tag: "",
        }
    }

    /// The group that the next routes are shown in.
    pub fn tag(&mut self, tag: &'static str) -> &mut Self {
        self.tag = tag;
        self
    }

    /// How errors look to browsers, outside of `/v1`.
    pub fn error_page(&mut self, page: ErrorPage) -> &mut Self {
        self.error_page = Some(page);
        self
    }

    /// A read of the views that gives JSON.
    pub fn view<P: Params, A: Serialize + JsonSchema + Send + 'static>(
        &mut self,
        path: &'static str,
        view: fn(&Reading<'_>, P) -> Result<A, Problem>,
    ) -> &mut Operation {
        self.json(path, view, Caching::Revalidate)
    }

    /// Like [`Self::view`], for what changes without a new epoch: never answered with a 304.
    pub fn live<P: Params, A: Serialize + JsonSchema + Send + 'static>(
        &mut self,
        path: &'static str,
        view: fn(&Reading<'_>, P) -> Result<A, Problem>,
    ) -> &mut Operation {
        self.json(path, view, Caching::Never)
    }

    fn json<P: Params, A: Serialize + JsonSchema + Send + 'static>(
        &mut self,
        path: &'static str,
        view: fn(&Reading<'_>, P) -> Result<A, Problem>,
        caching: Caching,
    ) -> &mut Operation {
        let handler = move |State(state): State<AppState>, given: Given| {
            answer::read(state, given, caching, move |reading, params: P| view(reading, params).map(Json))
        };
        let answer = self.schemas.subschema_for::<A>();
        let operation = self.described::<P>(Method::GET, path);
        self.add(operation, (StatusCode::OK, "application/json", Some(answer)), handler)
    }

    /// A read of the views that gives a document of this media type (or a redirect), or what becomes one once the
    /// snapshot is let go.
    pub fn document<P: Params, A: Answer>(
        &mut self,
        path: &'static str,
        media: &'static str,
        view: fn(&Reading<'_>, P) -> Result<A, Problem>,
    ) -> &mut Operation {
        let handler = move |State(state): State<AppState>, given: Given| {
            answer::read::<P, _>(state, given, Caching::Revalidate, view)
        };
        let operation = self.described::<P>(Method::GET, path);
        self.add(operation, (StatusCode::OK, media, None), handler)
    }

    /// What asks the process or changes something: parameters and a JSON body in, a status and JSON out.
    pub fn command<P: Params, B: Params, A, F>(
        &mut self,
        method: Method,
        path: &'static str,
        command: fn(AppState, P, B) -> F,
    ) -> &mut Operation
    where
        A: Serialize + JsonSchema + Send + 'static,
        F: Future<Output = Result<(StatusCode, A), Problem>> + Send + 'static,
    {
        self.told(method, path, move |state, _, params, body| command(state, params, body))
    }

    /// Like [`Self::command`], for one that depends on who asks.
    pub fn command_by<P: Params, B: Params, A, F>(
        &mut self,
        method: Method,
        path: &'static str,
        command: fn(AppState, Principal, P, B) -> F,
    ) -> &mut Operation
    where
        A: Serialize + JsonSchema + Send + 'static,
        F: Future<Output = Result<(StatusCode, A), Problem>> + Send + 'static,
    {
        self.told(method, path, command)
    }

    fn told<P: Params, B: Params, A, F>(
        &mut self,
        method: Method,
        path: &'static str,
        command: impl Fn(AppState, Principal, P, B) -> F + Clone + Send + Sync + 'static,
    ) -> &mut Operation
    where
        A: Serialize + JsonSchema + Send + 'static,
        F: Future<Output = Result<(StatusCode, A), Problem>> + Send + 'static,
    {
        let handler = move |State(state): State<AppState>,
                            Extension(principal): Extension<Principal>,
                            given: Given,
                            JsonBody(body): JsonBody<B>| async move {
            let (status, answer) = command(state, principal, given.params()?, body).await?;
            Ok::<_, Problem>((status, [(header::CACHE_CONTROL, "no-store")], axum::Json(answer)))
        };
        let answer = self.schemas.subschema_for::<A>();
        let body = B::json_schema(&mut self.inputs);
        let mut operation = self.described::<P>(method, path);
        if has_fields(&body) {
            operation.problems = vec![Kind::MalformedBody, Kind::TooLarge, Kind::UnsupportedMedia];
            operation.body = Some(body);
        }
        self.add(operation, (StatusCode::OK, "application/json", Some(answer)), handler)
    }

    /// Any other handler, described by hand.
    pub fn plain<H, T>(
        &mut self,
        method: Method,
        path: &'static str,
        summary: &str,
        answer: (StatusCode, &'static str, Option<Schema>),
        handler: H,
    ) -> &mut Operation
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let mut operation = self.described::<Nothing>(method, path);
        operation.summary = summary.to_owned();
        operation.description = String::new();
        self.add(operation, answer, handler)
    }

    /// Any other handler that takes parameters: their doc comment describes it.
    pub fn plain_with<P: Params, H, T>(
        &mut self,
        method: Method,
        path: &'static str,
        answer: (StatusCode, &'static str, Option<Schema>),
        handler: H,
    ) -> &mut Operation
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let operation = self.described::<P>(method, path);
        self.add(operation, answer, handler)
    }

    /// What has been added.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The schema of a type, for [`Self::plain`].
    pub fn schema<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.subschema_for::<T>()
    }

    fn described<P: Params>(&mut self, method: Method, path: &'static str) -> Operation {
        let schema = P::json_schema(&mut self.inputs);
        let doc = schema.get("description").and_then(|doc| doc.as_str()).unwrap_or("");
        let (summary, description) = doc.split_once("\n\n").unwrap_or((doc, ""));
        let summary = summary.replace('\n', " ").trim_end_matches('.').to_owned();
        let description = description.to_owned();
        let parameters = has_fields(&schema).then_some(schema);
        let (tag, answers, problems) = (self.tag, Vec::new(), Vec::new());
        Operation { method, path, tag, summary, description, parameters, body: None, answers, problems }
    }

    fn add<H, T>(
        &mut self,
        mut operation: Operation,
        answer: (StatusCode, &'static str, Option<Schema>),
        handler: H,
    ) -> &mut Operation
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        // Every method that a route is added with here has a filter.
        let filter = MethodFilter::try_from(operation.method.clone()).unwrap_or(MethodFilter::GET);
        operation.answers.push(answer);
        let router = std::mem::take(&mut self.router);
        self.router = router.route(operation.path, on(filter, handler));
        self.operations.push(operation);
        let last = self.operations.len() - 1;
        &mut self.operations[last]
    }

    /// The router, with problems for what matches no route.
    pub(crate) fn into_router(self) -> Router<AppState> {
        async fn no_route() -> impl IntoResponse {
            Problem::new(Kind::NoSuchRoute, "no route has this path; /docs lists them")
        }
        self.router.fallback(no_route)
    }
}

fn has_fields(object: &Schema) -> bool {
    object.get("properties").and_then(|fields| fields.as_object()).is_some_and(|fields| !fields.is_empty())
}
