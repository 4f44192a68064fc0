//! One line in the log and two metrics for each request, by route template and never by path: paths are made by
//! strangers, and each new one would be a new series.

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use std::time::Instant;

/// Logs and counts.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = known(request.method());
    let path = request.uri().path().to_owned();
    let template = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    let route = template.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    metrics::counter!(
        "springline_http_requests_total",
        "method" => method, "route" => route.clone(), "status" => status.to_string()
    )
    .increment(1);
    metrics::histogram!("springline_http_request_duration_seconds", "method" => method, "route" => route)
        .record(took.as_secs_f64());
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: "springline::access", method, path, status, micros, "request");
    response
}

/// A method's name from a closed set: clients may invent methods.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Says what the metrics mean. Call once, after the recorder is installed.
pub fn describe_metrics() {
    metrics::describe_counter!("springline_http_requests_total", "Requests answered, by route and status.");
    metrics::describe_histogram!(
        "springline_http_request_duration_seconds",
        metrics::Unit::Seconds,
        "Time until the answer's head was ready, by route."
    );
}
