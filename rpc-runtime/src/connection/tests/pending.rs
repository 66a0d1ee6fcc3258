//! Any interleaving of what callers, the peer, the transport and the clock do leaves the pending table true to its
//! model.

use proptest::prelude::*;

use super::pending_model::World;

#[derive(Debug, Clone)]
enum Step {
    Register { size: usize, timeout: Option<u64>, with_waker: bool },
    Poll(usize, bool),
    Abandon(usize),
    Answer { index: usize, owned: bool, refuse: bool },
    Stray(usize),
    Fail(usize),
    Write(usize),
    Credit(u8),
    Time(u64),
    RefuseNew,
}

#[derive(Debug, Clone)]
enum End {
    Finish,
    Terminate { abandon: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let size =
        prop_oneof![4 => 4..100_usize, 1 => 4_000..4_200_usize, 2 => 5_000..70_000_usize, 1 => 130_000..150_000_usize];
    let timeout = proptest::option::of(0..50_u64);
    let register = (size, timeout, any::<bool>());
    let bytes = prop_oneof![0..64_usize, 0..10_000_usize, Just(1_000_000)];
    prop_oneof![
        10 => register.prop_map(|(size, timeout, with_waker)| Step::Register { size, timeout, with_waker }),
        5 => (any::<usize>(), any::<bool>()).prop_map(|(index, other)| Step::Poll(index, other)),
        3 => any::<usize>().prop_map(Step::Abandon),
        6 => (any::<usize>(), any::<bool>(), proptest::bool::weighted(0.2))
            .prop_map(|(index, owned, refuse)| Step::Answer { index, owned, refuse }),
        1 => any::<usize>().prop_map(Step::Stray),
        1 => any::<usize>().prop_map(Step::Fail),
        8 => bytes.prop_map(Step::Write),
        3 => any::<u8>().prop_map(Step::Credit),
        2 => (0..20_u64).prop_map(Step::Time),
        1 => Just(Step::RefuseNew),
    ]
}

fn run(in_flight: u32, window: u32, steps: Vec<Step>, end: &End) {
    let mut world = World::new(in_flight, window);
    for step in steps {
        match step {
            Step::Register { size, timeout, with_waker } => world.register(size, timeout, with_waker),
            Step::Poll(index, other_waker) => world.poll(index, other_waker),
            Step::Abandon(index) => world.abandon(index),
            Step::Answer { index, owned, refuse } => world.answer(index, owned, refuse),
            Step::Stray(index) => world.stray(index),
            Step::Fail(index) => world.fail(index),
            Step::Write(bytes) => world.write(bytes),
            Step::Credit(share) => world.credit(share),
            Step::Time(ms) => world.pass_time(ms),
            Step::RefuseNew => world.refuse_new(),
        }
    }
    match *end {
        End::Finish => world.finish(),
        End::Terminate { abandon } => world.terminate(abandon),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_interleaving_gives_each_call_its_own_outcome_once(
        in_flight in 1..6_u32,
        window in 150_000..400_000_u32,
        steps in proptest::collection::vec(step(), 1..150),
        end in prop_oneof![Just(End::Finish), any::<bool>().prop_map(|abandon| End::Terminate { abandon })],
    ) {
        run(in_flight, window, steps, &end);
    }
}
