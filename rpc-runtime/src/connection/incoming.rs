//! The peer's answers to our calls: responses, whole and in parts, word that items follow, and their end; and the
//! credit for requests.

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use tokio::time::Instant;

use super::{
    assembly::Assembly,
    output::Push,
    receive::{Input, Located, Receive},
    serving::Verdict,
    shared::{Shared, State},
    slot::VALUE_FOR_ITEMS,
};
use crate::{
    call::{Answer, Ending},
    metadata::Metadata,
    status::{Code, Status},
    wire::{self, Frame, HeaderError, Kind, ProtocolError, ResponseHeader},
};

/// The largest body that is copied under the lock.
const SMALL: usize = 4_096;
/// So many answers are handed over under one lock, which callers wait for.
const BATCH: usize = 64;

/// What has come for our calls and is not handed over yet.
pub(super) struct Incoming {
    shared: Arc<Shared>,
    /// Responses in parts, by the call's id.
    parts: BTreeMap<u64, Parts>,
    /// The memory of those.
    held: usize,
    /// Callers whose outcome is there.
    wakers: Vec<Waker>,
}

enum Parts {
    Wanted(Ending, Metadata, Assembly),
    /// The call has its outcome; what comes until the last part is thrown away.
    Unwanted(Instant),
}

impl Parts {
    /// About how many bytes of memory it takes.
    fn held(&self) -> usize {
        let inner = match self {
            Self::Wanted(_, metadata, assembly) => metadata.held() + assembly.held(),
            Self::Unwanted(_) => 0,
        };
        size_of::<(u64, Self)>() + inner
    }
}

/// A response's header, as far as this side understands it.
type Decoded = (Ending, Metadata, Option<u64>);

impl Incoming {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, parts: BTreeMap::new(), held: 0, wakers: Vec::new() }
    }

    /// When the response that was silent longest got its last part.
    pub(super) fn oldest_part(&self) -> Option<Instant> {
        let touched = self.parts.values().map(|parts| match parts {
            Parts::Wanted(_, _, assembly) => assembly.touched(),
            Parts::Unwanted(touched) => *touched,
        });
        touched.min()
    }

    /// The memory of responses of which parts are still to come.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Forgets what has come of responses; the connection is over.
    pub(super) fn discard(&mut self) {
        self.parts.clear();
        self.held = 0;
    }

    /// Hands over the Response at `at` and those that follow it, under one lock as long as they are small. Gives what
    /// stands behind them.
    pub(super) fn take_responses(
        &mut self,
        receive: &mut Receive,
        at: Located,
        now: Instant,
    ) -> Result<(Verdict, Option<Input>), ProtocolError> {
        let shared = Arc::clone(&self.shared);
        let max_header = shared.local.max_header as usize;
        let mut next = Some(Input::Frame(at));
        let mut verdict = Verdict::Fine;
        let mut failure = None;
        let mut state = shared.lock();
        for _ in 0..BATCH {
            match next {
                Some(Input::Frame(at)) if at.kind() == Kind::Response => {
                    let frame = receive.frame(&at);
                    if self.is_simple(&frame) {
                        let State { calls, output, .. } = &mut *state;
                        let frames = &mut output.frames;
                        self.wakers.extend(calls.answer(frame.id, Ending::Ok, Metadata::new(), frame.body, frames));
                        if state.calls.take_stray() {
                            verdict = Verdict::Fault;
                        }
                    } else {
                        drop(state);
                        verdict = self.on_response(&frame, now);
                        state = shared.lock();
                    }
                }
                _ => break,
            }
            next = None;
            if !matches!(verdict, Verdict::Fine) {
                break;
            }
            match receive.next(max_header) {
                Ok(input) => next = Some(input),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let push = pump(&mut state, now, &mut self.wakers);
        drop(state);
        shared.act(push);
        self.wakers.drain(..).for_each(Waker::wake);
        failure.map_or(Ok((verdict, next)), Err)
    }

    /// A Response of which the header is over the limit.
    pub(super) fn on_long_header(&mut self, id: u64, more: bool, header: usize, now: Instant) -> Verdict {
        let limit = self.shared.local.max_header;
        let text = format!("the response has a header of {header} bytes, more than max_header, {limit}");
        self.remove(id);
        self.fail(id, more, Status::of_call(Code::ResourceExhausted, text), now);
        self.wakers.drain(..).for_each(Waker::wake);
        Verdict::Fault
    }

    /// More room for requests.
    pub(super) fn on_credit(&mut self, body: &[u8], now: Instant) -> Verdict {
        let Some(increment) = wire::credit_increment(body) else { return Verdict::Fault };
        let mut state = self.shared.lock();
        if !state.calls.credit(increment) {
            return Verdict::Broken(format!(
                "a credit of {increment} bytes is more than was used of the request_window"
            ));
        }
        let push = pump(&mut state, now, &mut self.wakers);
        drop(state);
        self.shared.act(push);
        self.wakers.drain(..).for_each(Waker::wake);
        Verdict::Fine
    }

    /// The end of a call's items, or of a response in the middle.
    pub(super) fn on_end(&mut self, frame: &Frame<'_>, now: Instant) -> Verdict {
        if !self.shared.lock().calls.is_open(frame.id) {
            return self.on_stray();
        }
        self.remove(frame.id);
        let verdict = match self.decode(frame) {
            Ok((ending, metadata, _)) if matches!(ending, Ending::Status(_)) || self.is_end(&ending, frame.id) => {
                self.answer(frame.id, ending, metadata, frame.body.to_vec());
                let mut state = self.shared.lock();
                let push = pump(&mut state, now, &mut self.wakers);
                drop(state);
                self.shared.act(push);
                Verdict::Fine
            }
            Ok(_) => {
                let text = "the call was ended without a response and without a status";
                self.fault(frame.id, Status::of_call(Code::Internal, text), now)
            }
            Err(status) => self.fault(frame.id, status, now),
        };
        self.wakers.drain(..).for_each(Waker::wake);
        verdict
    }

    /// Whether the items of this call may end so.
    fn is_end(&self, ending: &Ending, id: u64) -> bool {
        matches!(ending, Ending::Ok | Ending::ServiceError) && self.shared.lock().calls.expects_items(id)
    }

    /// The last frame of a call says what it must not.
    fn fault(&mut self, id: u64, status: Status, now: Instant) -> Verdict {
        self.fail(id, false, status, now);
        Verdict::Fault
    }

    /// An answer without a call in flight: counted, here and as a fault.
    fn on_stray(&self) -> Verdict {
        let mut state = self.shared.lock();
        state.calls.count_stray();
        if state.calls.take_stray() { Verdict::Fault } else { Verdict::Fine }
    }

    /// The common case: one frame, no header, a small body.
    fn is_simple(&self, frame: &Frame<'_>) -> bool {
        let limit = SMALL.min(self.shared.local.max_message as usize);
        frame.header.is_empty() && !frame.more && frame.body.len() <= limit && self.parts.is_empty()
    }

    fn on_response(&mut self, frame: &Frame<'_>, now: Instant) -> Verdict {
        if self.parts.contains_key(&frame.id) {
            return self.on_part(frame, now);
        }
        if !self.shared.lock().calls.is_open(frame.id) {
            return self.on_stray();
        }
        if let Some(opened) = self.opened(frame) {
            return self.on_opened(frame.id, opened);
        }
        let (ending, metadata, total) = match self.decode(frame) {
            Ok((Ending::Ok, ..)) if self.shared.lock().calls.expects_items(frame.id) => {
                self.fail(frame.id, frame.more, Status::of_call(Code::Internal, VALUE_FOR_ITEMS), now);
                return Verdict::Fault;
            }
            Ok(decoded) => decoded,
            Err(status) => {
                self.fail(frame.id, frame.more, status, now);
                return Verdict::Fault;
            }
        };
        let size = total.unwrap_or(frame.body.len() as u64);
        let limit = self.shared.local.max_message;
        if size > u64::from(limit) {
            let text = format!("the reply has {size} bytes, more than max_message, {limit}");
            self.fail(frame.id, frame.more, Status::of_call(Code::ResourceExhausted, text), now);
            return Verdict::Fault;
        }
        if frame.more {
            self.insert(frame.id, Parts::Wanted(ending, metadata, Assembly::new(size as usize, frame.body, now)));
        } else {
            self.answer(frame.id, ending, metadata, frame.body.to_vec());
        }
        Verdict::Fine
    }

    /// A further part of a response.
    fn on_part(&mut self, frame: &Frame<'_>, now: Instant) -> Verdict {
        let added = match self.parts.get_mut(&frame.id) {
            Some(Parts::Wanted(_, _, assembly)) if frame.header.is_empty() => {
                let before = assembly.held();
                let added = assembly.add(frame.body, frame.more, now);
                self.held = self.held + assembly.held() - before;
                added
            }
            Some(Parts::Wanted(..)) => Err("a further part of a response has a header".to_owned()),
            Some(Parts::Unwanted(touched)) => {
                *touched = now;
                Ok((!frame.more).then(Vec::new))
            }
            None => return Verdict::Fine,
        };
        match added {
            Ok(None) => Verdict::Fine,
            Ok(Some(body)) => {
                match self.remove(frame.id) {
                    Some(Parts::Wanted(ending, metadata, _)) => self.answer(frame.id, ending, metadata, body),
                    _ => self.answer(frame.id, Ending::Ok, Metadata::new(), Vec::new()),
                }
                Verdict::Fine
            }
            Err(text) => {
                self.remove(frame.id);
                self.fail(frame.id, frame.more, Status::of_call(Code::Internal, text), now);
                Verdict::Fault
            }
        }
    }

    fn insert(&mut self, id: u64, parts: Parts) {
        self.held += parts.held();
        self.parts.insert(id, parts);
    }

    fn remove(&mut self, id: u64) -> Option<Parts> {
        let parts = self.parts.remove(&id)?;
        self.held -= parts.held();
        Some(parts)
    }

    /// What came beside the news that the method has accepted the call, if this is that.
    fn opened(&self, frame: &Frame<'_>) -> Option<Result<Metadata, &'static str>> {
        if frame.more || frame.header.is_empty() {
            return None;
        }
        let header = ResponseHeader::decode(frame.header, self.shared.local.max_metadata).ok()?;
        matches!(header.ending, wire::Ending::Opened).then(|| {
            if frame.body.is_empty() {
                Ok(header.metadata.into_owned())
            } else {
                Err("a stream was opened with a body")
            }
        })
    }

    /// It is not the last frame of the call, also where it must not come.
    fn on_opened(&mut self, id: u64, opened: Result<Metadata, &'static str>) -> Verdict {
        let mut state = self.shared.lock();
        let opened = match opened {
            Ok(_) if !state.calls.expects_items(id) => Err("a stream was opened for a call that has none"),
            Ok(metadata) => {
                let first = state.calls.open(id, metadata);
                if first { Ok(()) } else { Err("a stream was opened a second time, or behind its items") }
            }
            Err(text) => Err(text),
        };
        self.wakers.append(&mut state.calls.streams.woken);
        drop(state);
        let Err(text) = opened else { return Verdict::Fine };
        self.shared.fail_and_cancel(id, Status::of_call(Code::Internal, text));
        Verdict::Fault
    }

    fn decode(&self, frame: &Frame<'_>) -> Result<Decoded, Status> {
        let header = ResponseHeader::decode(frame.header, self.shared.local.max_metadata);
        let ResponseHeader { ending, total, metadata } = header.map_err(|error| {
            let above_limit = matches!(error, HeaderError::TooManyEntries { .. });
            let code = if above_limit { Code::ResourceExhausted } else { Code::Internal };
            Status::of_call(code, format!("the response's header is refused: {error}"))
        })?;
        let ending = match ending {
            wire::Ending::Ok => Ending::Ok,
            wire::Ending::ServiceError => Ending::ServiceError,
            wire::Ending::Opened => {
                return Err(Status::of_call(Code::Internal, "a stream was opened for a call that has none"));
            }
            wire::Ending::Status { code, not_executed, message } => {
                let status = Status::of_call(code, message).at(&self.shared.peer.address);
                Ending::Status(if not_executed { status.not_executed() } else { status })
            }
        };
        if frame.more != total.is_some() {
            let text =
                if frame.more { "the first part of a response announces no length" } else { "a total without parts" };
            return Err(Status::of_call(Code::Internal, text));
        }
        Ok((ending, metadata.into_owned(), total))
    }

    /// The terminal frame of a call is complete.
    fn answer(&mut self, id: u64, ending: Ending, metadata: Metadata, body: Vec<u8>) {
        let answer = match ending {
            Ending::Status(status) => {
                let status = status.with_metadata(metadata.clone()).with_details(body);
                Answer { ending: Ending::Status(status), metadata, body: Vec::new() }
            }
            ending => Answer { ending, metadata, body },
        };
        let mut state = self.shared.lock();
        let State { calls, output, .. } = &mut *state;
        let waker = calls.answer_owned(id, answer, &mut output.frames);
        drop(state);
        self.wakers.extend(waker);
    }

    /// The terminal frame of a call is of no use: the call fails, what still comes of the frame is thrown away.
    fn fail(&mut self, id: u64, more: bool, status: Status, now: Instant) {
        let status = status.at(&self.shared.peer.address);
        let mut state = self.shared.lock();
        if more {
            if state.calls.is_open(id) {
                let parts = Parts::Unwanted(now);
                self.held += parts.held();
                self.parts.insert(id, parts);
            }
            self.wakers.extend(state.calls.fail(id, status));
        } else {
            let State { calls, output, .. } = &mut *state;
            self.wakers.extend(calls.answer_owned(id, Answer::of_status(status), &mut output.frames));
        }
        let push = pump(&mut state, now, &mut self.wakers);
        drop(state);
        self.shared.act(push);
    }
}

/// Sends calls that waited for room.
fn pump(state: &mut State, now: Instant, wakers: &mut Vec<Waker>) -> Push {
    let sent = state.pump(now);
    wakers.append(&mut state.calls.streams.woken);
    if sent { state.push(false) } else { Push::Nothing }
}
