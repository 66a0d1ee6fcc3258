//! What servers executed against what callers were told: the promise of a call, checked call by call.

use std::collections::{BTreeMap, HashMap};

use crate::{
    ledger::{Entry, Mark},
    messages::ATTEMPTS,
};

/// What the ledgers say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Calls that were started, each attempt for itself.
    pub(crate) calls: u64,
    pub(crate) executed: u64,
    pub(crate) outcomes: BTreeMap<Mark, u64>,
    /// Pieces of work that neither succeeded nor got the service's own error nor were given up.
    pub(crate) lost: u64,
    /// Pieces of work that were executed more than once, over all attempts.
    pub(crate) duplicated: u64,
    /// What breaks the promise: how often, and the first call of each kind.
    pub(crate) faults: BTreeMap<&'static str, (u64, u64)>,
}

/// What is known of one call.
#[derive(Debug, Default)]
struct Record {
    started: u64,
    outcomes: Vec<Mark>,
    began: u64,
    returned: u64,
}

impl Audit {
    /// Of what all servers and what all clients wrote.
    pub(crate) fn of(executions: &[Entry], calls: &[Entry]) -> Self {
        let mut records: HashMap<u64, Record> = HashMap::new();
        for Entry { mark, call, .. } in executions.iter().chain(calls) {
            let record = records.entry(*call).or_default();
            match mark {
                Mark::Started => record.started += 1,
                Mark::Began => record.began += 1,
                Mark::Returned => record.returned += 1,
                Mark::Dropped => {}
                outcome => record.outcomes.push(*outcome),
            }
        }
        let mut audit = Self::default();
        for (call, record) in &records {
            audit.judge(*call, record);
        }
        audit.judge_work(&records);
        audit
    }

    /// So many calls ended like this.
    pub(crate) fn ended(&self, mark: Mark) -> u64 {
        self.outcomes.get(&mark).copied().unwrap_or(0)
    }

    /// The faults as sentences.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let sentence = |(what, (count, call)): (&&str, &(u64, u64))| format!("{count} calls {what}, such as {call}");
        self.faults.iter().map(sentence).collect()
    }

    fn judge(&mut self, call: u64, record: &Record) {
        let Record { started, outcomes, began, returned } = record;
        self.calls += started;
        self.executed += began;
        for outcome in outcomes {
            *self.outcomes.entry(*outcome).or_default() += 1;
        }
        let ended = |mark| outcomes.contains(&mark);
        let rules = [
            (*started == 1, "were not started exactly once"),
            (!outcomes.is_empty(), "have no outcome"),
            (outcomes.len() <= 1, "have several outcomes"),
            (*began <= 1, "were executed more than once"),
            (!ended(Mark::NotExecuted) || *began == 0, "were executed, and said to be not executed"),
            (!ended(Mark::Ok) || *returned == 1, "succeeded without one whole execution"),
            (!ended(Mark::Refused) || *returned == 1, "got the service's error without one whole execution"),
            (!ended(Mark::Wrong), "got a reply that is another's"),
            (!ended(Mark::Hung), "hung"),
        ];
        for (_, what) in rules.into_iter().filter(|(holds, _)| !holds) {
            self.faults.entry(what).or_insert((0, call)).0 += 1;
        }
    }

    fn judge_work(&mut self, records: &HashMap<u64, Record>) {
        let mut work: HashMap<u64, (u64, bool)> = HashMap::new();
        for (call, record) in records {
            let (executions, succeeded) = work.entry(call / ATTEMPTS).or_default();
            *executions += record.began;
            *succeeded |= record.outcomes.iter().any(|mark| matches!(mark, Mark::Ok | Mark::Refused | Mark::GivenUp));
        }
        self.lost = work.values().filter(|(_, succeeded)| !succeeded).count() as u64;
        self.duplicated = work.values().filter(|(executions, _)| *executions > 1).count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: u64 = 7 * ATTEMPTS;

    fn entries(marks: &[Mark]) -> Vec<Entry> {
        marks.iter().map(|mark| Entry { mark: *mark, call: CALL, at: 0 }).collect()
    }

    fn faults(executions: &[Mark], calls: &[Mark]) -> Vec<&'static str> {
        Audit::of(&entries(executions), &entries(calls)).faults.into_keys().collect()
    }

    #[test]
    fn every_end_that_a_call_may_have_is_no_fault() {
        use Mark::{Began, Dropped, GivenUp, NotExecuted, Ok, Refused, Returned, Started, Unknown};
        let table: [(&[Mark], Mark); 9] = [
            (&[Began, Returned], Ok),
            (&[Began, Returned], Refused),
            (&[], NotExecuted),
            (&[], Unknown),
            (&[Began], Unknown),
            (&[Began, Dropped], Unknown),
            (&[Began, Returned], Unknown),
            (&[], GivenUp),
            (&[Began, Dropped], GivenUp),
        ];
        for (executions, outcome) in table {
            assert_eq!(faults(executions, &[Started, outcome]), [""; 0], "{executions:?} {outcome:?}");
        }
    }

    #[test]
    fn every_broken_promise_is_found() {
        use Mark::{Began, Dropped, Hung, NotExecuted, Ok, Refused, Returned, Started, Unknown, Wrong};
        let table: [(&[Mark], &[Mark], &str); 11] = [
            (&[], &[Started], "have no outcome"),
            (&[Began, Returned], &[Started, Ok, Unknown], "have several outcomes"),
            (&[Began, Began], &[Started, Unknown], "were executed more than once"),
            (&[Began], &[Started, NotExecuted], "were executed, and said to be not executed"),
            (&[], &[Started, Ok], "succeeded without one whole execution"),
            (&[Began, Dropped], &[Started, Ok], "succeeded without one whole execution"),
            (&[], &[Started, Refused], "got the service's error without one whole execution"),
            (&[Began, Returned], &[Started, Wrong], "got a reply that is another's"),
            (&[Began], &[Started, Hung], "hung"),
            (&[], &[Started, Started, Unknown], "were not started exactly once"),
            (&[Began], &[Unknown], "were not started exactly once"),
        ];
        for (executions, calls, fault) in table {
            assert_eq!(faults(executions, calls), [fault], "{executions:?} {calls:?}");
        }
    }

    #[test]
    fn work_that_ran_in_two_attempts_is_duplicated_and_work_without_success_is_lost() {
        use Mark::{Began, NotExecuted, Ok, Returned, Started, Unknown};
        let entry = |(mark, attempt): &(Mark, u64)| Entry { mark: *mark, call: CALL + attempt, at: 0 };
        let audit = |executions: &[(Mark, u64)], calls: &[(Mark, u64)]| {
            let [executions, calls] = [executions, calls].map(|list| list.iter().map(entry).collect::<Vec<_>>());
            let audit = Audit::of(&executions, &calls);
            (audit.lost, audit.duplicated)
        };
        let twice = [(Began, 0), (Began, 1), (Returned, 1)];
        assert_eq!(audit(&twice, &[(Started, 0), (Unknown, 0), (Started, 1), (Ok, 1)]), (0, 1));
        assert_eq!(audit(&twice[1..], &[(Started, 0), (NotExecuted, 0), (Started, 1), (Ok, 1)]), (0, 0));
        assert_eq!(audit(&[], &[(Started, 0), (NotExecuted, 0)]), (1, 0));
    }
}
