//! Who an account of the network is.

use super::{
    counts::{self, AccountCounts},
    list, names,
    posts::{self, LabelShown},
    records,
    shape::{Tid, Time},
};
use crate::{
    answer::Reading,
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use springline_model::{
    AccountStatus, Identity, Uri,
    record::attr,
    rows::{AccountRow, AuthorRow, RepoRow},
};
use springline_sinks::Snapshot;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Network");
    routes.view("/v1/actors/{who}", actor).may(Kind::NotFound);
}

/// Who an account is: its handle, its profile, what is said of it and how much there is of it.
///
/// An account that is hidden is a 404 that says why: `takendown`, `suspended`, `deactivated`, `deleted` or `inactive` (its
/// host says so), `labelled` (a label takes it down) or `hidden` (this server's operator does).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActorParams {
    /// A handle or a DID.
    who: String,
}

/// An account.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Actor {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// Its identity.
    #[schemars(with = "String")]
    pub did: Uri,
    /// Its handle, if it is known and leads back to the DID.
    pub handle: Option<String>,
    /// The host of its repository.
    pub pds: Option<String>,
    /// When handle and host were looked up.
    pub resolved: Option<Time>,
    /// Whether its host shows it: `active`.
    pub hosting: String,
    /// The newest version of its repository that was seen.
    pub rev: Option<Tid>,
    /// Whether versions were missed, so that it has to be fetched as a whole.
    pub desynchronized: bool,
    /// What it says of itself, if that is here.
    pub profile: Option<Profile>,
    /// How much there is of it.
    pub counts: AccountCounts,
    /// Labels in force on it.
    pub labels: Vec<LabelShown>,
}

/// What an account says of itself.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The name that it goes by.
    pub display_name: Option<String>,
    /// About itself.
    pub description: Option<String>,
    /// The CID of its picture.
    pub avatar: Option<String>,
    /// The CID of the picture above.
    pub banner: Option<String>,
}

fn actor(reading: &Reading<'_>, params: ActorParams) -> Result<Actor, Problem> {
    let snapshot = reading.snapshot;
    let did = names::person(snapshot, "who", &params.who)?;
    let asked = names::shown(did.as_str());
    if did.scheme() != "did" {
        return Err(Problem::not_found(format!("`{asked}` is no account: give a handle or a DID")));
    }
    let key = list::key(&[did.as_str()]);
    let authority = format!("at://{did}/");
    let identity = names::identity(snapshot, &did)?;
    let repo: Option<RepoRow> = snapshot.get(&list::key(&[&authority]))?;
    if let Some(why) = hidden(snapshot, &authority, repo.as_ref())? {
        return Err(Problem::not_found(format!("`{asked}` is not shown: {why}")));
    }
    if identity.is_none() && repo.is_none() && snapshot.get::<AuthorRow>(&key)?.is_none() {
        return Err(Problem::not_found(format!("this server has not seen `{asked}`")));
    }
    // Looked up for the next time, if it is to be shown.
    let (handle, pds, resolved) = reading.identity(&did)?.map_or((None, None, None), |identity| {
        let Identity { handle, pds, at, .. } = identity;
        (handle, pds, Some(Time(at)))
    });
    Ok(Actor {
        epoch: snapshot.epoch().0,
        handle,
        pds,
        resolved,
        hosting: repo.as_ref().map(|repo| repo.hosting).unwrap_or_default().name().to_owned(),
        rev: repo.as_ref().filter(|repo| repo.rev.0 > 0).map(|repo| Tid(repo.rev)),
        desynchronized: repo.is_some_and(|repo| repo.desynchronized.is_some()),
        profile: profile(snapshot, &did)?,
        counts: counts::of_account(snapshot, &did)?,
        labels: posts::labels(snapshot, &did, None)?,
        did,
    })
}

/// Why an account is not shown, if it is not.
fn hidden(
    snapshot: &Snapshot<'_>,
    authority: &str,
    repo: Option<&RepoRow>,
) -> Result<Option<&'static str>, Problem> {
    let account: Option<AccountRow> = snapshot.get(&list::key(&[authority]))?;
    if account.is_some_and(|account| account.status != AccountStatus::Active) {
        return Ok(Some("hidden"));
    }
    Ok(match repo {
        Some(repo) if !repo.hosting.is_visible() => Some(repo.hosting.name()),
        Some(repo) if !repo.is_visible() => Some("labelled"),
        _ => None,
    })
}

fn profile(snapshot: &Snapshot<'_>, did: &Uri) -> Result<Option<Profile>, Problem> {
    let uri = Uri::new(format!("at://{did}/app.bsky.actor.profile/self"));
    let Some(row) = records::visible(snapshot, &uri)? else { return Ok(None) };
    let json = row.record.attrs.get(attr::RECORD).and_then(|json| serde_json::from_str(json).ok());
    let json: Value = json.unwrap_or_default();
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let blob = |name: &str| json[name]["ref"]["$link"].as_str().map(str::to_owned);
    Ok(Some(Profile {
        display_name: text("displayName"),
        description: text("description"),
        avatar: blob("avatar"),
        banner: blob("banner"),
    }))
}
