//! Rows of several processes in one order.

use super::{Across, Body, Request};
use crate::{
    store::Pair,
    views::{ReadError, Scan},
};
use springline_model::Table;
use std::{collections::VecDeque, ops::ControlFlow};

/// A process' rows of a scan.
struct Stream {
    process: usize,
    rows: VecDeque<Pair>,
    /// Where to ask on, while there may be more.
    behind: Option<Option<Vec<u8>>>,
}

impl Across<'_> {
    /// Shows the rows of a range in order, until told to stop or there were as many as wanted.
    pub(in crate::views) fn visit(
        &self,
        table: Table,
        scan: &Scan,
        mut show: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ReadError>,
    ) -> Result<(), ReadError> {
        let owner = self.layout.owner_of_key(table, &scan.prefix);
        let processes = owner.map_or(0..self.layout.processes, |owner| owner..owner + 1);
        let stream = |process| Stream { process, rows: VecDeque::new(), behind: Some(scan.after.clone()) };
        let mut streams: Vec<Stream> = processes.map(stream).collect();
        let (mut left, mut last) = (scan.limit, None);
        while left > 0 {
            self.fill(table, scan, left, owner.is_some(), &mut streams)?;
            let heads = streams.iter().enumerate();
            let heads = heads.filter_map(|(at, stream)| stream.rows.front().map(|(key, _)| (key, at)));
            let next = if scan.reverse { heads.max() } else { heads.min() };
            let Some(at) = next.map(|(_, at)| at) else { return Ok(()) };
            let Some((key, value)) = streams[at].rows.pop_front() else { return Ok(()) };
            // A row that two have moved from one to the other while they were read.
            if last.as_ref() == Some(&key) {
                continue;
            }
            left -= 1;
            if show(&key, &value)?.is_break() {
                return Ok(());
            }
            last = Some(key);
        }
        Ok(())
    }

    /// Asks those on whose next row it depends.
    fn fill(
        &self,
        table: Table,
        scan: &Scan,
        limit: usize,
        is_owned: bool,
        streams: &mut [Stream],
    ) -> Result<(), ReadError> {
        let mut waiting: Vec<&mut Stream> =
            streams.iter_mut().filter(|stream| stream.rows.is_empty() && stream.behind.is_some()).collect();
        let ask = |stream: &mut &mut Stream| {
            let after = stream.behind.take().flatten();
            (stream.process, Request::Scan { table, scan: Scan { after, limit, ..scan.clone() } })
        };
        let asked = waiting.iter_mut().map(ask).collect();
        for (stream, reply) in waiting.into_iter().zip(self.ask(asked)) {
            match reply {
                Ok(Body::Pairs { pairs, more }) => {
                    stream.behind = pairs.last().filter(|_| more).map(|(key, _)| Some(key.clone()));
                    stream.rows = pairs.into();
                }
                Ok(_) => return Err(super::across::another(stream.process)),
                Err(ReadError::Unreachable { .. }) if !is_owned => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
