use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn names_sort_by_age_and_come_back(a in 0..1_i64 << 48, b in 0..1_i64 << 48, random: u128, other: u128) {
        let (first, second) = (JobId::new(Timestamp(a), random), JobId::new(Timestamp(b), other));
        prop_assert_eq!(first.to_string().parse(), Ok(first));
        prop_assert_eq!(first.to_string().to_uppercase().parse(), Ok(first));
        prop_assert_eq!(first.to_string().cmp(&second.to_string()), first.cmp(&second));
        if a != b {
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
        }
    }

    #[test]
    fn other_names_are_refused(text: String) {
        if let Ok(id) = text.parse::<JobId>() {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
    }
}

#[test]
fn a_log_is_cut_between_characters() {
    let order = Opening { agent: "a".into(), snapshot: String::new(), retries: 0, max_log_bytes: 4 };
    let job = Job::open(JobId::new(Timestamp(1), 1), ClusterId::new("c"), 1, Timestamp(1), &order);
    let say = |job: &Job, text: &str| {
        let text = text.to_owned();
        job.take(Timestamp(2), &Act::Log { attempt: None, from: LogFrom::Report, text })
    };
    let job = say(&job, "abc").unwrap();
    assert_eq!((job.log_bytes, job.log_rows, job.truncated), (3, 1, false));
    let job = say(&job, "é").unwrap();
    assert_eq!((job.log_bytes, job.log_rows, job.truncated), (3, 1, true));
}
