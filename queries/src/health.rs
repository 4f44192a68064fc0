//! Whether the process lives, whether its views are complete, and what it counts.

use crate::{control::RuntimeStatus, problem::Kind, routes::Routes, state::AppState};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, Method, StatusCode, header},
    response::IntoResponse,
};

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    let status = routes.schema::<RuntimeStatus>();
    routes.tag("Operation");
    let text = (StatusCode::OK, "text/plain", None);
    routes.plain(Method::GET, "/livez", "Whether the process lives", text, livez);
    let ready = (StatusCode::OK, "application/json", Some(status.clone()));
    let operation = routes.plain(
        Method::GET,
        "/readyz",
        "Whether the views are complete, and what is still to do",
        ready,
        readyz,
    );
    operation.answers.push((StatusCode::SERVICE_UNAVAILABLE, "application/json", Some(status)));
    operation.description =
        "200 once every view shows what the journal holds. Until then 503 with the same body; \
         the stored views are served meanwhile, with the header `Springline-Stale`."
            .to_owned();
    let text = (StatusCode::OK, PROMETHEUS, None);
    routes
        .plain(Method::GET, "/metrics", "What the process counts, for Prometheus", text, metrics)
        .may(Kind::Unavailable);
}

async fn livez() -> impl IntoResponse {
    (NO_STORE, "alive\n")
}

async fn readyz(State(state): State<AppState>) -> impl IntoResponse {
    let status = state.control.status();
    let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, NO_STORE, Json(status))
}

async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, PROMETHEUS)], state.control.metrics())
}
