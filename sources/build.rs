//! Packs the files of `lexicons/` into one deflated JSON array, which the program carries.

use flate2::{Compression, write::DeflateEncoder};
use std::{
    env, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=lexicons");
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let mut files = Vec::new();
    collect(&variable("CARGO_MANIFEST_DIR")?.join("lexicons"), &mut files)?;
    // The same bytes on every machine.
    files.sort();
    let packed = fs::File::create(variable("OUT_DIR")?.join("lexicons.json.deflate"))?;
    let mut packed = DeflateEncoder::new(packed, Compression::best());
    for (place, file) in files.iter().enumerate() {
        packed.write_all(if place == 0 { b"[" } else { b"," })?;
        packed.write_all(&fs::read(file)?)?;
    }
    packed.write_all(b"]")?;
    packed.finish()?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}
