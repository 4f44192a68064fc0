//! One note of each format, with everything in it.

use super::{
    super::{Format, MAX_TEXT_BYTES, Refused, wanted},
    note, targets,
};
use springline_model::{Context, LinkPath, Record, record::attr};

/// `path context target label#fragment span` for each link.
fn shown(record: &Record) -> Vec<String> {
    let links = record.links.iter();
    let shown = links.map(|link| {
        let label = link.label.as_deref().map(|label| format!(" ({label})")).unwrap_or_default();
        let fragment = link.fragment.as_deref().map(|fragment| format!(" #{fragment}")).unwrap_or_default();
        let context = match link.context {
            Context::Prose => "",
            Context::Code => " in code",
            Context::Comment => " in a comment",
        };
        format!("{} {}{label}{fragment}{context} <{}>", link.path, link.target, link.span.of(&record.text))
    });
    shown.collect()
}

#[test]
fn markdown() {
    let record = note(
        "a/My Note.md",
        "---\ntags: [One]\naliases: mine\n---\n\n# The [[title|x]] `y`\n\
         [[foo#bar|baz]] ![[pic.png]] [[@bob/thing]] #Two #[[three four]]\n\
         [l *b*](../Some%20File.md#h) ![alt](img/a.png) <https://auto.org> <m@x.org> [u](https://u.org/#x)\n\n\
         [doc]: https://ref.org\n\n[ref][doc] [[doc]] https://bare.org.\n\n\
         `[[code]] #no https://c.org`\n\n    [[indented]]\n\n```\n[[fenced]] <!-- [[f2]] -->\n```\n\n\
         a <!-- [[hidden]] `[[both]]` --> [[shown]]\n",
    );
    assert_eq!(record.uri.as_str(), "garden://alice/a/My Note.md");
    assert_eq!(record.author.as_str(), "user:alice");
    assert_eq!(record.node.as_ref().unwrap().as_str(), "my note");
    assert_eq!(record.title, "The title|x y");
    assert_eq!(record.tags, ["one", "three four", "two"]);
    assert_eq!(record.kind, "note");
    assert_eq!(record.attrs[attr::PATH], "garden/alice/a/My Note.md");
    assert_eq!(record.attrs[attr::RELATIVE], "a/My Note.md");
    assert_eq!(record.attrs[attr::FORMAT], "markdown");
    assert_eq!(record.attrs[attr::BYTES], record.text.len().to_string());
    assert!(!record.attrs.contains_key(attr::PARTIAL));
    assert_eq!(
        shown(&record),
        [
            "tag tag:one <One>",
            "alias node:mine <mine>",
            "wikilink node:title (x) <[[title|x]]>",
            "agora node:title|x <[[title|x]]>",
            "wikilink node:foo (baz) #bar <[[foo#bar|baz]]>",
            "agora node:foo#bar|baz <[[foo#bar|baz]]>",
            "embed node:pic png <![[pic.png]]>",
            "wikilink node:pic png <[[pic.png]]>",
            "wikilink node:@bob/thing <[[@bob/thing]]>",
            "mention user:bob <[[@bob/thing]]>",
            "hashtag tag:two <#Two>",
            "hashtag tag:three four <#[[three four]]>",
            "wikilink node:three four <[[three four]]>",
            "markdown node:some file (l *b*) #h <[l *b*](../Some%20File.md#h)>",
            "embed node:a (alt) <![alt](img/a.png)>",
            "url https://auto.org <<https://auto.org>>",
            "url mailto:m@x.org <<m@x.org>>",
            "url https://u.org/#x (u) <[u](https://u.org/#x)>",
            "url https://ref.org <https://ref.org>",
            "url https://ref.org (ref) <[ref][doc]>",
            "wikilink node:doc <[[doc]]>",
            "url https://bare.org <https://bare.org>",
            "wikilink node:code in code <[[code]]>",
            "url https://c.org in code <https://c.org>",
            "wikilink node:indented in code <[[indented]]>",
            "wikilink node:fenced in code <[[fenced]]>",
            "wikilink node:f2 in code <[[f2]]>",
            "wikilink node:hidden in a comment <[[hidden]]>",
            "wikilink node:both in a comment <[[both]]>",
            "wikilink node:shown <[[shown]]>",
        ]
    );
}

#[test]
fn org() {
    let record = note(
        "x.org",
        "#+TITLE: An *org* note\n#+filetags: :Work:\n* TODO Head [[a]] :tag1:\n# [[comment]]\n: [[fixed]]\n\
         =[[verb]]= and ~[[code]]~ but a=[[b]]=c\n#+begin_src sh\n* [[src]]\n#+end_src\n#+BEGIN_COMMENT\n[[c2]]\n#+END_COMMENT\n\
         [[https://x.org/a][label]] [[file:../notes/My%20File.org::*H][f]] [[id:12][i]] [[https://y.org]]\n\
         - [[push]] [[t]]\n  more\n",
    );
    assert_eq!(record.title, "An *org* note");
    assert_eq!(record.tags, ["tag1", "work"]);
    assert_eq!(
        shown(&record),
        [
            "tag tag:work <#+filetags: :Work:>",
            "tag tag:tag1 <* TODO Head [[a]] :tag1:>",
            "wikilink node:a <[[a]]>",
            "wikilink node:comment in a comment <[[comment]]>",
            "wikilink node:fixed in code <[[fixed]]>",
            "wikilink node:verb in code <[[verb]]>",
            "wikilink node:code in code <[[code]]>",
            "wikilink node:b <[[b]]>",
            "wikilink node:src in code <[[src]]>",
            "wikilink node:c2 in a comment <[[c2]]>",
            "url https://x.org/a (label) <[[https://x.org/a][label]]>",
            "markdown node:my file (f) <[[file:../notes/My%20File.org::*H][f]]>",
            "wikilink node:https //y org <[[https://y.org]]>",
            "url https://y.org <[[https://y.org]]>",
            "push node:t <- [[push]] [[t]]\n  more>",
            "wikilink node:push <[[push]]>",
            "wikilink node:t <[[t]]>",
        ]
    );
    assert_eq!(note("y.org", "text\n* DONE The head :a:\n").title, "The head");
}

#[test]
fn myco() {
    let record = note(
        "x.myco",
        "= Big heading\n=> other page | label\n=> https://x.org see\n<= ./sub/quote\n[[a | b]] `[[c]]`\n```\n[[d]]\n```\n",
    );
    assert_eq!(record.title, "Big heading");
    assert_eq!(
        shown(&record),
        [
            "markdown node:other page (label) <=> other page | label>",
            "url https://x.org (see) <=> https://x.org see>",
            "embed node:quote <<= ./sub/quote>",
            "wikilink node:a (b) <[[a | b]]>",
            "agora node:a | b <[[a | b]]>",
            "wikilink node:c in code <[[c]]>",
            "wikilink node:d in code <[[d]]>",
        ]
    );
}

#[test]
fn python_and_images() {
    let record = note("bin/calc.py", "# see [[calc]], #tag, #push [[x]], https://x.org\nprint(1)\n");
    assert_eq!((record.title.as_str(), record.kind.as_str()), ("calc", "note"));
    assert_eq!(
        shown(&record),
        [
            "wikilink node:calc in code <[[calc]]>",
            "wikilink node:x in code <[[x]]>",
            "url https://x.org in code <https://x.org>",
        ]
    );
    let record = note("img/Big Tree.JPG", b"\xFF\xD8\0[[x]]");
    assert_eq!(
        (record.title.as_str(), record.kind.as_str(), record.text.as_str()),
        ("Big Tree", "image", "")
    );
    assert_eq!(record.attrs[attr::MEDIA], "image/jpeg");
    assert_eq!(record.attrs[attr::BYTES], "8");
    assert_eq!(record.node.unwrap().as_str(), "big tree");
    assert!(record.links.is_empty());
}

#[test]
fn directives() {
    let record = note(
        "n.md",
        "- [[go]] https://a.org, or [[x]]\n- #go [b](https://b.org/c).\n- [[go]] in [[foo]]\n- [[foo]] foo.example/x\n\
         - [[go]] as a button\n- [[a]] then [[t|label]]: text\n  - child\n\n- next [[u]]!\n- #push [[v]] and [[w]]\n\
         - #meet meet.org/x\n#meet https://no.org\n`[[pull]] [[p]]`\n",
    );
    assert_eq!(
        targets(&record, LinkPath::GO),
        ["https://a.org", "https://b.org/c", "foo", "https://foo.example/x"]
    );
    assert_eq!(targets(&record, LinkPath::PUSH), ["t", "u", "v", "w"]);
    assert_eq!(targets(&record, LinkPath::MEET), ["https://meet.org/x"]);
    let push = record.links.iter().find(|link| link.path.as_str() == LinkPath::PUSH).unwrap();
    assert_eq!(push.span.of(&record.text), "- [[a]] then [[t|label]]: text\n  - child");
    let pull = record.links.iter().find(|link| link.path.as_str() == LinkPath::PULL).unwrap();
    assert_eq!((pull.context, pull.span.of(&record.text)), (Context::Code, "[[p]]"));
}

#[test]
fn what_is_read() {
    for (path, format) in [
        ("a/b.md", Some(Format::Markdown)),
        ("B.MARKDOWN", Some(Format::Markdown)),
        ("x.org", Some(Format::Org)),
        ("x.myco", Some(Format::Myco)),
        ("x.py", Some(Format::Python)),
        ("x.svg", Some(Format::Image { media: "image/svg+xml" })),
        (".x.md", None),
        (".git/x.md", None),
        ("a/.obsidian/x.md", None),
        ("x.md~", None),
        ("md", None),
        ("x.txt", None),
        ("", None),
    ] {
        assert_eq!(wanted(path), format, "{path}");
    }
}

#[test]
fn what_is_refused_says_why() {
    use super::super::{FileFacts, MAX_FILE_BYTES, Place, read};
    let facts = |relative| FileFacts {
        place: Place::Root,
        relative,
        at: springline_model::Timestamp(0),
        commit: Some("c0ffee"),
        committer: Some("Alice"),
    };
    assert_eq!(read(&facts("x.txt"), b""), Err(Refused::Unwanted));
    assert_eq!(
        read(&facts("x.md"), &vec![b'x'; MAX_FILE_BYTES + 1]),
        Err(Refused::TooLarge { bytes: MAX_FILE_BYTES + 1 })
    );
    let long = "x".repeat(9000) + ".md";
    assert_eq!(read(&facts(&long), b""), Err(Refused::PathTooLong { bytes: 9003 }));
    let record = read(&facts("x.md"), b"").unwrap();
    assert_eq!(
        (record.attrs[attr::COMMIT].as_str(), record.attrs[attr::COMMITTER].as_str()),
        ("c0ffee", "Alice")
    );
    assert_eq!(record.title, "x");
    assert_eq!(note("4000.md", vec![b'y'; MAX_TEXT_BYTES]).attrs.get(attr::PARTIAL), None);
}
