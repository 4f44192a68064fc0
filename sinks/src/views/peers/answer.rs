//! What a process says of its own rows.

use super::{Body, MAX_HITS, REPLY_BYTES, Refusal, Reply, Request, Status};
use crate::views::{ReadError, Reader, Shared, Snapshot};
use springline_model::View;
use std::ops::ControlFlow;

impl Reader {
    /// Answers another process, from this one's own store alone. Blocks, for a bounded time.
    ///
    /// # Errors
    /// The view is not kept here, the query asks for too much, or the store fails.
    pub fn answer(&self, request: &Request) -> Result<Reply, Refusal> {
        Ok(self.shared.answer(request)?)
    }
}

impl Shared {
    pub(super) fn answer(&self, request: &Request) -> Result<Reply, ReadError> {
        let state = self.gate.read();
        let here = Snapshot::held(self, &state);
        Ok(Reply { epoch: here.epoch(), body: body(&here, request)? })
    }
}

fn body(here: &Snapshot<'_>, request: &Request) -> Result<Body, ReadError> {
    Ok(match request {
        Request::Rows { table, keys } => {
            let (mut rows, mut bytes) = (Vec::with_capacity(keys.len()), 0);
            for key in keys {
                if bytes >= REPLY_BYTES {
                    break;
                }
                let row = here.get_raw(*table, key)?;
                bytes += row.as_ref().map_or(0, Vec::len);
                rows.push(row);
            }
            Body::Rows(rows)
        }
        Request::Scan { table, scan } => {
            let (mut pairs, mut bytes, mut more) = (Vec::new(), 0, false);
            here.visit(*table, scan, |key, value| {
                more = bytes >= REPLY_BYTES;
                if more {
                    return Ok(ControlFlow::Break(()));
                }
                bytes += key.len() + value.len();
                pairs.push((key.to_vec(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
            Body::Pairs { pairs, more }
        }
        Request::Status => {
            let views = View::ALL.iter().map(|view| (*view, here.status(*view))).collect();
            Body::Status(Status { epoch: here.epoch(), clock: here.clock(), views })
        }
        Request::Count(query) => {
            let searcher = here.search()?;
            Body::Stats(searcher.stats(query, &|uri| here.searched_text(uri))?, searcher.langs())
        }
        Request::Search { query, page, stats } => {
            let (searcher, mut page) = (here.search()?, page.clone());
            page.limit = page.limit.min(MAX_HITS);
            let part = searcher.part(query, &page, stats.as_ref(), &|uri| here.searched_text(uri))?;
            Body::Hits(part, searcher.langs())
        }
    })
}
