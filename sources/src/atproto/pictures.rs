//! What a post shows beside its text.

use super::record::{field, list, text};
use ipld_core::ipld::Ipld;

/// The most pictures of a post that are looked at.
const MAX_PICTURES: usize = 100;

/// The longest name of a media type.
const MAX_MEDIA_BYTES: usize = 127;

/// The media type of the first picture or video that a post shows, and what describes them. A card of a page is none.
pub(super) fn of(value: &Ipld) -> Option<(&str, Vec<&str>)> {
    let embed = field(value, "embed")?;
    // Beside a quoted record they lie one deeper.
    let media = field(embed, "media").unwrap_or(embed);
    let images = list(field(media, "images")).iter().map(|item| (item, "image"));
    let shown: Vec<(&Ipld, &str)> = images
        .chain(std::iter::once((media, "video")))
        .filter_map(|(item, name)| {
            let media = field(field(item, name)?, "mimeType").and_then(text)?;
            (media.starts_with(name) && media.len() <= MAX_MEDIA_BYTES).then_some((item, media))
        })
        .take(MAX_PICTURES)
        .collect();
    let (_, first) = *shown.first()?;
    let alts = shown.iter().filter_map(|(item, _)| field(item, "alt").and_then(text));
    Some((first, alts.filter(|alt| !alt.trim().is_empty()).collect()))
}

#[cfg(test)]
mod tests {
    use crate::atproto::{
        json::from_json_text,
        record::{Bridges, Place, read},
    };
    use springline_model::{Record, Timestamp, record::attr};

    fn read_json(json: &str) -> Record {
        let place = Place {
            did: "did:plc:a",
            collection: "app.bsky.feed.post",
            rkey: "3kaaaaaaaaaaa",
            cid: None,
            seen: Timestamp::parse("2026-07-04T14:00:00Z").unwrap(),
        };
        read(&place, &from_json_text(json).unwrap(), &Bridges::default())
    }

    #[test]
    fn a_picture_alone_says_something() {
        let image = |alt: &str| {
            format!(
                r#"{{"image":{{"$type":"blob","ref":{{"$link":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}},"mimeType":"image/png","size":3}},"alt":"{alt}"}}"#
            )
        };
        let images = format!(
            r#"{{"$type":"app.bsky.embed.images","images":[{},{},{}]}}"#,
            image("A heron"),
            image(" "),
            image("Its nest")
        );
        let post = |embed: &str| {
            let json = format!(
                r#"{{"$type":"app.bsky.feed.post","text":"","createdAt":"2026-07-04T13:00:00Z","embed":{embed}}}"#
            );
            read_json(&json)
        };
        let record = post(&images);
        assert_eq!(
            (record.attrs[attr::MEDIA].as_str(), record.attrs[attr::ALT].as_str()),
            ("image/png", "A heron\n\nIts nest")
        );
        assert!(record.has_content() && record.text.is_empty() && record.attrs.contains_key(attr::RECORD));
        let beside = post(&format!(r#"{{"$type":"app.bsky.embed.recordWithMedia","media":{images}}}"#));
        assert_eq!(beside.attrs[attr::ALT], record.attrs[attr::ALT]);
        let video = r#"{"$type":"app.bsky.embed.video","video":{"$type":"blob","ref":{"$link":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"},"mimeType":"video/mp4","size":3}}"#;
        assert_eq!(
            (post(video).attrs[attr::MEDIA].as_str(), post(video).attrs.get(attr::ALT)),
            ("video/mp4", None)
        );
        let card =
            format!(r#"{{"external":{{"uri":"https://example.org/","title":"t","thumb":{}}}}}"#, image("x"));
        assert!(
            !post(&card).has_content() && !post(r#"{"images":[{"alt":"none"}],"video":7}"#).has_content()
        );
    }
}
