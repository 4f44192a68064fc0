//! What a labeler says hides and shows again, whenever the program is there to hear it.

use super::world::{World, followed, views};
use springline_tests::{
    Server,
    atproto::{Account, Labeler, Says, post},
    encode, eventually,
};
use std::time::Duration;

#[test]
fn what_a_labeler_takes_down_is_hidden_until_it_takes_that_back() {
    let (world, labeler) = (World::new(), Labeler::new(40));
    let labels = world.another_stream();
    world.directory.document(labeler.did(), &labeler.document(&labels.url()));
    let mut account = Account::new(1);
    world.directory.publish(&account);
    for seq in 1..=3 {
        world.stream.frame(seq, account.create(&format!("app.bsky.feed.post/{seq}"), &post("a quokka"), seq));
    }
    let moderation = format!(
        "[sources.moderation]\ntype = 'labels'\ndid = '{}'\nsocket.backoff_secs = [1, 1]\n",
        labeler.did()
    );
    let springline = world.follower("follower", "full", &moderation);
    let uri = |seq: u64| format!("{}app.bsky.feed.post/{seq}", account.authority());
    let say = |seq: u64, says: &[Says]| labels.frame(seq, labeler.frame(i64::try_from(seq).unwrap(), says));
    // What is read shows a little later.
    let shows = |server: &Server, wanted: &[u64]| {
        eventually(&format!("{wanted:?} are shown"), Duration::from_secs(30), || {
            let found = server.get("/v1/search?q=quokka").json()["total"].as_u64()?;
            let is_shown =
                |seq: &u64| server.get(&format!("/v1/records?uri={}", encode(&uri(*seq)))).status == 200;
            let shown: Vec<u64> = (1..=3).filter(is_shown).collect();
            (found == wanted.len() as u64 && shown == wanted).then_some(())
        });
    };

    let server = springline.serve_configured();
    followed(&server, &world.stream, 3);
    shows(&server, &[1, 2, 3]);
    say(1, &[Says::of(uri(1), "!takedown", 10), Says::of(uri(2), "spam", 11)]);
    followed(&server, &labels, 1);
    shows(&server, &[2, 3]);
    // Forged: it hides nothing, and is told of.
    let mut other = Labeler::new(40);
    other.rotate(41);
    labels.frame(2, other.frame(2, &[Says::of(uri(3), "!takedown", 12)]));
    eventually("it is refused", Duration::from_secs(30), || {
        let refused = server.get("/v1/quarantine").json();
        refused["items"][0]["reason"].as_str()?.contains("not signed").then_some(())
    });
    shows(&server, &[2, 3]);
    server.kill();
    drop(server); // waits until it is gone

    // Said while nobody listens.
    say(3, &[Says::of(account.did(), "!takedown", 13)]);
    let server = springline.serve_configured();
    followed(&server, &labels, 3);
    shows(&server, &[]);
    // A word that is older than the last one changes nothing.
    say(
        4,
        &[
            Says::of(uri(1), "!takedown", 9).taken_back(),
            Says::of(account.did(), "!takedown", 14).taken_back(),
        ],
    );
    followed(&server, &labels, 4);
    shows(&server, &[2, 3]);
    say(5, &[Says::of(uri(1), "!takedown", 15).taken_back()]);
    followed(&server, &labels, 5);
    shows(&server, &[1, 2, 3]);
    server.stop();
    let asked: Vec<String> =
        labels.asked().iter().map(|asked| asked.rsplit('=').next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["0", "2"], "it goes on where it was");

    let without = world.follower("without", "full", "");
    let server = without.serve_configured();
    followed(&server, &world.stream, 3);
    server.stop();
    assert_eq!(views(&springline), views(&without), "as if nothing had been said");
}
