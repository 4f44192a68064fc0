//! Jobs against a board that a person would keep: one card a job, one event after the other.

use super::*;
use springline_model::{
    ClusterId, Job, JobEvent, JobId, JobState,
    job::{
        Act, Ending, FixState, Fixing, JobDeed, KEPT_JOBS, Lease, LogFrom, Mark, Opening, Outcome, Report,
        RunnerId, TokenHash,
    },
    rows::{ClusterJobRow, ClusterStateRow, JobLogRow, JobQueueRow, JobRow},
};

const LOG_BYTES: u64 = 5;
const RETRIES: u32 = 1;

#[derive(Clone)]
struct Card {
    job: Job,
    said: Vec<(Timestamp, LogFrom, String)>,
}

/// What is written of a cluster.
#[derive(Clone, Default)]
struct Board {
    cards: Vec<Card>,
    opened: u32,
    mark: Option<(Mark, u32)>,
    refused: u64,
}

#[derive(Clone, Default)]
struct World(BTreeMap<ClusterId, Board>);

impl World {
    fn hear(&mut self, event: &JobEvent) {
        let elsewhere = |id: &JobId| {
            self.0
                .iter()
                .any(|(of, board)| *of != event.cluster && board.cards.iter().any(|card| card.job.id == *id))
        };
        let taken = matches!(&event.deed, JobDeed::Job(id, Act::Open(_)) if elsewhere(id));
        let board = self.0.entry(event.cluster.clone()).or_default();
        if taken || !board.hear(event) {
            board.refused += 1;
        }
    }

    fn words(&self) -> BTreeSet<Word> {
        self.0.iter().flat_map(|(cluster, board)| board.rows(cluster)).map(Word::Row).collect()
    }
}

impl Board {
    /// Whether it may happen; if so, it has.
    fn hear(&mut self, event: &JobEvent) -> bool {
        let at = event.at;
        let is_busy =
            self.cards.iter().any(|card| matches!(card.job.state, JobState::Pending | JobState::Running));
        let (id, act) = match &event.deed {
            JobDeed::Mark(_) if is_busy => return false,
            JobDeed::Mark(mark) => {
                self.mark = Some((*mark, self.opened));
                return true;
            }
            JobDeed::Job(id, act) => (*id, act),
        };
        if let Act::Open(order) = act {
            if is_busy || self.cards.iter().any(|card| card.job.id == id) {
                return false;
            }
            self.opened += 1;
            let job = Job {
                id,
                cluster: event.cluster.clone(),
                ordinal: self.opened,
                agent: order.agent.clone(),
                state: JobState::Pending,
                created: at,
                updated: at,
                retries: RETRIES,
                lost: 0,
                lease: None,
                started: None,
                progress: None,
                branch: None,
                pr_url: None,
                reason: None,
                max_log_bytes: LOG_BYTES,
                log_bytes: 0,
                log_rows: 0,
                truncated: false,
            };
            self.cards.push(Card { job, said: vec![(at, LogFrom::Given, order.snapshot.clone())] });
            if self.cards.len() > KEPT_JOBS {
                self.cards.remove(0);
            }
            return true;
        }
        let Some(Card { job, said }) = self.cards.iter_mut().find(|card| card.job.id == id) else {
            return false;
        };
        let attempt = job.lease.as_ref().map_or(0, |lease| lease.attempt);
        let runs = |said: u32| job.state == JobState::Running && said == attempt;
        let is_over = !matches!(job.state, JobState::Pending | JobState::Running);
        match act {
            Act::Lease(lease) if job.state == JobState::Pending && lease.attempt == attempt + 1 => {
                (job.state, job.lease) = (JobState::Running, Some(lease.clone()));
                (job.started, job.progress) = (None, None);
            }
            Act::Start { attempt } if runs(*attempt) => job.started = Some(at),
            Act::Heartbeat { attempt, runner, until } if runs(*attempt) => {
                let lease = job.lease.as_mut().unwrap();
                lease.runner = *runner;
                lease.until = lease.until.max(*until);
                return true;
            }
            Act::Log { attempt: said_by, from, text } => {
                let may = match (said_by, job.state) {
                    (_, JobState::Cancelled) => false,
                    (None, _) => true,
                    (Some(_), JobState::Pending) => false,
                    (Some(said), _) => *said == attempt,
                };
                if !may {
                    return false;
                }
                let mut kept = String::new();
                for letter in text.chars() {
                    if job.log_bytes + (kept.len() + letter.len_utf8()) as u64 > LOG_BYTES {
                        job.truncated = true;
                        break;
                    }
                    kept.push(letter);
                }
                job.log_bytes += kept.len() as u64;
                if !kept.is_empty() {
                    job.log_rows += 1;
                    said.push((at, *from, kept));
                }
                return true;
            }
            Act::Report { attempt, report } if attempt.map_or(!is_over, runs) => {
                let Report { progress, branch, pr_url, ending } = report.clone();
                for (told, place) in
                    [(progress, &mut job.progress), (branch, &mut job.branch), (pr_url, &mut job.pr_url)]
                {
                    if told.is_some() {
                        *place = told;
                    }
                }
                match ending {
                    Some(Ending::Success) => (job.state, job.reason) = (JobState::Success, None),
                    Some(Ending::Failed { reason }) => {
                        (job.state, job.reason) = (JobState::Failed, Some(reason));
                    }
                    None => {}
                }
            }
            Act::HandBack { attempt } if runs(*attempt) => {
                (job.state, job.started) = (JobState::Pending, None);
                job.reason = Some("its runner stopped".into());
            }
            Act::Lapse { attempt, until }
                if runs(*attempt) && job.lease.as_ref().unwrap().until == *until =>
            {
                job.lost += 1;
                job.started = None;
                (job.state, job.reason) = match job.lost {
                    1 => (JobState::Pending, Some("its runner was lost".into())),
                    _ => (JobState::Failed, Some("its runner was lost, 2 times in all".into())),
                };
            }
            Act::Cancel { reason } if !is_over => {
                (job.state, job.reason) = (JobState::Cancelled, Some(reason.clone()));
            }
            _ => return false,
        }
        job.updated = at;
        true
    }

    /// The table of `Fixing`, read from the top.
    fn fixing(&self) -> Fixing {
        let last = self.cards.iter().rev().map(|card| &card.job).find(|job| job.state != JobState::Cancelled);
        let Some(job) = last else {
            let resolved = matches!(self.mark, Some((Mark::Resolved, _)));
            let state = if resolved { FixState::Resolved } else { FixState::New };
            return Fixing { state, job: None };
        };
        let mark = self.mark.filter(|(_, count)| *count >= job.ordinal).map(|(mark, _)| mark);
        let state = match (job.state, mark) {
            (JobState::Pending | JobState::Running, _) => FixState::Fixing,
            (_, Some(Mark::Resolved)) => FixState::Resolved,
            (_, Some(Mark::Reopened)) => FixState::New,
            (JobState::Success, None) if job.pr_url.is_some() => FixState::PrOpened,
            (JobState::Failed, None) => FixState::Failed,
            _ => FixState::New,
        };
        Fixing { state, job: Some(job.id) }
    }

    fn rows(&self, cluster: &ClusterId) -> Vec<LedgerRow> {
        let mut rows = vec![LedgerRow::ClusterState(ClusterStateRow {
            cluster: cluster.clone(),
            jobs: self.opened,
            mark: self.mark,
            refused: self.refused,
            fixing: self.fixing(),
        })];
        for Card { job, said } in &self.cards {
            rows.push(LedgerRow::Job(JobRow(Box::new(job.clone()))));
            let outcome =
                Outcome { ordinal: job.ordinal, job: job.id, state: job.state, has_pr: job.pr_url.is_some() };
            rows.push(LedgerRow::ClusterJob(ClusterJobRow { cluster: cluster.clone(), outcome }));
            let runs = job.state == JobState::Running;
            if runs || job.state == JobState::Pending {
                let lease = job.lease.as_ref();
                let at = lease.filter(|_| runs).map_or(job.created, |lease| lease.until);
                let attempt = lease.map_or(0, |lease| lease.attempt);
                let cluster = cluster.clone();
                let (agent, job) = (job.agent.clone(), job.id);
                rows.push(LedgerRow::JobQueue(JobQueueRow { runs, agent, at, job, cluster, attempt }));
            }
            for (seq, (at, from, text)) in (0..).zip(said.clone()) {
                rows.push(LedgerRow::JobLog(JobLogRow { job: job.id, seq, at, from, text }));
            }
        }
        rows
    }
}

fn id(number: u8) -> JobId {
    JobId::new(Timestamp(number.into()), number.into())
}

fn told(cluster: &str, at: i64, deed: JobDeed) -> Event {
    let cluster = ClusterId::new(cluster);
    event("jobs", EventBody::Job(Box::new(JobEvent { cluster, at: Timestamp(at), deed })))
}

fn open(snapshot: &str) -> Act {
    let (agent, snapshot) = ("fixer".to_owned(), snapshot.to_owned());
    // More than may be is not more than there is: the board knows the bound that it has.
    Act::Open(Opening { agent, snapshot, retries: RETRIES, max_log_bytes: LOG_BYTES })
}

fn lease(attempt: u32, until: i64) -> Act {
    let (runner, token) = (RunnerId(attempt.into()), TokenHash([attempt as u8; 32]));
    Act::Lease(Lease { attempt, runner, until: Timestamp(until), token })
}

fn acts() -> impl Strategy<Value = Act> {
    let attempt = || 1..3_u32;
    let word = || proptest::option::of(select(vec!["x".to_owned(), "y".to_owned()]));
    let ending = proptest::option::of(prop_oneof![
        Just(Ending::Success),
        Just(Ending::Failed { reason: "no".into() })
    ]);
    let report = (proptest::option::weighted(0.8, attempt()), word(), word(), word(), ending);
    prop_oneof![
        3 => select(vec!["{}", "[1]"]).prop_map(open),
        5 => (attempt(), 5..7_i64).prop_map(|(attempt, until)| lease(attempt, until)),
        1 => attempt().prop_map(|attempt| Act::Start { attempt }),
        1 => (attempt(), 5..8_i64).prop_map(|(attempt, until)| Act::Heartbeat {
            attempt, runner: RunnerId(9), until: Timestamp(until),
        }),
        2 => (proptest::option::of(attempt()), select(vec!["", "ab", "é", "abcdefg"])).prop_map(
            |(attempt, text)| Act::Log { attempt, from: LogFrom::Stdout, text: text.to_owned() }
        ),
        3 => report.prop_map(|(attempt, progress, branch, pr_url, ending)| Act::Report {
            attempt, report: Report { progress, branch, pr_url, ending },
        }),
        1 => attempt().prop_map(|attempt| Act::HandBack { attempt }),
        2 => (attempt(), 5..8_i64).prop_map(|(attempt, until)| Act::Lapse {
            attempt, until: Timestamp(until),
        }),
        1 => Just(Act::Cancel { reason: "enough".into() }),
    ]
}

fn happenings() -> impl Strategy<Value = Event> {
    let deed = prop_oneof![
        12 => (0..3_u8, acts()).prop_map(|(number, act)| JobDeed::Job(id(number), act)),
        1 => select(vec![Mark::Resolved, Mark::Reopened]).prop_map(JobDeed::Mark),
    ];
    (select(vec!["c", "c", "cd"]), 0..9_i64, deed).prop_map(|(cluster, at, deed)| {
        // A name is random: two clusters never have one in common.
        let apart = u8::from(cluster == "cd") * 100;
        let deed = match deed {
            JobDeed::Job(job, act) => JobDeed::Job(id(apart + job.to_u128() as u8), act),
            mark => mark,
        };
        told(cluster, at, deed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn jobs_go_as_the_board_says(
        ticks in vec(vec(happenings(), 0..14), 1..9), in_flight in 0..4_u64, lags in vec(0..12_u8, 1..20),
    ) {
        let mut world = World::default();
        let expected: Vec<_> = ticks.iter().map(|tick| {
            for event in tick {
                if let EventBody::Job(event) = &event.body { world.hear(event) }
            }
            world.words()
        }).collect();
        prop_assert_eq!(run(1, in_flight, &ticks, &Store::lagging(lags)), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The events of a cluster come through one worker in life; here each has a tick of its own.
    #[test]
    fn jobs_go_so_on_any_worker(events in vec(happenings(), 0..40), lags in vec(0..12_u8, 1..20)) {
        let ticks: Vec<_> = events.into_iter().map(|event| vec![event]).collect();
        let one = run(1, 2, &ticks, &Store::lagging(lags.clone()));
        prop_assert_eq!(run(2, 2, &ticks, &Store::lagging(lags)), one);
    }
}

/// Random events seldom go far: this is the way that jobs go, with what can't happen strewn in.
#[test]
fn from_the_order_to_the_pull_request() {
    let job = |number, act| JobDeed::Job(id(number), act);
    let report = |attempt, pr_url: Option<&str>, ending| Act::Report {
        attempt: Some(attempt),
        report: Report { pr_url: pr_url.map(str::to_owned), ending, ..Report::default() },
    };
    let cancel = || Act::Cancel { reason: "enough".into() };
    let lapse = |attempt, until| Act::Lapse { attempt, until: Timestamp(until) };
    // What happens, whether it is refused, and how the cluster stands then.
    let story = [
        (job(1, open("{}")), false, FixState::Fixing),
        (job(2, open("{}")), true, FixState::Fixing),
        (job(1, lease(1, 10)), false, FixState::Fixing),
        (job(1, lease(2, 10)), true, FixState::Fixing),
        (job(1, lapse(1, 9)), true, FixState::Fixing),
        (job(1, lapse(1, 10)), false, FixState::Fixing),
        (job(1, report(1, None, Some(Ending::Success))), true, FixState::Fixing),
        (job(1, lease(2, 20)), false, FixState::Fixing),
        (job(1, report(1, None, Some(Ending::Success))), true, FixState::Fixing),
        (job(1, report(2, Some("https://x.example/1"), Some(Ending::Success))), false, FixState::PrOpened),
        (job(1, report(2, None, Some(Ending::Failed { reason: "no".into() }))), true, FixState::PrOpened),
        (job(1, cancel()), true, FixState::PrOpened),
        (JobDeed::Mark(Mark::Resolved), false, FixState::Resolved),
        (job(2, open("{}")), false, FixState::Fixing),
        (JobDeed::Mark(Mark::Reopened), true, FixState::Fixing),
        (job(2, cancel()), false, FixState::Resolved),
        (JobDeed::Mark(Mark::Reopened), false, FixState::New),
        (job(3, open("{}")), false, FixState::Fixing),
        (job(3, lease(1, 10)), false, FixState::Fixing),
        (job(3, lapse(1, 10)), false, FixState::Fixing),
        (job(3, lease(2, 20)), false, FixState::Fixing),
        (job(3, lapse(2, 20)), false, FixState::Failed),
    ];
    let ticks: Vec<_> = (0..).zip(&story).map(|(at, (deed, ..))| vec![told("c", at, deed.clone())]).collect();
    let states = run(1, 2, &ticks, &Store::lagging(vec![1]));
    let mut refused = 0;
    for ((deed, is_refused, expected), rows) in story.iter().zip(states) {
        let row = rows.iter().find_map(|word| match word {
            Word::Row(LedgerRow::ClusterState(row)) => Some(row.clone()),
            _ => None,
        });
        let row = row.unwrap();
        refused += u64::from(*is_refused);
        assert_eq!((row.fixing.state, row.refused), (*expected, refused), "{deed:?}");
    }
}

#[test]
fn the_last_jobs_are_kept() {
    let mut ticks = Vec::new();
    let count = KEPT_JOBS as u8 + 20;
    for number in 0..count {
        let (opened, cancelled) = (open("{}"), Act::Cancel { reason: String::new() });
        let log = Act::Log { attempt: None, from: LogFrom::Report, text: "a".into() };
        let acts = [opened, log, cancelled].map(|act| told("c", 1, JobDeed::Job(id(number), act)));
        ticks.push(acts.to_vec());
    }
    let mut world = World::default();
    for event in ticks.iter().flatten() {
        if let EventBody::Job(event) = &event.body {
            world.hear(event);
        }
    }
    let left = run(1, 2, &ticks, &Store::lagging(vec![1])).pop().unwrap();
    assert_eq!(left, world.words());
    let jobs = left.iter().filter(|word| matches!(word, Word::Row(LedgerRow::Job(_)))).count();
    assert_eq!(jobs, KEPT_JOBS);
}
