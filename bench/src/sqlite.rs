//! The index that one would write by hand: two tables and FTS5, no ranks, no clusters, no notifications, no server.
//!
//! It reads the same files, cuts links as simply as can be, and updates one note in one transaction. Write-ahead
//! log, `synchronous=NORMAL`, statements prepared once, indices of links made after the bulk.

use crate::{
    Job,
    http::CJK,
    measure::{Figures, Times, cpu, disk, memory},
    notes::{Edits, files, pick, queries},
};
use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant, UNIX_EPOCH},
};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE subnodes(id INTEGER PRIMARY KEY, uri TEXT UNIQUE, user TEXT, node TEXT, title TEXT, body TEXT, mtime INTEGER);
    CREATE TABLE links(source INTEGER, target TEXT);
    CREATE VIRTUAL TABLE fts USING fts5(title, body);";
const INDICES: &str = "
    CREATE INDEX links_target ON links(target); CREATE INDEX links_source ON links(source);
    CREATE INDEX subnodes_node ON subnodes(node); CREATE INDEX subnodes_mtime ON subnodes(mtime);";
const BACKLINKS: &str = "SELECT s.uri, s.title, s.mtime FROM links l JOIN subnodes s ON s.id = l.source
    WHERE l.target = ? ORDER BY s.mtime DESC LIMIT 50";
const SEARCH: &str = "SELECT s.uri, s.title, snippet(fts, 1, '<mark>', '</mark>', '…', 24) FROM fts
    JOIN subnodes s ON s.id = fts.rowid WHERE fts MATCH ? ORDER BY bm25(fts) LIMIT 20";

/// A file, read.
struct Note {
    uri: String,
    user: String,
    node: String,
    title: String,
    body: String,
    mtime: i64,
    links: Vec<String>,
}

fn name(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '_'], "-")
}

/// Reads a note, or an image (which has no text); nothing else.
fn read(tree: &Path, path: &Path) -> anyhow::Result<Option<Note>> {
    let body = match path.extension().and_then(|end| end.to_str()).unwrap_or_default() {
        "md" | "org" | "myco" | "markdown" => String::from_utf8_lossy(&fs::read(path)?).into_owned(),
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => String::new(),
        _ => return Ok(None),
    };
    let uri = path.strip_prefix(tree)?.to_string_lossy().into_owned();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let title = body.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(&stem).trim().to_owned();
    let cut = |piece: &str| Some(name(piece.split_once("]]")?.0.split(['|', '#']).next()?));
    let links = body.split("[[").skip(1).filter_map(cut).filter(|target| !target.is_empty()).collect();
    let user = uri.split('/').nth(1).unwrap_or_default().to_owned();
    let mtime = fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH)?.as_secs().cast_signed();
    Ok(Some(Note { node: name(&stem), uri, user, title, body, mtime, links }))
}

/// Puts a note in place of what there is of it.
fn put(db: &Connection, note: &Note) -> rusqlite::Result<()> {
    let known =
        db.prepare_cached("SELECT id FROM subnodes WHERE uri = ?")?.query_row([&note.uri], |row| row.get(0));
    let id: i64 = match known.optional()? {
        Some(id) => {
            db.prepare_cached("UPDATE subnodes SET title = ?, body = ?, mtime = ? WHERE id = ?")?
                .execute(params![note.title, note.body, note.mtime, id])?;
            db.prepare_cached("UPDATE fts SET title = ?, body = ? WHERE rowid = ?")?
                .execute(params![note.title, note.body, id])?;
            db.prepare_cached("DELETE FROM links WHERE source = ?")?.execute([id])?;
            id
        }
        None => {
            db.prepare_cached(
                "INSERT INTO subnodes(uri, user, node, title, body, mtime) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![note.uri, note.user, note.node, note.title, note.body, note.mtime])?;
            let id = db.last_insert_rowid();
            db.prepare_cached("INSERT INTO fts(rowid, title, body) VALUES (?, ?, ?)")?
                .execute(params![id, note.title, note.body])?;
            id
        }
    };
    let mut link = db.prepare_cached("INSERT INTO links VALUES (?, ?)")?;
    note.links.iter().try_for_each(|target| link.execute(params![id, target]).map(|_| ()))
}

fn index(db: &mut Connection, tree: &Path) -> anyhow::Result<u64> {
    db.execute_batch(SCHEMA)?;
    let (transaction, mut count) = (db.transaction()?, 0);
    for path in files(tree)? {
        if let Some(note) = read(tree, &path)? {
            put(&transaction, &note)?;
            count += 1;
        }
    }
    transaction.execute_batch(INDICES)?;
    transaction.commit()?;
    Ok(count)
}

/// Measures everything.
///
/// # Errors
/// The disk or SQLite says no.
pub(crate) fn measure(job: &Job) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let (began, before) = (Instant::now(), cpu());
    let mut db = Connection::open(job.work.join("index.db"))?;
    figures.subnodes = index(&mut db, &job.tree)?;
    figures.cpu = cpu().saturating_sub(before).as_secs_f64();
    figures.wall = began.elapsed().as_secs_f64();
    (figures.rss, figures.rss_peak) = memory()?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    figures.disk.push(("database".into(), disk(&job.work)));

    figures.edits = edit(&mut db, job)?;
    figures.backlinks = backlinks(&db)?;
    let queries = queries(job.queries.as_deref())?;
    let mut times = Vec::new();
    // The first round warms up.
    for query in queries.iter().cycle().take(queries.len() * 6) {
        times.push(timed(|| rows(&db, SEARCH, &quoted(query)))?.0);
    }
    figures.search = Times::of(times.split_off(queries.len()));
    let found = db.query_row("SELECT count(*) FROM fts WHERE fts MATCH ?", [quoted(CJK)], |row| row.get(0));
    figures.cjk = Some(found?);
    (figures.rss_end, _) = memory()?;
    Ok(figures)
}

fn edit(db: &mut Connection, job: &Job) -> anyhow::Result<Times> {
    let (edits, mut times) = (Edits::of(&job.tree)?, Vec::new());
    for number in 0..job.options.edits {
        let edit = edits.number(number)?;
        let (time, ()) = timed(|| {
            edit.write()?;
            let note = read(&job.tree, &edit.path)?.context("an edited note is a note")?;
            let transaction = db.transaction()?;
            put(&transaction, &note)?;
            Ok(transaction.commit()?)
        })?;
        times.push(time);
        let seen = rows(db, SEARCH, &quoted(&edit.word))? + rows(db, BACKLINKS, &name(&edit.target))?;
        ensure!(seen == 2, "the index by hand has lost an edit");
    }
    Ok(Times::of(times))
}

fn backlinks(db: &Connection) -> anyhow::Result<Times> {
    let mut targets =
        db.prepare("SELECT target FROM links GROUP BY target ORDER BY count(*) DESC, target")?;
    let targets = targets.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let targets = pick(&targets, 200);
    for target in targets.iter().take(20) {
        rows(db, BACKLINKS, target)?;
    }
    let times = targets.iter().map(|target| Ok(timed(|| rows(db, BACKLINKS, target))?.0));
    Ok(Times::of(times.collect::<anyhow::Result<_>>()?))
}

/// Asks, reads all columns of all rows, and says how many.
fn rows(db: &Connection, sql: &str, parameter: &str) -> anyhow::Result<usize> {
    let mut statement = db.prepare_cached(sql)?;
    let (columns, mut rows, mut count) = (statement.column_count(), statement.query([parameter])?, 0);
    while let Some(row) = rows.next()? {
        (0..columns).try_for_each(|column| row.get::<_, rusqlite::types::Value>(column).map(|_| ()))?;
        count += 1;
    }
    Ok(count)
}

fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Duration, T)> {
    let started = Instant::now();
    let done = work()?;
    Ok((started.elapsed(), done))
}

/// A query as FTS5 takes it: every word in quotes.
fn quoted(query: &str) -> String {
    let words = query.split_whitespace().map(|word| format!("\"{}\"", word.replace('"', "\"\"")));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_and_updates() {
        let temp = tempfile::tempdir().unwrap();
        let garden = temp.path().join("garden/ada");
        fs::create_dir_all(&garden).unwrap();
        fs::write(garden.join("one.md"), "# First\nold words, [[Two|second]] and [[two#part]]").unwrap();
        fs::write(garden.join("skip.txt"), "no").unwrap();
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(index(&mut db, temp.path()).unwrap(), 1);
        assert_eq!(rows(&db, BACKLINKS, "two").unwrap(), 2);
        assert_eq!(rows(&db, SEARCH, &quoted("old first")).unwrap(), 1);
        fs::write(garden.join("one.md"), "# First\nnew").unwrap();
        let note = read(temp.path(), &garden.join("one.md")).unwrap().unwrap();
        put(&db, &note).unwrap();
        assert_eq!(rows(&db, BACKLINKS, "two").unwrap(), 0);
        assert_eq!(rows(&db, SEARCH, &quoted("old")).unwrap(), 0);
        assert_eq!(rows(&db, SEARCH, &quoted("new")).unwrap(), 1);
    }
}
