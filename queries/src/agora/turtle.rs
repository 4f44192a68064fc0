//! A node and its neighbours as RDF, in Turtle: `<…/foo> a:links <…/bar> .`

use super::graph::{Neighbours, NodeParams};
use crate::{
    answer::{Document, Reading},
    problem::Problem,
    web::links,
};
use springline_model::NodeName;
use std::fmt::Write;

/// The media type of Turtle.
pub(super) const MEDIA: &str = "text/turtle; charset=utf-8";

/// A node and its neighbours as RDF: who links, pushes and pulls.
pub(super) fn node(reading: &Reading<'_>, params: NodeParams) -> Result<Document, Problem> {
    let around = Neighbours::read(reading, &params.node)?;
    let around = around.ok_or_else(|| Problem::not_found("there is no such node"))?;
    Ok(Document::new(MEDIA, turtle(reading.base_url, &around)))
}

fn turtle(base: &str, around: &Neighbours) -> String {
    // Percent-encoded paths and our own address: nothing in them can end an IRI early.
    let iri = |node: &NodeName| format!("<{base}/{}>", links::slug(node));
    let this = iri(&around.name);
    let mut text = format!("@prefix a: <{base}/> .\n\n");
    let mut say = |subject: &str, verb: &str, object: &str| {
        let _infallible = writeln!(text, "{subject} a:{verb} {object} .");
    };
    for node in &around.back {
        say(&iri(node), "links", &this);
    }
    for node in &around.forward {
        say(&this, "links", &iri(node));
    }
    for node in &around.pushing {
        say(&iri(node), "pushes", &this);
    }
    for node in &around.pulling {
        say(&iri(node), "pulls", &this);
    }
    text
}
