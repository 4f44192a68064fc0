//! What agents were set to work on: a job, and the end of what it has said.

use super::{clusters::line, errors};
use crate::{
    answer::Reading,
    problem::{Kind, Problem},
    v1::{
        clusters::named,
        job_logs,
        jobs::{self, JobView},
    },
    web::{
        layout::{self, Head, Shown, minute, size},
        links,
    },
};
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::text::display;

/// How much of the end of a log is shown.
const LOG_BYTES: usize = 64 * 1024;

/// A job, and the end of what it has said.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct JobParams {
    /// Its name.
    id: String,
}

/// Jobs as a list: how each stands, and what came of it.
pub(super) fn listed(jobs: &[JobView]) -> Markup {
    html! {
        @if jobs.is_empty() { p.quiet { "Nothing yet." } }
        ul.list { @for job in jobs { li {
            div.row { a href=(links::job(&job.id)) { (job.state) " by " (line(&job.agent)) } (minute(job.updated.0)) }
            p.context {
                "ordered " (minute(job.created.0))
                @if let Some(url) = &job.pr_url { " · " (web(url)) }
                @if let Some(reason) = &job.reason { " · " (line(reason)) }
            }
        } } }
    }
}

/// An address that an agent told, if it is one of the web.
fn web(url: &str) -> Markup {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    html! {
        @if is_web { a href=(links::url(url)) rel="nofollow noopener noreferrer" { (line(url)) } } @else { "(no address)" }
    }
}

/// A job, and the end of what it has said.
pub(super) fn job(reading: &Reading<'_>, params: JobParams) -> Result<Shown, Problem> {
    let job = match jobs::find(reading.snapshot, &params.id) {
        Err(problem) if problem.kind() == Kind::NotFound => {
            return Err(errors::nothing(reading, "such job (any more)"));
        }
        job => job?,
    };
    let log = job_logs::tail(reading.snapshot, &job, LOG_BYTES)?;
    let job = JobView::from(&job);
    // The item that the cluster was named after may be gone.
    let about = named(reading.snapshot, &job.cluster, None).ok().map(|_| links::cluster(&job.cluster));
    let head = Head::titled(format!("Job {}", job.id)).at(links::job(&job.id)).hidden(true);
    Ok(layout::page(reading, head, move || shown(&job, about.as_deref(), &log)))
}

fn shown(job: &JobView, about: Option<&str>, log: &str) -> Markup {
    let facts =
        [("Progress", job.progress.as_ref()), ("Branch", job.branch.as_ref()), ("Why", job.reason.as_ref())];
    html! {
        header.page-head {
            h1 { "Job " (job.id) }
            p.facts {
                span { (job.state) }
                span { "by " (line(&job.agent)) }
                @match about {
                    Some(cluster) => { span { "about " a href=(cluster) { "this cluster" } } }
                    None => { span { "about " (line(&job.cluster)) ", which is gone" } }
                }
                @if job.attempt > 1 { span { "attempt " (job.attempt) } }
            }
        }
        section aria-labelledby="how" {
            h2 #how { "How it went" }
            ul.list {
                li { div.row { span { "Ordered" } (minute(job.created.0)) } }
                @if let Some(started) = job.started { li { div.row { span { "Begun" } (minute(started.0)) } } }
                li { div.row { span { "Last change" } (minute(job.updated.0)) } }
                @for (label, text) in facts { @if let Some(text) = text {
                    li { div.row { span { (label) } span { (line(text)) } } }
                } }
                @if let Some(url) = &job.pr_url { li { div.row { span { "Pull request" } (web(url)) } } }
            }
        }
        section aria-labelledby="log" {
            h2 #log { "What it said" }
            @if log.is_empty() { p.quiet { "Nothing yet." } } @else {
                div.body { pre { code { (display::shown(log)) } } }
                p.more { a href={ "/v1/jobs/" (links::segment(&job.id)) "/logs" } { "All of it" } " (" (size(job.log_bytes)) ")" }
            }
            @if job.truncated { p.cut { "It has said more than was kept." } }
        }
    }
}
