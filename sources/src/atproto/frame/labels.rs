//! What `subscribeLabels` says, and the signature of a label.

use super::{
    super::{
        cbor::{CborError, Order, Reader, Writer, once},
        key::{KeyError, PublicKey, SigningKey},
    },
    BodyError, positive,
};

/// Labels were made or taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels<'a> {
    /// Its number in the stream.
    pub seq: i64,
    /// The labels.
    pub labels: Vec<Label<'a>>,
}

/// A label. Its texts are claims, not checked: the signature says by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label<'a> {
    /// The version of the format: 1.
    pub ver: Option<i64>,
    /// The labeler's DID.
    pub src: &'a str,
    /// What is labelled: an AT URI, or a DID for an account.
    pub uri: &'a str,
    /// The version of it, if only that one is meant.
    pub cid: Option<&'a str>,
    /// The label.
    pub val: &'a str,
    /// Whether it takes back an earlier one. That it is said to be false is signed as well.
    pub neg: Option<bool>,
    /// When it was made.
    pub cts: &'a str,
    /// When it ends.
    pub exp: Option<&'a str>,
    /// The signature by the labeler's `#atproto_label` key.
    pub sig: Option<&'a [u8]>,
}

impl<'a> Labels<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, BodyError> {
        let (mut seq, mut labels) = (None, None);
        reader.fields(Order::Any, |key, reader| match key {
            "seq" => once(&mut seq, reader.integer()?),
            "labels" => {
                let mut list = Vec::new();
                reader.items(|reader| {
                    list.push(Label::read(reader)?);
                    Ok::<_, CborError>(())
                })?;
                once(&mut labels, list)
            }
            _ => reader.skip(),
        })?;
        Ok(Self { seq: positive(seq)?, labels: labels.ok_or(CborError::Missing("labels"))? })
    }
}

impl<'a> Label<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, CborError> {
        let mut label = Self::default();
        let (mut src, mut uri, mut val, mut cts) = (None, None, None, None);
        reader.fields(Order::Any, |key, reader| match key {
            "ver" => once(&mut label.ver, reader.integer()?),
            "src" => once(&mut src, reader.text()?),
            "uri" => once(&mut uri, reader.text()?),
            "cid" if reader.null() => Ok(()),
            "cid" => once(&mut label.cid, reader.text()?),
            "val" => once(&mut val, reader.text()?),
            "neg" if reader.null() => Ok(()),
            "neg" => once(&mut label.neg, reader.bool()?),
            "cts" => once(&mut cts, reader.text()?),
            "exp" if reader.null() => Ok(()),
            "exp" => once(&mut label.exp, reader.text()?),
            "sig" if reader.null() => Ok(()),
            "sig" => once(&mut label.sig, reader.bytes()?),
            _ => reader.skip(),
        })?;
        label.src = src.ok_or(CborError::Missing("src"))?;
        label.uri = uri.ok_or(CborError::Missing("uri"))?;
        label.val = val.ok_or(CborError::Missing("val"))?;
        label.cts = cts.ok_or(CborError::Missing("cts"))?;
        Ok(label)
    }

    pub(super) fn write(&self, writer: &mut Writer, sig: Option<&[u8]>) {
        let optional =
            [self.cid.is_some(), self.exp.is_some(), self.neg.is_some(), sig.is_some(), self.ver.is_some()];
        writer.map(4 + optional.iter().filter(|is_there| **is_there).count());
        let text = |writer: &mut Writer, key: &str, text: &str| {
            writer.text(key);
            writer.text(text);
        };
        if let Some(cid) = self.cid {
            text(writer, "cid", cid);
        }
        text(writer, "cts", self.cts);
        if let Some(exp) = self.exp {
            text(writer, "exp", exp);
        }
        if let Some(neg) = self.neg {
            writer.text("neg");
            writer.bool(neg);
        }
        if let Some(sig) = sig {
            writer.text("sig");
            writer.bytes(sig);
        }
        text(writer, "src", self.src);
        text(writer, "uri", self.uri);
        text(writer, "val", self.val);
        if let Some(ver) = self.ver {
            writer.text("ver");
            writer.integer(ver);
        }
    }

    fn signed(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        self.write(&mut writer, None);
        writer.into_bytes()
    }

    /// That it is signed by that key. A label with fields that aren't known can't be verified.
    ///
    /// # Errors
    /// It isn't signed, or not by that key.
    pub fn verify(&self, key: &PublicKey) -> Result<(), KeyError> {
        key.verify(&self.signed(), self.sig.ok_or(KeyError::Malformed)?)
    }

    /// The signature that it should have; one that it has already is left out.
    ///
    /// # Errors
    /// The key doesn't sign.
    pub fn sign(&self, key: &SigningKey) -> Result<[u8; 64], KeyError> {
        key.sign(&self.signed())
    }
}
