//! What the texts mean, made once: embedding them takes minutes, so the vectors are kept in a file, a line a text.

use anyhow::Context;
use springline_model::{Vector, record::attr};
use springline_operators::Visible;
use springline_pipelines::embedding::Model;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// Texts embedded before they are written down.
const BATCH: usize = 1_024;

/// A model, and the vectors that it has made.
pub(super) struct Meanings {
    model: Model,
    file: PathBuf,
    known: HashMap<String, Vector>,
}

impl Meanings {
    /// Loads a folder's model, and what is kept of it.
    pub(super) fn open(model: &Path, file: &Path) -> anyhow::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let model = Model::open(model, threads)?;
        let kept = match fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            kept => kept.with_context(|| format!("reading {}", file.display()))?,
        };
        // The last line may be cut short: then it is no vector.
        let known = kept.lines().filter_map(|line| {
            let (vector, text) = line.split_once(' ')?;
            let vector = Vector::parse(vector).filter(|vector| *vector.model == *model.name())?;
            Some((serde_json::from_str(text).ok()?, vector))
        });
        let known = known.collect();
        Ok(Self { model, file: file.to_owned(), known })
    }

    /// What texts mean; nothing for those without words.
    pub(super) fn of(&mut self, texts: &[String]) -> anyhow::Result<Vec<Option<Vector>>> {
        let mut new: Vec<&String> = texts.iter().filter(|text| !self.known.contains_key(*text)).collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            let started = Instant::now();
            let file = File::options().create(true).append(true).open(&self.file);
            let mut file = BufWriter::new(file.with_context(|| format!("writing {}", self.file.display()))?);
            for batch in new.chunks(BATCH) {
                for (text, vector) in self.embed(batch)? {
                    writeln!(file, "{vector} {}", serde_json::to_string(&text)?)?;
                    self.known.insert(text, vector);
                }
                file.flush()?;
            }
            let rate = new.len() as f64 / started.elapsed().as_secs_f64();
            eprintln!("{} texts embedded, {rate:.0} a second", new.len());
        }
        Ok(texts.iter().map(|text| self.known.get(text).cloned()).collect())
    }

    /// Gives records their vectors.
    pub(super) fn give(&mut self, records: &mut [Visible]) -> anyhow::Result<()> {
        let titles: Vec<String> = records.iter().map(|visible| visible.record.title.clone()).collect();
        for (visible, vector) in records.iter_mut().zip(self.of(&titles)?) {
            let record = Arc::make_mut(&mut visible.record);
            record.attrs.extend(vector.map(|vector| (attr::VECTOR.to_owned(), vector.to_string())));
        }
        Ok(())
    }

    fn embed(&self, texts: &[&String]) -> anyhow::Result<Vec<(String, Vector)>> {
        let share = texts.len().div_ceil(self.model.threads()).max(1);
        let one = |text: &&String| Ok(self.model.embed(text)?.map(|vector| ((*text).clone(), vector)));
        std::thread::scope(|scope| {
            let parts = texts.chunks(share).map(|texts| {
                scope.spawn(move || texts.iter().filter_map(|text| one(text).transpose()).collect())
            });
            let parts: Vec<_> = parts.collect();
            let mut made = Vec::new();
            for part in parts {
                let part: anyhow::Result<Vec<_>> =
                    part.join().map_err(|_| anyhow::anyhow!("embedding has failed"))?;
                made.extend(part?);
            }
            Ok(made)
        })
    }
}
