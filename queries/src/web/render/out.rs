//! Writes HTML that is always well-formed: what every format's renderer writes into.
//!
//! ```text
//!  open("p") ─► text(…) ─► raw_open("b") ─► text(…) ─► close()      <p>…<b>…</b></p>
//! ```
//!
//! Elements come from markup (the renderer opens and closes them in pairs) or from raw HTML in a note, where
//! anything may be missing. Closing a markup element closes the raw ones still open in it; a raw end tag closes
//! only raw elements above the innermost markup element. So a note can't break out of its box, and the parser of
//! the sanitiser never meets the misnested formatting that makes an HTML5 tree grow quadratically.
//!
//! Limits: [`MAX_DEPTH`] open elements (deeper ones are left out, their text stays), [`MAX_BYTES`] of output
//! (the rest is left out, and [`Out::finish`] says so).

use std::fmt::Write;

/// How deep elements nest.
const MAX_DEPTH: usize = 48;

/// How much HTML one note gives before the rest is left out.
const MAX_BYTES: usize = 768 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Markup(&'static str),
    Raw(&'static str),
    /// Too deep: nothing was written.
    Skipped,
}

/// A growing piece of HTML.
pub(super) struct Out {
    html: String,
    open: Vec<Open>,
    written: usize,
    cut: bool,
}

impl Out {
    /// An empty piece that will have about the size of its source.
    pub(super) fn new(source_bytes: usize) -> Self {
        let html = String::with_capacity(source_bytes + source_bytes / 2 + 64);
        Self { html, open: Vec::new(), written: 0, cut: false }
    }

    /// Closes what is open; also whether something was left out.
    pub(super) fn finish(mut self) -> (String, bool) {
        while !self.open.is_empty() {
            self.pop();
        }
        (self.html, self.cut)
    }

    /// Whether the limit is reached: a renderer may stop.
    pub(super) fn is_full(&mut self) -> bool {
        if self.html.len() > MAX_BYTES {
            self.cut = true;
        }
        self.cut
    }

    /// Opens an element of the markup. Values of attributes are escaped here.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        let entry = if self.start(name, attributes) { Open::Markup(name) } else { Open::Skipped };
        self.open.push(entry);
    }

    /// Closes the innermost element of the markup, and the raw ones in it.
    pub(super) fn close(&mut self) {
        while matches!(self.open.last(), Some(Open::Raw(_))) {
            self.pop();
        }
        self.pop();
    }

    /// How many elements are open: for [`Out::close_to`].
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Closes everything opened since there were `depth`.
    pub(super) fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            self.pop();
        }
    }

    /// Opens an element that raw HTML asks for.
    pub(super) fn raw_open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        if self.start(name, attributes) {
            self.open.push(Open::Raw(name));
        }
    }

    /// Closes an element that raw HTML opened; ignored if there is none.
    pub(super) fn raw_close(&mut self, name: &'static str) {
        let raw = self.open.iter().rev().take_while(|open| matches!(open, Open::Raw(_)));
        let Some(above) = raw.clone().position(|open| *open == Open::Raw(name)) else { return };
        self.close_to(self.open.len() - above - 1);
    }

    /// Whether an element of this name is open.
    pub(super) fn is_in(&self, name: &str) -> bool {
        self.open.iter().any(|open| matches!(open, Open::Markup(open) | Open::Raw(open) if *open == name))
    }

    /// An element with no content.
    pub(super) fn void(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        if self.start(name, attributes) {
            self.written -= 1;
        }
    }

    /// Escaped text.
    pub(super) fn text(&mut self, text: &str) {
        if self.is_full() {
            return;
        }
        escape(&mut self.html, text);
    }

    /// A line break in the source, for people who read it.
    pub(super) fn newline(&mut self) {
        if !self.is_full() {
            self.html.push('\n');
        }
    }

    /// Writes a start tag if there is room.
    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> bool {
        if self.written >= MAX_DEPTH || self.is_full() {
            return false;
        }
        self.written += 1;
        self.html.push('<');
        self.html.push_str(name);
        for (attribute, value) in attributes {
            let _infallible = write!(self.html, " {attribute}=\"");
            escape(&mut self.html, value);
            self.html.push('"');
        }
        self.html.push('>');
        true
    }

    fn pop(&mut self) {
        if let Some(Open::Markup(name) | Open::Raw(name)) = self.open.pop() {
            self.written -= 1;
            let _infallible = write!(self.html, "</{name}>");
        }
    }
}

/// Appends text so that it stays text, in an element and in an attribute. NULs become U+FFFD, as HTML has it.
fn escape(html: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\0']) {
        html.push_str(&rest[..at]);
        html.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "\u{FFFD}",
        });
        rest = &rest[at + 1..];
    }
    html.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_elements_stay_in_their_box() {
        let mut out = Out::new(0);
        out.open("p", &[]);
        out.raw_open("b", &[]);
        out.raw_open("i", &[]);
        out.raw_close("b");
        out.raw_close("p");
        out.raw_open("u", &[("title", "\"<")]);
        out.text("x<");
        out.close();
        out.raw_close("u");
        assert_eq!(out.finish().0, "<p><b><i></i></b><u title=\"&quot;&lt;\">x&lt;</u></p>");
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let mut out = Out::new(0);
        for _ in 0..1000 {
            out.open("em", &[]);
        }
        out.text("deep");
        out.void("br", &[]);
        let (html, cut) = out.finish();
        assert_eq!(
            (html.matches("<em>").count(), html.matches("</em>").count(), cut),
            (MAX_DEPTH, MAX_DEPTH, false)
        );
        assert!(html.contains("deep"));

        let mut out = Out::new(0);
        for _ in 0..MAX_BYTES {
            out.open("p", &[]);
            out.text("12345678");
            out.close();
        }
        let (html, cut) = out.finish();
        assert!(cut && html.len() < MAX_BYTES + 64 && html.ends_with("</p>"));
    }
}
