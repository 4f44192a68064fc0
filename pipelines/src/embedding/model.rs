//! A sentence model in a folder: tokens, the network, the mean of what it says of them.

use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::Tensor,
};
use parking_lot::Mutex;
use springline_model::Vector;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tokenizers::{Tokenizer, TruncationParams};

/// How much of a text counts, in the model's tokens.
pub(super) const MAX_TOKENS: usize = 256;
/// How much of a text is looked at, in bytes: far more than the tokens that count.
const MAX_BYTES: usize = 16 * 1024;

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// A file of it can't be read.
    #[error("the model needs {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The runtime does not load.
    #[error("ONNX Runtime does not load: {0}")]
    Library(String),
    /// The tokenizer does not load, or fails.
    #[error("the model's tokenizer: {0}")]
    Tokenizer(String),
    /// The network does not load, or fails.
    #[error("the model's network: {0}")]
    Runtime(#[from] ort::Error),
    /// It is no sentence model.
    #[error("the network gives no vector for each token, but {0:?}")]
    Shape(Vec<i64>),
}

/// A model, loaded once for each thread that uses it.
pub struct Model {
    name: String,
    tokenizer: Tokenizer,
    sessions: Vec<Mutex<Session>>,
    has_types: bool,
}

impl Model {
    /// Loads a folder's model, as many times as there are threads.
    ///
    /// # Errors
    /// A file is missing or is not what it should be.
    pub fn open(dir: &Path, threads: usize) -> Result<Self, EmbeddingError> {
        let file = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).map_err(|source| EmbeddingError::File { path, source })
        };
        let library = dir.join("libonnxruntime.so");
        if let Err(source) = fs::metadata(&library) {
            return Err(EmbeddingError::File { path: library, source });
        }
        let (network, tokenizer) = (file("model.onnx")?, file("tokenizer.json")?);
        // Vectors of two models are never compared.
        let mut hash = blake3::Hasher::new();
        hash.update(&network).update(&tokenizer);
        let name = hash.finalize().to_hex()[..12].to_owned();
        let bad = |error: tokenizers::Error| EmbeddingError::Tokenizer(error.to_string());
        let mut tokenizer = Tokenizer::from_bytes(tokenizer).map_err(bad)?;
        let truncation = TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() };
        tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(bad)?;
        let runtime = ort::init_from(&library).map_err(|error| EmbeddingError::Library(error.to_string()))?;
        runtime.commit();
        let load = |_| {
            let builder = Session::builder()?.with_intra_threads(1).map_err(ort::Error::<()>::from)?;
            let mut builder = builder
                .with_optimization_level(GraphOptimizationLevel::Level3)
                .map_err(ort::Error::<()>::from)?;
            builder.commit_from_memory(&network).map(Mutex::new)
        };
        let sessions = (0..threads.max(1)).map(load).collect::<Result<Vec<_>, ort::Error>>()?;
        let has_types = sessions[0].lock().inputs().iter().any(|input| input.name() == "token_type_ids");
        Ok(Self { name, tokenizer, sessions, has_types })
    }

    /// Its name: a hash of its files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many texts it takes at the same time.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.sessions.len()
    }

    /// What a text means; none for a text without words. Waits for a free thread's model.
    ///
    /// # Errors
    /// The model fails.
    pub fn embed(&self, text: &str) -> Result<Option<Vector>, EmbeddingError> {
        let text = &text[..text.floor_char_boundary(MAX_BYTES)];
        if text.trim().is_empty() {
            return Ok(None);
        }
        let bad = |error: tokenizers::Error| EmbeddingError::Tokenizer(error.to_string());
        let encoding = self.tokenizer.encode_fast(text, true).map_err(bad)?;
        let ids: Vec<i64> = encoding.get_ids().iter().map(|id| i64::from(*id)).collect();
        let count = ids.len();
        let tensor = |values: Vec<i64>| Tensor::from_array(([1, count], values));
        let (ids, mask) = (tensor(ids)?, tensor(vec![1; count])?);
        // Any session that is free; else the first that will be.
        let mut session = match self.sessions.iter().find_map(Mutex::try_lock) {
            Some(session) => session,
            None => self.sessions[count % self.sessions.len()].lock(),
        };
        let said = if self.has_types {
            let types = tensor(vec![0; count])?;
            session.run(
                ort::inputs! { "input_ids" => ids, "attention_mask" => mask, "token_type_ids" => types },
            )?
        } else {
            session.run(ort::inputs! { "input_ids" => ids, "attention_mask" => mask })?
        };
        let (shape, values) = said[0].try_extract_tensor::<f32>()?;
        let &[1, tokens, dimensions] = &shape[..] else {
            return Err(EmbeddingError::Shape(shape.to_vec()));
        };
        if usize::try_from(tokens) != Ok(count) || dimensions <= 0 {
            return Err(EmbeddingError::Shape(shape.to_vec()));
        }
        Ok(Vector::of(&self.name, &mean(values, values.len() / count)))
    }
}

/// Of the rows of a matrix.
fn mean(values: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in values.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The model that `make model` has placed, if the tests are told where.
    pub(in crate::embedding) fn model() -> Option<Model> {
        let Some(dir) = std::env::var_os("SPRINGLINE_TEST_MODEL") else {
            eprintln!("skipped: SPRINGLINE_TEST_MODEL names no folder with a model");
            return None;
        };
        Some(Model::open(Path::new(&dir), 2).unwrap())
    }

    #[test]
    fn what_means_the_same_lies_close() {
        let Some(model) = model() else { return };
        let vector = |text: &str| model.embed(text).unwrap().unwrap();
        let a = vector("The app crashes when I upload a photo");
        let b = vector("Uploading a picture makes the application crash");
        let c = vector("How do I change the colour of the sidebar?");
        let (near, far) = (a.product(&b).unwrap(), a.product(&c).unwrap());
        assert!(near > 2 * far && near > 16_129 / 2, "{near} {far}");
        assert_eq!(a, vector("The app crashes when I upload a photo"));
        assert_eq!(model.embed("  ").unwrap(), None);
        assert!(model.embed(&"word \u{0} 🙂 ".repeat(20_000)).unwrap().is_some());
    }

    #[test]
    fn a_folder_without_a_model_says_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let error = Model::open(dir.path(), 1).err().unwrap();
        assert!(error.to_string().contains("libonnxruntime.so"), "{error}");
    }
}
