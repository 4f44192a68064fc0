//! What is here of a repository and not there any more: open issues that were deleted or transferred, and comments.
//!
//! ```text
//!  open issues there, by pages ─┐
//!  open issues here ────────────┴─► here alone ─► GET …/issues/{n}: as it is now, or gone with the comments on it
//!  young comments there ────────┐
//!  young comments here ─────────┴─► here alone ─► GET …/issues/comments/{id}: as it is now, or gone
//! ```
//!
//! No list is believed in what it lacks, because it changes while it is read: each item is asked for by itself.
//!
//! Limits: closed issues are not looked for, nor comments older than `recheck_days`; of a repository at most
//! [`MAX_ASKED`] issues and as many comments are asked for at a time, the others the next time.

use super::{MAX_PAGES, Sum, Walker, client::next_page, comments, heard, things};
use crate::{
    SourceError,
    delivery::blocking,
    feedback::{
        Reading,
        poll::{Desk, Ended, Heard, Trouble},
    },
};
use serde_json::Value;
use springline_model::{
    FeedbackSource, FeedbackStatus, ItemName, Project, Record, Timestamp, Uri, feedback::attr,
    time::DAY_MILLIS,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most items of a kind that are asked for by themselves.
const MAX_ASKED: usize = 200;
/// Items that are looked up at a time.
const CHUNK: usize = 100;

/// What is here of a repository.
#[derive(Default)]
struct Here {
    /// Issues by number.
    issues: BTreeMap<u64, ItemName>,
    /// Comments by id: on which issue, and when they were made.
    comments: BTreeMap<u64, (ItemName, u64, Timestamp)>,
}

impl Here {
    async fn read(desk: &Desk, repo: &str, project: &Project) -> Result<Self, Ended> {
        let (known, authority) = (desk.known.clone(), project.authority());
        let records = blocking(move || known.records(authority.as_str())).await?;
        let mut here = Self::default();
        for record in records.map_err(SourceError::from)? {
            let name = ItemName::parse(&record.uri).filter(|name| name.source == FeedbackSource::Github);
            let Some(name) = name else { continue };
            let Some((of, rest)) = name.external.split_once('#') else { continue };
            if !of.eq_ignore_ascii_case(repo) {
                continue;
            }
            let (number, comment) = rest.split_once("/comment-").map_or((rest, None), |(a, b)| (a, Some(b)));
            let Ok(number) = number.parse() else { continue };
            match comment.map(str::parse) {
                None => drop(here.issues.insert(number, name)),
                Some(Ok(id)) => drop(here.comments.insert(id, (name, number, record.at))),
                Some(Err(_)) => {}
            }
        }
        Ok(here)
    }

    /// An issue and what was said on it.
    fn with_comments(&self, issue: u64) -> Vec<Heard> {
        let comments = self.comments.values().filter(|(_, on, _)| *on == issue).map(|(name, ..)| name);
        let names = self.issues.get(&issue).into_iter().chain(comments);
        names.map(|name| Heard::Said(Reading::Gone(name.uri()))).collect()
    }
}

impl Walker {
    /// Looks for what is here alone.
    pub(super) async fn recheck(
        &mut self,
        desk: &Desk,
        repo: &str,
        project: &Project,
        sum: &mut Sum,
    ) -> Result<(), Ended> {
        let here = Here::read(desk, repo, project).await?;
        if !here.issues.is_empty() {
            // By their age, so that new ones move nothing.
            let query = [("state", "open"), ("sort", "created"), ("direction", "asc"), ("per_page", "100")];
            let there = self.listed(repo, "issues", &query, "number").await?;
            let alone = here.issues.iter().filter(|(number, _)| !there.contains(number));
            let alone: Vec<(u64, Uri)> = alone.map(|(number, name)| (*number, name.uri())).collect();
            for number in open(desk, alone).await? {
                let told = match self.one(repo, &format!("issues/{number}")).await? {
                    Some(issue) => vec![heard(project, repo, &issue)],
                    None => here.with_comments(number),
                };
                sum.tell(desk, repo, told).await?;
            }
        }
        let oldest = Timestamp(Timestamp::now().0 - i64::from(self.config.recheck_days) * DAY_MILLIS);
        let young: Vec<_> = here.comments.iter().filter(|(_, (.., at))| *at >= oldest).collect();
        if !young.is_empty() {
            let since = oldest.to_rfc3339();
            let query =
                [("since", since.as_str()), ("sort", "created"), ("direction", "asc"), ("per_page", "100")];
            let there = self.listed(repo, "issues/comments", &query, "id").await?;
            let alone = young.into_iter().filter(|(id, _)| !there.contains(id));
            for (id, (name, ..)) in alone.take(MAX_ASKED) {
                let told = match self.one(repo, &format!("issues/comments/{id}")).await? {
                    Some(comment) => comments(desk, project, repo, &[comment]).await?,
                    None => vec![Heard::Said(Reading::Gone(name.uri()))],
                };
                sum.tell(desk, repo, told).await?;
            }
        }
        Ok(())
    }

    /// The numbers of all that a list names.
    async fn listed(
        &mut self,
        repo: &str,
        path: &str,
        query: &[(&str, &str)],
        number: &str,
    ) -> Result<BTreeSet<u64>, Trouble> {
        let mut page = Some(self.client.address(repo, path, query)?);
        let mut listed = BTreeSet::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = page.take() else { break };
            let answer = self.client.page(&url, None).await?;
            listed.extend(things(&answer)?.iter().filter_map(|thing| thing.get(number)?.as_u64()));
            page = next_page(&answer, &url)?;
        }
        Ok(listed)
    }

    /// One thing as it is now; nothing if it is gone.
    async fn one(&mut self, repo: &str, path: &str) -> Result<Option<Value>, Trouble> {
        let url = self.client.address(repo, path, &[])?;
        let Some(answer) = self.client.thing(&url).await? else { return Ok(None) };
        let thing = serde_json::from_slice(&answer.body);
        thing.map(Some).map_err(|error| Trouble::Later(format!("it answers with no JSON: {error}")))
    }
}

/// The numbers of those that are open as far as is known here; at most [`MAX_ASKED`].
async fn open(desk: &Desk, issues: Vec<(u64, Uri)>) -> Result<Vec<u64>, Ended> {
    let mut open = Vec::new();
    for chunk in issues.chunks(CHUNK) {
        let (known, uris) =
            (desk.known.clone(), chunk.iter().map(|(_, uri)| uri.clone()).collect::<Vec<_>>());
        let items = blocking(move || known.items(&uris)).await?.map_err(SourceError::from)?;
        let is_open = |record: &Record| {
            record.attrs.get(attr::STATUS).is_some_and(|status| status == FeedbackStatus::Open.name())
        };
        for ((number, _), item) in chunk.iter().zip(items) {
            open.extend(item.record.is_some_and(|record| is_open(&record)).then_some(*number));
        }
        if open.len() >= MAX_ASKED {
            break;
        }
    }
    open.truncate(MAX_ASKED);
    Ok(open)
}
