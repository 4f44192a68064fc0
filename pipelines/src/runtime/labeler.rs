//! The operator as a labeler: numbers and signs what is said.

use crate::config::LabelerConfig;
use springline_model::{Epoch, EventBody, Label, Timestamp, Uri, rows::IssuedRow};
use springline_queries::control::{ControlError, LabelDraft, LabelNotice};
use springline_sinks::{Scan, views::Reader};
use springline_sources::atproto::{
    frame::{self, Frame},
    key::{Curve, SigningKey},
};
use tokio::sync::Mutex;

/// Why there is no labeler.
#[derive(Debug, thiserror::Error)]
pub enum LabelerError {
    /// The key's file can't be read.
    #[error("labeler.key_file {path}: {source}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no key.
    #[error("labeler.key_file must hold 64 hexadecimal digits, as `openssl rand -hex 32` makes them")]
    Key,
    /// The DID is none.
    #[error("labeler.did: `{0}` is no DID")]
    Did(String),
}

/// Makes labels.
pub struct Labeler {
    did: Uri,
    key: SigningKey,
    hides: Vec<String>,
    /// The last number that was given; one that could not be journalled leaves a gap. Held while a label is on its
    /// way to the journal.
    last: Mutex<u64>,
}

impl Labeler {
    /// Of the configuration; none if there is none.
    ///
    /// # Errors
    /// The key can't be had.
    pub fn open(config: &LabelerConfig) -> Result<Option<Self>, LabelerError> {
        let (Some(did), Some(path)) = (&config.did, &config.key_file) else { return Ok(None) };
        if springline_sources::atproto::syntax::Did::check(did).is_err() {
            return Err(LabelerError::Did(did.clone()));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| LabelerError::File { path: path.clone(), source })?;
        let secret = hex(text.trim()).ok_or(LabelerError::Key)?;
        let key = SigningKey::from_bytes(Curve::K256, &secret).map_err(|_| LabelerError::Key)?;
        tracing::info!(did, key = %key.public().to_multikey(), "labels are signed; the DID document needs this key as #atproto_label");
        Ok(Some(Self { did: Uri::from(did.as_str()), key, hides: config.hides.clone(), last: Mutex::new(0) }))
    }

    /// Signs a label, has it journalled by `submit`, and gives both.
    ///
    /// # Errors
    /// It can't be signed or journalled.
    pub async fn issue<F: Future<Output = Result<Epoch, ControlError>>>(
        &self,
        draft: LabelDraft,
        reader: &Reader,
        submit: impl FnOnce(EventBody) -> F,
    ) -> Result<(Label, Epoch), ControlError> {
        let mut last = self.last.lock().await;
        let failed = |error: &dyn std::error::Error| ControlError::Failed(error.to_string());
        if *last == 0 {
            let scan = Scan { limit: 1, reverse: true, ..Scan::default() };
            let rows: Vec<IssuedRow> =
                reader.read(|snapshot| snapshot.scan(&scan)).map_err(|error| failed(&error))?;
            *last = rows.first().map_or(0, |row| row.seq);
        }
        let LabelDraft { uri, val, cid, neg, exp } = draft;
        let hides = self.hides.contains(&val);
        let cts = Timestamp::now();
        let mut label =
            Label { src: self.did.clone(), uri, val, cid, cts, neg, exp, hides, expired: false, sig: None };
        let times = Times::of(&label);
        label.sig = Some(times.wire(&label).sign(&self.key).map_err(|error| failed(&error))?.to_vec());
        let authority = label.authority();
        let seq = *last + 1;
        let body = EventBody::Label { authority, label: Box::new(label.clone()), issued: Some(seq) };
        // Given before it is journalled: who asked may be gone by then, and a number that was used twice loses a label.
        *last = seq;
        let epoch = submit(body).await?;
        Ok((label, epoch))
    }
}

/// A message of the labels' stream.
#[must_use]
pub fn label_frame(notice: &LabelNotice) -> Vec<u8> {
    match notice {
        LabelNotice::Label { seq, label } => {
            let times = Times::of(label);
            let labels = vec![times.wire(label)];
            Frame::Labels(frame::Labels { seq: i64::try_from(*seq).unwrap_or(i64::MAX), labels }).write()
        }
        LabelNotice::Error { error, message } => {
            Frame::Error(frame::StreamError { error, message: Some(message) }).write()
        }
    }
}

/// A label's times as they are signed.
struct Times {
    cts: String,
    exp: Option<String>,
}

impl Times {
    fn of(label: &Label) -> Self {
        Self { cts: label.cts.to_rfc3339(), exp: label.exp.map(Timestamp::to_rfc3339) }
    }

    fn wire<'a>(&'a self, label: &'a Label) -> frame::Label<'a> {
        frame::Label {
            ver: Some(1),
            src: label.src.as_str(),
            uri: label.uri.as_str(),
            cid: label.cid.as_deref(),
            val: &label.val,
            neg: label.neg.then_some(true),
            cts: &self.cts,
            exp: self.exp.as_deref(),
            sig: label.sig.as_deref(),
        }
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
