//! A dataset that is ours to write: its newest manifest, and how the next one comes about.

use super::{
    Form,
    file::damaged,
    manifest::{DataFile, DatasetManifest, DatasetTable, Replaced, VERSION},
    place::Place,
};
use crate::parquet::ParquetError;
use springline_model::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The manifests, by number.
const MANIFESTS: &str = "_springline";
/// The copy of the newest one.
const NEWEST: &str = "manifest.json";
/// How many manifests are kept.
const KEPT: u64 = 16;

/// The tables of a manifest, by name.
pub(super) type Tables = BTreeMap<String, DatasetTable>;

/// What a dataset is of.
pub(super) struct Identity<'a> {
    pub(super) sink: &'a str,
    pub(super) view: &'a str,
    pub(super) form: Form,
}

/// A dataset and its writer.
pub(super) struct Dataset {
    place: Place,
    manifest: DatasetManifest,
    grace_ms: i64,
    /// Files that were written since the newest manifest.
    made: Vec<String>,
}

impl Dataset {
    /// Reads the newest manifest, keeps out whoever was at it, and deletes what nobody names.
    pub(super) fn open(place: Place, identity: &Identity<'_>, grace_secs: u32) -> Result<Self, ParquetError> {
        let all = place.list("")?;
        let mut numbers: Vec<(u64, &String)> =
            all.iter().filter_map(|path| number(path).map(|number| (number, path))).collect();
        numbers.sort_unstable();
        let mut manifest = None;
        for (_, path) in numbers.iter().rev() {
            manifest = load(&place, path)?;
            if manifest.is_some() {
                break;
            }
        }
        let mut manifest = match (manifest, numbers.first()) {
            (Some(manifest), _) => manifest,
            // If even the first one is there, none of them has ever counted.
            (None, None | Some((1, _))) => DatasetManifest::new(identity.sink, identity.view, identity.form),
            (None, Some((_, path))) => return Err(damaged(path, "and so are those behind it")),
        };
        let is = (manifest.sink.as_str(), manifest.view.as_str(), manifest.form);
        if is != (identity.sink, identity.view, identity.form) {
            return Err(ParquetError::Dataset(format!(
                "there is another dataset: the {:?} of the view `{}` by the sink `{}`",
                is.2, is.1, is.0
            )));
        }
        manifest.generation = numbers.last().map_or(0, |(number, _)| *number);
        let grace_ms = i64::from(grace_secs) * 1000;
        let mut dataset = Self { place, manifest, grace_ms, made: Vec::new() };
        dataset.commit(|_| ())?;
        // From here on nobody else can name a file.
        let manifest = &dataset.manifest;
        let known = manifest.files().map(|file| &file.path);
        let known: BTreeSet<&String> = known.chain(manifest.replaced.iter().map(|file| &file.path)).collect();
        let is_file = |path: &&String| path.starts_with("table=") && path.ends_with(".parquet");
        for orphan in all.iter().filter(is_file).filter(|path| !known.contains(path)) {
            dataset.place.remove(orphan)?;
        }
        for (_, old) in numbers.iter().filter(|(number, _)| number + KEPT <= manifest.generation) {
            dataset.place.remove(old)?;
        }
        Ok(dataset)
    }

    /// What counts.
    pub(super) const fn manifest(&self) -> &DatasetManifest {
        &self.manifest
    }

    /// Writes a file that the next manifest may name. What it says of its rows is the caller's.
    pub(super) fn store(
        &mut self,
        table: &str,
        file: DataFile,
        bytes: Vec<u8>,
    ) -> Result<DataFile, ParquetError> {
        let date = file.date.as_ref().map(|date| format!("/date={date}")).unwrap_or_default();
        let (generation, number) = (self.manifest.generation + 1, self.made.len() + 1);
        let path = format!("table={table}{date}/{generation:010}-{number:04}.parquet");
        let size = bytes.len() as u64;
        // Even if it fails something may be there.
        self.made.push(path.clone());
        self.place.put(&path, bytes)?;
        Ok(DataFile { path, bytes: size, ..file })
    }

    /// Reads a file that counts.
    pub(super) fn read(&self, file: &DataFile) -> Result<Vec<u8>, ParquetError> {
        let bytes = self.place.get(&file.path)?;
        if bytes.len() as u64 == file.bytes {
            return Ok(bytes);
        }
        Err(damaged(&file.path, &format!("it has {} of {} bytes", bytes.len(), file.bytes)))
    }

    /// Makes the next manifest. Files that it names no longer go some time later.
    pub(super) fn commit(&mut self, change: impl FnOnce(&mut DatasetManifest)) -> Result<(), ParquetError> {
        let mut next = self.manifest.clone();
        change(&mut next);
        next.tables.values_mut().for_each(DatasetTable::count);
        next.generation += 1;
        let named: BTreeSet<&String> = next.files().map(|file| &file.path).collect();
        let until = Timestamp(Timestamp::now().0 + self.grace_ms);
        let were = self.manifest.files().map(|file| &file.path).chain(&self.made);
        let gone: Vec<Replaced> = were
            .filter(|path| !named.contains(path))
            .map(|path| Replaced { path: path.clone(), until })
            .collect();
        next.replaced.extend(gone);
        let path = path_of(next.generation);
        let text = serde_json::to_vec_pretty(&next).map_err(|error| damaged(&path, &error.to_string()))?;
        if !self.place.create(&path, text.clone())? {
            let why = format!("somebody else writes this dataset: {path} is there already");
            return Err(ParquetError::Dataset(why));
        }
        self.place.put(NEWEST, text)?;
        if let Some(old) = next.generation.checked_sub(KEPT) {
            self.place.remove(&path_of(old))?;
        }
        (self.manifest, self.made) = (next, Vec::new());
        Ok(())
    }

    /// Deletes the files whose time has come; when the next one's is.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<Option<Timestamp>, ParquetError> {
        let is_due = |file: &&Replaced| file.until <= now;
        let mut any = false;
        for file in self.manifest.replaced.iter().filter(is_due) {
            self.place.remove(&file.path)?;
            any = true;
        }
        if any {
            self.commit(|next| next.replaced.retain(|file| file.until > now))?;
        }
        Ok(self.manifest.replaced.iter().map(|file| file.until).min())
    }
}

fn path_of(generation: u64) -> String {
    format!("{MANIFESTS}/manifest-{generation:020}.json")
}

fn number(path: &str) -> Option<u64> {
    let number = path.strip_prefix(MANIFESTS)?.strip_prefix("/manifest-")?.strip_suffix(".json")?;
    number.parse().ok()
}

/// Reads a manifest. None if it is torn: then its commit was never heard of.
fn load(place: &Place, path: &str) -> Result<Option<DatasetManifest>, ParquetError> {
    let text = place.get(path)?;
    let manifest: DatasetManifest = match serde_json::from_slice(&text) {
        Ok(manifest) => manifest,
        Err(error) if error.is_eof() => {
            tracing::warn!(path, "a manifest is torn: the one before it counts");
            return Ok(None);
        }
        Err(error) => return Err(damaged(path, &error.to_string())),
    };
    if manifest.version == VERSION {
        return Ok(Some(manifest));
    }
    Err(damaged(path, &format!("format {} is not known", manifest.version)))
}
