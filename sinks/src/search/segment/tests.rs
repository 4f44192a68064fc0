use super::*;
use crate::store::{Engine, StoreConfig};
use proptest::prelude::*;
use springline_model::{
    Uri,
    rows::{PostingsRow, TermsBuilder},
};
use std::{collections::BTreeMap, path::Path};
use xxhash_rust::xxh3::xxh3_64;

type World = BTreeMap<u32, (i64, BTreeMap<String, (u16, u16, Vec<u32>)>)>;

fn rows(world: &World) -> Vec<(u32, PostingsRow)> {
    let row = |(number, (at, terms)): (&u32, &(i64, BTreeMap<String, (u16, u16, Vec<u32>)>))| {
        let mut builder = TermsBuilder::new();
        for (name, (title, body, positions)) in terms {
            builder.push(name.as_bytes(), *title, *body, positions.iter().copied());
        }
        let uri = Uri::new(format!("test://{number}"));
        (*number, PostingsRow { uri, at: Timestamp(*at), length: *number, terms: builder.finish() })
    };
    world.iter().map(row).collect()
}

fn world() -> impl Strategy<Value = World> {
    let positions =
        prop::collection::btree_set(0_u32..100_000, 0..4).prop_map(|all| all.into_iter().collect());
    let terms = prop::collection::btree_map("[wst][ab]{0,3}", (0_u16..3, any::<u16>(), positions), 0..8);
    prop::collection::btree_map(0_u32..2000, (any::<i64>(), terms), 1..400)
}

/// All that a segment says.
fn read(segment: &Arc<Segment>) -> World {
    let mut world = World::new();
    let mut documents = DocumentCursor::first(segment.clone()).unwrap();
    while let Some(document) = documents.document() {
        assert_eq!(document.uri().unwrap(), format!("test://{}", document.number));
        assert_eq!(document.length, document.number);
        world.insert(document.number, (document.at.0, BTreeMap::new()));
        documents.advance().unwrap();
    }
    each_occurrence(segment, |number, term| {
        let name = String::from_utf8(term.name.to_vec()).unwrap();
        let counts = (term.title, term.body, term.positions.into_iter().collect());
        world.get_mut(&number).unwrap().1.insert(name, counts);
    })
    .unwrap();
    world
}

fn stored(segment: SegmentWriterResult) -> Arc<Segment> {
    let store = crate::store::open(&StoreConfig::of(Engine::Memory), Path::new("unused")).unwrap();
    let (info, head, pages) = segment;
    let write = |page: NewPage| Write::Put(keys::page(info.id, page.part, page.number), page.bytes);
    let mut writes: Vec<Write> = pages.into_iter().map(write).collect();
    writes.push(Write::Put(keys::page(info.id, Part::Head, 0), head.encode()));
    store.commit(writes).unwrap();
    Arc::new(Segment::open(info, Arc::new(Pager::new(store))).unwrap())
}

type SegmentWriterResult = (SegmentInfo, Head, Vec<NewPage>);

fn merged(merge: Merge, budget: u64) -> SegmentWriterResult {
    let (mut merge, mut pages) = (Some(merge), Vec::new());
    while let Some(next) = merge {
        let (rest, step) = next.step(budget).unwrap();
        pages.extend(step.pages);
        if let Some((info, head)) = step.done {
            return (info, head, pages);
        }
        merge = rest;
    }
    unreachable!("a merge ends with a step that is done")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn says_what_it_was_told(world in world(), cuts in prop::collection::vec(0_u32..2000, 0..3), dead in prop::collection::vec(0_u32..2000, 0..200), budget in 1_u64..5000) {
        let whole = Arc::new(invert(0, &rows(&world)));
        prop_assert_eq!(&read(&whole), &world);
        // In parts, merged, without the dead, through the store.
        let mut cuts = cuts;
        cuts.extend([0, 2000]);
        cuts.sort_unstable();
        let part = |cut: &[u32]| world.range(cut[0]..cut[1]).map(|(number, document)| (*number, document.clone())).collect::<World>();
        let parts: Vec<World> = cuts.windows(2).map(part).filter(|part| !part.is_empty()).collect();
        let inputs: Vec<_> = parts.iter().enumerate().map(|(id, part)| Arc::new(invert(id as u32, &rows(part)))).collect();
        let mut gone = super::super::dead::Dead::default();
        for number in &dead {
            gone.insert(*number);
        }
        let segment = stored(merged(Merge::new(9, inputs, &gone), budget));
        let rest: World = world.into_iter().filter(|(number, _)| !dead.contains(number)).collect();
        prop_assert_eq!(&read(&segment), &rest);
        let mut terms = TermCursor::new(segment.clone());
        let mut documents = DocumentCursor::new(segment.clone());
        for (number, row) in rows(&rest) {
            let info = terms.find(&locator(&row.uri)).unwrap().unwrap();
            prop_assert_eq!(segment.numbers(&info, &mut None).unwrap(), [number]);
            prop_assert_eq!(documents.find(number).unwrap().map(|document| document.at), Some(row.at));
            let (oldest, newest) = documents.times(number).unwrap();
            prop_assert!(oldest <= row.at && row.at <= newest);
        }
        for number in &dead {
            prop_assert!(documents.find(*number).unwrap().is_none());
        }
        prop_assert!(terms.find(b"wzzz").unwrap().is_none());
    }
}

/// If this fails, what is stored reads differently now: raise [`super::super::FORMAT`] with the new value.
#[test]
fn the_format_is_what_it_was() {
    let terms = |number: u32| {
        let name = |at: u32| format!("w{:03}", at * (number + 3) % 97);
        (0..40).map(|at| (name(at), ((at % 3) as u16, at as u16, vec![at, at + number]))).collect()
    };
    let world: World =
        (0..300).map(|number| (number * 3, (i64::from(number) * 1000, terms(number)))).collect();
    let segment = invert(7, &rows(&world));
    let mut bytes = segment.head.encode();
    for (part, pages) in PAGED.into_iter().zip(segment.info.pages) {
        (0..pages).for_each(|number| bytes.extend_from_slice(&segment.page(part, number).unwrap()));
    }
    assert_eq!((bytes.len(), xxh3_64(&bytes)), (106_405, 4_385_196_647_135_880_112));
}
