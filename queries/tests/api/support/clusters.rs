//! Rows of clusters, made by hand: who is together is said by the test.

use super::world::Rows;
use springline_model::{
    ClusterId, Record, Space, TextId, Vector,
    record::attr,
    rows::{
        ClusterFacts, ClusterItemRow, ClusterLevel, ClusterMemberRow, ClusterNameRow, ClusterOrder,
        ClusterRankRow, ClusterRow, ClusterTextRow, ClusterThemeRow, ThemeClusterRow,
    },
    text::Lexical,
};
use std::collections::BTreeMap;

/// The space that they are in.
pub(crate) const SPACE: &str = "notes";

/// Adds the rows of a cluster. Records with the same words are a duplicate set.
pub(crate) fn rows(rows: &mut Rows, members: &[Record]) {
    let space = Space::new(SPACE);
    let mut lexical = Lexical::new();
    let members = by_age(members);
    let texts = by_text(&members, &mut lexical);
    let Some(root) = texts.keys().next().copied() else { return };
    group(rows, ClusterLevel::Cluster, root, &members, texts.len());
    for (text, items) in texts {
        if items.len() > 1 {
            group(rows, ClusterLevel::Duplicates, text, &items, 1);
        }
        let words = lexical.vector(&items[0].title, &items[0].text);
        let meaning = items[0].attrs.get(attr::VECTOR).and_then(|vector| Vector::parse(vector));
        rows.add(&ClusterMemberRow { space: space.clone(), cluster: root, duplicates: text, text });
        let (space, duplicates) = (space.clone(), text);
        rows.add(&ClusterTextRow {
            space: space.clone(),
            text,
            cluster: root,
            duplicates,
            by_hand: false,
            words,
            meaning,
        });
        for item in items {
            let (uri, source) = (item.uri.clone(), "gardens".to_owned());
            let name =
                ClusterNameRow { id: ClusterId::of(&uri), space: space.clone(), uri: uri.clone(), text };
            rows.add(&name);
            let title = item.title.clone();
            rows.add(&ClusterItemRow { space: space.clone(), text, at: item.at, uri, source, title });
        }
    }
}

/// Adds the rows of a theme, if there are clusters.
pub(crate) fn theme<'a>(rows: &mut Rows, clusters: impl Iterator<Item = &'a [Record]>) {
    let (mut members, mut roots) = (Vec::new(), Vec::new());
    for cluster in clusters {
        roots.extend(by_text(&by_age(cluster), &mut Lexical::new()).into_keys().next());
        members.extend_from_slice(cluster);
    }
    let Some(theme) = roots.first().copied() else { return };
    let members = by_age(&members);
    group(rows, ClusterLevel::Theme, theme, &members, by_text(&members, &mut Lexical::new()).len());
    for cluster in roots {
        let space = Space::new(SPACE);
        rows.add(&ClusterThemeRow { space: space.clone(), cluster, theme });
        rows.add(&ThemeClusterRow { space, theme, cluster });
    }
}

fn by_age(records: &[Record]) -> Vec<&Record> {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by_key(|record| (record.at, record.uri.id()));
    records
}

fn by_text<'a>(members: &[&'a Record], lexical: &mut Lexical) -> BTreeMap<TextId, Vec<&'a Record>> {
    let mut texts: BTreeMap<TextId, Vec<&Record>> = BTreeMap::new();
    for record in members {
        texts.entry(lexical.vector(&record.title, &record.text).id()).or_default().push(record);
    }
    texts
}

fn group(rows: &mut Rows, level: ClusterLevel, root: TextId, members: &[&Record], texts: usize) {
    let (first, last) = (members[0], members[members.len() - 1]);
    let id = ClusterId::of(&first.uri);
    for order in ClusterOrder::ALL {
        let score = match order {
            ClusterOrder::Size => members.len() as u64,
            ClusterOrder::Growth => 1,
            ClusterOrder::LastSeen => last.at.0.cast_unsigned() ^ (1 << 63),
        };
        rows.add(&ClusterRankRow { space: Space::new(SPACE), level, order: *order, score, root });
    }
    let facts = ClusterFacts {
        items: members.len() as u64,
        texts: texts as u64,
        by_hand: 0,
        representative: first.uri.clone(),
        title: first.title.clone(),
        summary: first.text.clone(),
        keywords: vec!["word".into()],
        sources: vec![("gardens".into(), members.len() as u64)],
        first_seen: first.at,
        last_seen: last.at,
        growth: [0, 1, 2],
        trend: 3,
    };
    rows.add(&ClusterRow { space: Space::new(SPACE), level, root, id, facts });
}
