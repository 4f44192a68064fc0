//! Questions and answers as bytes.
//!
//! ```text
//!  question   what is taken for granted (8 bytes) · postcard (asker's layout, whom, request)
//!  answer     the same 8 bytes                    · postcard (reply | refusal)
//! ```
//!
//! What is taken for granted is a hash of this form's version and of the tables and versions of all views: processes of
//! programs that store other rows refuse each other, whatever else they would read into the bytes.

use serde::{Deserialize, Serialize};
use springline_model::{Table, View};
use springline_sinks::views::peers::{Layout, Refusal, Reply, Request};
use std::sync::OnceLock;

/// Raise it when questions or answers change their form.
const VERSION: u32 = 1;
/// The longest question: a hundred of the longest keys.
pub(super) const MAX_QUESTION_BYTES: usize = 2 << 20;
/// The longest answer: a reply and the longest row.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 20;
pub(super) const MEDIA: &str = "application/octet-stream";

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    /// The asker.
    pub(super) from: Layout,
    /// Who is asked.
    pub(super) to: usize,
    pub(super) request: Request,
}

/// An answer.
pub(super) type Answer = Result<Reply, Refusal>;

/// What both sides must agree on before a byte is read.
fn granted() -> [u8; 8] {
    static GRANTED: OnceLock<[u8; 8]> = OnceLock::new();
    *GRANTED.get_or_init(|| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&VERSION.to_be_bytes());
        for table in Table::ALL {
            hasher.update(&[*table as u8]).update(table.name().as_bytes());
        }
        for view in View::ALL {
            hasher.update(view.name().as_bytes()).update(&view.version().to_be_bytes());
        }
        let mut granted = [0; 8];
        hasher.finalize_xof().fill(&mut granted);
        granted
    })
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_extend(value, granted().to_vec())
}

pub(super) fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, &'static str> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or("it is cut short")?;
    if *head != granted() {
        return Err("it is of a program with other rows: all processes must be of one version");
    }
    match postcard::take_from_bytes(rest) {
        Ok((value, [])) => Ok(value),
        _ => Err("it does not decode"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use springline_sinks::{
        Scan,
        search::query::{Mode, Page, Query},
    };

    fn question(key: Vec<u8>) -> Question {
        let layout = Layout { process: 1, processes: 3, workers: 2 };
        let scan = Scan { prefix: key, after: Some(vec![]), reverse: true, limit: usize::MAX };
        Question { from: layout, to: 2, request: Request::Scan { table: Table::Nodes, scan } }
    }

    proptest! {
        #[test]
        fn comes_back(key: Vec<u8>) {
            let question = question(key);
            prop_assert_eq!(decode::<Question>(&encode(&question).unwrap()).unwrap(), question);
        }

        #[test]
        fn any_bytes_are_refused_without_panic(bytes: Vec<u8>, flip in 0..200_usize, to: u8) {
            let known = [granted().to_vec(), bytes].concat();
            let _ = (decode::<Question>(&known), decode::<Answer>(&known));
            let query = Query::parse(Mode::Ranked, "a (b OR NOT c*) \"d e\" tag:x").unwrap();
            let page = Page { after: None, limit: 1 };
            let request = Request::Search { query, page, stats: None };
            let mut bytes = encode(&Question { request, ..question(vec![]) }).unwrap();
            let at = flip % bytes.len();
            bytes[at] = to;
            let _ = decode::<Question>(&bytes);
        }
    }

    #[test]
    fn others_are_told_apart() {
        let mut bytes = encode(&question(vec![])).unwrap();
        bytes.push(0);
        assert!(decode::<Question>(&bytes).is_err());
        bytes[0] ^= 1;
        assert!(decode::<Question>(&bytes).unwrap_err().contains("version"));
        assert!(decode::<Question>(&[]).is_err());
    }
}
