//! Frames of ours: for the label server, for tests, for generators. Keys are sorted, as strict readers want them.

use super::{super::cbor::Writer, Account, Commit, Frame, Identity, Info, Labels, StreamError, Sync};

impl Frame<'_> {
    /// The bytes of the frame. What was read and isn't known here is left out.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (kind, capacity) = match self {
            Self::Commit(commit) => ("#commit", 1_024 + commit.blocks.len() + 256 * commit.ops.len()),
            Self::Sync(sync) => ("#sync", 256 + sync.blocks.len()),
            Self::Identity(_) => ("#identity", 256),
            Self::Account(_) => ("#account", 256),
            Self::Labels(labels) => ("#labels", 64 + 512 * labels.labels.len()),
            Self::Info(_) => ("#info", 256),
            Self::Error(_) => ("", 256),
            Self::Unknown { kind, .. } => (*kind, 64),
        };
        let op = match self {
            Self::Error(_) => -1,
            Self::Unknown { op, .. } => *op,
            _ => 1,
        };
        let mut writer = Writer::with_capacity(capacity);
        writer.map(1 + usize::from(!kind.is_empty()));
        if !kind.is_empty() {
            text(&mut writer, "t", kind);
        }
        integer(&mut writer, "op", op);
        match self {
            Self::Commit(commit) => commit_body(&mut writer, commit),
            Self::Sync(sync) => sync_body(&mut writer, sync),
            Self::Identity(identity) => identity_body(&mut writer, identity),
            Self::Account(account) => account_body(&mut writer, account),
            Self::Labels(labels) => labels_body(&mut writer, labels),
            Self::Info(Info { name, message }) => {
                writer.map(1 + usize::from(message.is_some()));
                text(&mut writer, "name", name);
                optional(&mut writer, "message", *message);
            }
            Self::Error(StreamError { error, message }) => {
                writer.map(1 + usize::from(message.is_some()));
                text(&mut writer, "error", error);
                optional(&mut writer, "message", *message);
            }
            Self::Unknown { .. } => writer.map(0),
        }
        writer.into_bytes()
    }
}

fn text(writer: &mut Writer, key: &str, value: &str) {
    writer.text(key);
    writer.text(value);
}

fn optional(writer: &mut Writer, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        text(writer, key, value);
    }
}

fn integer(writer: &mut Writer, key: &str, value: i64) {
    writer.text(key);
    writer.integer(value);
}

fn commit_body(writer: &mut Writer, commit: &Commit<'_>) {
    writer.map(11 + usize::from(commit.prev_data.is_some()));
    writer.text("ops");
    writer.array(commit.ops.len());
    for op in &commit.ops {
        writer.map(3 + usize::from(op.prev.is_some()));
        writer.text("cid");
        writer.nullable(op.cid, |writer, cid| writer.link(&cid));
        text(writer, "path", op.path);
        if let Some(prev) = op.prev {
            writer.text("prev");
            writer.link(&prev);
        }
        text(writer, "action", op.action.as_str());
    }
    text(writer, "rev", commit.rev);
    integer(writer, "seq", commit.seq);
    text(writer, "repo", commit.repo);
    text(writer, "time", commit.time);
    writer.text("blobs");
    writer.array(0);
    writer.text("since");
    writer.nullable(commit.since, Writer::text);
    writer.text("blocks");
    writer.bytes(commit.blocks);
    writer.text("commit");
    writer.link(&commit.commit);
    writer.text("rebase");
    writer.bool(commit.rebase);
    writer.text("tooBig");
    writer.bool(commit.too_big);
    if let Some(prev_data) = commit.prev_data {
        writer.text("prevData");
        writer.link(&prev_data);
    }
}

fn sync_body(writer: &mut Writer, sync: &Sync<'_>) {
    writer.map(5);
    text(writer, "did", sync.did);
    text(writer, "rev", sync.rev);
    integer(writer, "seq", sync.seq);
    text(writer, "time", sync.time);
    writer.text("blocks");
    writer.bytes(sync.blocks);
}

fn identity_body(writer: &mut Writer, identity: &Identity<'_>) {
    writer.map(3 + usize::from(identity.handle.is_some()));
    text(writer, "did", identity.did);
    integer(writer, "seq", identity.seq);
    text(writer, "time", identity.time);
    optional(writer, "handle", identity.handle);
}

fn account_body(writer: &mut Writer, account: &Account<'_>) {
    writer.map(4 + usize::from(account.status.is_some()));
    text(writer, "did", account.did);
    integer(writer, "seq", account.seq);
    text(writer, "time", account.time);
    writer.text("active");
    writer.bool(account.active);
    optional(writer, "status", account.status);
}

fn labels_body(writer: &mut Writer, labels: &Labels<'_>) {
    writer.map(2);
    integer(writer, "seq", labels.seq);
    writer.text("labels");
    writer.array(labels.labels.len());
    for label in &labels.labels {
        label.write(writer, label.sig);
    }
}
