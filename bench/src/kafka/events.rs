//! Small events, as lines of the log's form: notes that link to each other. The same each time.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// Writers of the notes.
const AUTHORS: u32 = 1_000;

/// Writes so many of them: how many bytes.
pub(super) fn write(path: &Path, count: u32) -> io::Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..count {
        let author = number % AUTHORS;
        // Spread over all that came before, as links are.
        let target = number.wrapping_mul(2_654_435_761) % (number + 1);
        let at = 1_767_225_600_000 + u64::from(number);
        let text = format!("word{} as [[note {target}]] has it", number % 5_000);
        let (from, to) = (text.find('[').unwrap_or(0), text.rfind(']').map_or(0, |last| last + 1));
        writeln!(
            file,
            "{{\"v\":1,\"source\":\"bench\",\"observed\":{at},\"body\":{{\"put\":{{\"rev\":{number},\"record\":{{\
             \"uri\":\"garden://user{author}/note {number}.md\",\"kind\":\"note\",\"author\":\"user:user{author}\",\
             \"node\":\"note-{number}\",\"title\":\"note {number}\",\"text\":\"{text}\",\
             \"langs\":[],\"tags\":[],\"at\":{at},\"links\":[{{\"path\":\"wikilink\",\"context\":\"prose\",\
             \"target\":\"node:note-{target}\",\"span\":{{\"start\":{from},\"end\":{to}}},\"label\":null,\
             \"fragment\":null}}],\"attrs\":{{}}}}}}}}}}",
        )?;
    }
    file.into_inner()?.metadata().map(|data| data.len())
}
