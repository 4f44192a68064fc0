use super::*;
use crate::*;
use proptest::prelude::*;

fn round_trip<R: Row>(row: &R) {
    let (key, value) = (row.key_bytes(), row.value_bytes());
    assert_eq!(&R::decode(&key, &value).unwrap(), row);
    for cut in 0..key.len() {
        drop(R::decode(&key[..cut], &value)); // an error or another row, never a panic
    }
    for cut in 0..value.len() {
        drop(R::decode(&key, &value[..cut]));
    }
}

fn meta(text: &str, number: u64) -> NoteMeta {
    NoteMeta {
        uri: Uri::from(text),
        kind: "note".into(),
        author: Uri::user(text),
        node: Some(NodeName::from_canonical(text)),
        title: text.into(),
        at: Timestamp(number.cast_signed()),
        bytes: number,
    }
}

proptest! {
    #[test]
    fn every_row_reads_back(text in ".{0,20}", number: u64, ordinal: u32) {
        let (uri, at) = (Uri::from(text.as_str()), Timestamp(number.cast_signed()));
        let node = NodeName::from_canonical(&text);
        let note = meta(&text, number);
        round_trip(&BacklinkRow {
            target: uri.clone(), kind: text.clone(), path: "wikilink".into(), at, source: uri.clone(), ordinal,
            context: Context::Code, author: uri.clone(), node: Some(node.clone()), title: text.clone(),
            label: Some(text.clone()), snippet: text.clone(),
        });
        round_trip(&BacklinkCountRow {
            target: uri.id(), kind: text.clone(), path: ".subject".into(), links: number, records: 1, authors: 2,
        });
        round_trip(&LatestRow { note: note.clone() });
        round_trip(&SubnodeRow { node: node.clone(), note: note.clone() });
        round_trip(&AuthorNoteRow { note: note.clone() });
        round_trip(&JournalRow { day: at, note: note.clone() });
        round_trip(&NodeRow { node: node.clone(), subnodes: number, authors: 1, links: 2, linkers: 3 });
        round_trip(&AuthorKindRow { author: uri.clone(), kind: text.clone(), records: number });
        round_trip(&AuthorRow { author: uri.clone(), records: number, links: 2, bytes: 3 });
        round_trip(&SourceRow { source: SourceId::new(text.as_str()), kind: text.clone(), records: 1, links: 2, bytes: number });
        round_trip(&NotificationRow {
            recipient: uri.clone(), at, reason: Reason::Push, source: uri.clone(), subject: uri.clone(),
            actor: uri.clone(), title: text.clone(),
        });
        round_trip(&TopRow { order: Order::Trending, score: number, node: node.clone() });
        round_trip(&AccountRow { authority: uri.clone(), rev: Rev(number), status: AccountStatus::Hidden });
        let (space, id) = (Space::new(text.as_str()), ClusterId::of(&uri));
        let (name, text_id) = (ClusterId::new(text.as_str()), TextId(u128::from(number) << 32));
        let facts = ClusterFacts {
            items: number, texts: 1, by_hand: 2, representative: uri.clone(), title: text.clone(), summary: text.clone(),
            keywords: vec![text.clone()], sources: vec![(text.clone(), number)], first_seen: at, last_seen: at,
            growth: [number, 2, 3], trend: number,
        };
        round_trip(&ClusterRow { space: space.clone(), level: ClusterLevel::Duplicates, root: text_id, id: name.clone(), facts });
        round_trip(&ClusterRankRow {
            space: space.clone(), level: ClusterLevel::Cluster, order: ClusterOrder::Growth, score: number, root: text_id,
        });
        round_trip(&ClusterMemberRow {
            space: space.clone(), cluster: TextId(1), duplicates: TextId(u128::MAX), text: text_id,
        });
        round_trip(&ClusterTextRow {
            space: space.clone(), text: text_id, cluster: TextId(2), duplicates: text_id, by_hand: ordinal % 2 == 1,
            words: crate::text::Sparse::unit(vec![(ordinal, 2), (ordinal.wrapping_add(1), 1)]),
            meaning: crate::Vector::of(&text, &[ordinal as f32, -1.0]).filter(|_| ordinal % 2 == 0),
        });
        round_trip(&ClusterItemRow {
            space: space.clone(), text: text_id, at, uri: uri.clone(), source: text.clone(), title: text.clone(),
        });
        round_trip(&ClusterThemeRow { space: space.clone(), cluster: text_id, theme: TextId(u128::MAX) });
        round_trip(&ThemeClusterRow { space: space.clone(), theme: text_id, cluster: TextId(0) });
        round_trip(&ClusterNameRow { id, space, uri: uri.clone(), text: text_id });
        let mut terms = TermsBuilder::new();
        terms.push(text.as_bytes(), 1, 2, [3, 4, ordinal.max(4)]);
        terms.push(format!("{text}~").as_bytes(), 0, 0, []);
        let project = Project::new("shop").unwrap();
        let (source, status) = (FeedbackSource::Github, FeedbackStatus::Closed);
        let item = FeedbackMeta {
            uri: uri.clone(), at, edited: Some(at), project: project.clone(), source, status, author: uri.clone(),
            title: text.clone(), excerpt: text.clone(), url: None, repo: Some(text.clone()), issue: Some(number),
        };
        round_trip(&FeedbackRow(item.clone()));
        round_trip(&ProjectFeedbackRow(item));
        round_trip(&FeedbackTotalRow { project: project.clone(), source, status, items: number });
        round_trip(&FeedbackDayRow { project: project.clone(), day: at, source, status, items: number });
        round_trip(&SubredditRow { name: text.clone(), project: Some(project), rev: Rev(number) });
        round_trip(&PostingsRow { uri: uri.clone(), at, length: ordinal, terms: terms.finish() });
    }
}

#[test]
fn newest_and_best_come_first() {
    let latest = |at: u64| LatestRow { note: meta("a", at) }.key_bytes();
    assert!(latest(2) < latest(1));
    let top = |score: u64, node: &str| {
        TopRow { order: Order::Size, score, node: NodeName::from_canonical(node) }.key_bytes()
    };
    assert!(top(9, "z") < top(8, "a"));
    assert!(top(8, "a") < top(8, "b"));
}
