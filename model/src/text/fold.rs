//! Folding: what is the same letter for search.

use unicode_normalization::{
    UnicodeNormalization,
    char::{decompose_compatible, is_combining_mark},
};

/// Appends the folded form of a run of word characters. May append nothing: a run of accents alone.
pub(super) fn fold(run: &str, out: &mut String) {
    let start = out.len();
    let mut decomposed = false;
    for c in run.chars() {
        match c {
            'a'..='z' | '0'..='9' | 'а'..='я' => out.push(c),
            'A'..='Z' => out.push(c.to_ascii_lowercase()),
            // Letters that NFKD and lower case leave as they are, or that it would take apart only for NFC to
            // put together again: kana, Han, hangul syllables, Arabic letters without hamza or madda.
            'ぁ'..='ゖ'
            | 'ァ'..='ヺ'
            | 'ー'
            | '\u{3400}'..='\u{4DBF}'
            | '\u{4E00}'..='\u{9FFF}'
            | '가'..='힣'
            | '\u{0627}'..='\u{063A}'
            | '\u{0641}'..='\u{064A}' => out.push(c),
            _ => decompose_compatible(c, |part| {
                for lower in part.to_lowercase() {
                    decomposed |= fold_part(lower, out, start);
                }
            }),
        }
    }
    if decomposed {
        let composed: String = out[start..].nfc().collect();
        out.truncate(start);
        out.push_str(&composed);
    }
}

/// Appends one character of a decomposition; whether there may be something to compose now.
fn fold_part(c: char, out: &mut String, start: usize) -> bool {
    match c {
        'ß' => out.push_str("ss"),
        'æ' => out.push_str("ae"),
        'œ' => out.push_str("oe"),
        'þ' => out.push_str("th"),
        'ø' => out.push('o'),
        'ł' => out.push('l'),
        'đ' | 'ð' => out.push('d'),
        'ı' => out.push('i'),
        'ς' => out.push('σ'),
        '\u{0306}' if out[start..].ends_with('и') => {
            out.push(c);
            return true;
        }
        _ if is_dropped(c) => {}
        _ if is_combining_mark(c) || is_jamo(c) => {
            out.push(c);
            return true;
        }
        _ if c.is_alphanumeric() => out.push(c),
        // What a compatibility form brings along: the slash of ½, the brackets of ⑴.
        _ => {}
    }
    false
}

/// Marks that searchers leave out: accents, Arabic and Hebrew points, variation selectors, joiners.
const fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0487}' | '\u{0591}'..='\u{05C7}' | '\u{0610}'..='\u{061A}'
        | '\u{0640}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{06D6}'..='\u{06ED}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{200C}' | '\u{200D}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FE20}'..='\u{FE2F}' | '\u{E0100}'..='\u{E01EF}')
}

/// The parts of hangul syllables.
const fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}')
}

/// Whether it belongs to a word: letters, digits, their marks, and the joiners inside of words.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '\u{200C}' | '\u{200D}')
}

/// Whether it belongs to a script that does not put spaces between words.
pub(super) const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'      // Thai, Lao
        | '\u{1000}'..='\u{109F}'    // Burmese
        | '\u{1100}'..='\u{11FF}'    // hangul parts
        | '\u{1780}'..='\u{17FF}'    // Khmer
        | '\u{1950}'..='\u{19FF}' | '\u{1A20}'..='\u{1AAF}' // Tai Le, New Tai Lue, Khmer symbols, Tai Tham
        | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{3035}' | '\u{303B}'..='\u{303C}'
        | '\u{3040}'..='\u{318F}'    // kana, Bopomofo, hangul parts
        | '\u{31A0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{A960}'..='\u{A97F}' | '\u{A9E0}'..='\u{A9FF}' | '\u{AA60}'..='\u{AADF}' // Burmese, Tai Viet
        | '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FFDC}'
        | '\u{1B000}'..='\u{1B16F}' | '\u{20000}'..='\u{3FFFF}')
}
