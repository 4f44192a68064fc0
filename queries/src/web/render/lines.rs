//! What the renderers that read line by line share: one paragraph, one stack of lists, one table at a time.

use super::{
    inline::{self, Style},
    out::Out,
};

/// Blocks being written.
pub(super) struct Blocks<'o> {
    pub(super) out: &'o mut Out,
    style: Style,
    in_paragraph: bool,
    in_table: bool,
    /// Indentation, name and depth of the output of each open list; each has one open item.
    lists: Vec<(usize, &'static str, usize)>,
}

impl<'o> Blocks<'o> {
    pub(super) fn new(out: &'o mut Out, style: Style) -> Self {
        Self { out, style, in_paragraph: false, in_table: false, lists: Vec::new() }
    }

    /// Running text.
    pub(super) fn inline(&mut self, text: &str) {
        inline::write(self.out, text, self.style);
    }

    /// A line of running text: opens or continues a paragraph, or the item above if it is indented below it.
    pub(super) fn paragraph_line(&mut self, line: &str, indent: usize) {
        self.close_table();
        if !self.in_paragraph {
            self.close_lists(indent);
            if self.lists.is_empty() {
                self.out.open("p", &[]);
                self.in_paragraph = true;
            }
        }
        self.inline(line.trim());
        self.out.newline();
    }

    /// A line of a list: opens lists that are deeper, closes those that are not.
    pub(super) fn item(&mut self, indent: usize, name: &'static str, text: &str) {
        self.close_paragraph();
        self.close_table();
        self.close_lists(indent + 1);
        match self.lists.last() {
            Some((open, open_name, _)) if *open == indent && *open_name == name => self.out.close(),
            Some((open, ..)) if *open == indent => {
                self.close_lists(indent);
                self.open_list(indent, name);
            }
            _ => self.open_list(indent, name),
        }
        self.out.open("li", &[]);
        self.inline(text);
        self.out.newline();
    }

    fn open_list(&mut self, indent: usize, name: &'static str) {
        self.lists.push((indent, name, self.out.depth()));
        self.out.open(name, &[]);
    }

    /// A row of a table.
    pub(super) fn row<'c>(&mut self, cells: impl Iterator<Item = &'c str>) {
        if !self.in_table {
            self.close_all();
            self.out.open("div", &[("class", "scroll")]);
            self.out.open("table", &[]);
            self.out.open("tbody", &[]);
            self.in_table = true;
        }
        self.out.open("tr", &[]);
        for cell in cells {
            self.out.open("td", &[]);
            self.inline(cell.trim());
            self.out.close();
        }
        self.out.close();
    }

    /// Text as it is, in a box.
    pub(super) fn verbatim<'l>(&mut self, lines: impl Iterator<Item = &'l str>) {
        self.close_all();
        self.out.open("pre", &[]);
        self.out.open("code", &[]);
        for line in lines {
            self.out.text(line);
            self.out.newline();
        }
        self.out.close();
        self.out.close();
    }

    /// An empty line: ends the paragraph and the table; a list goes on if its next item follows.
    pub(super) fn blank(&mut self) {
        self.close_paragraph();
        self.close_table();
    }

    /// Ends everything that lines can continue.
    pub(super) fn close_all(&mut self) {
        self.close_paragraph();
        self.close_table();
        self.close_lists(0);
    }

    fn close_paragraph(&mut self) {
        if std::mem::take(&mut self.in_paragraph) {
            self.out.close();
        }
    }

    fn close_table(&mut self) {
        if std::mem::take(&mut self.in_table) {
            for _ in 0..3 {
                self.out.close();
            }
        }
    }

    /// Closes the lists indented at least so far.
    fn close_lists(&mut self, indent: usize) {
        while let Some((_, _, depth)) = self.lists.pop_if(|(open, ..)| *open >= indent) {
            self.out.close_to(depth);
        }
    }
}

/// How far a line is indented, in columns (a tab counts as one: only the order of the depths matters).
pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
