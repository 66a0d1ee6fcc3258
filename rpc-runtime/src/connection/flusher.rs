//! The task that writes what callers and handlers appended. It lets the scheduler run once before it writes, so
//! that many frames share one write, and it alone waits for a transport that takes no more.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    frames::Batch,
    output::Work,
    shared::{SLICES, Shared},
};
use crate::transport::Writer;

/// Runs until the connection is closed.
pub(super) async fn run(shared: Arc<Shared>, mut writer: Writer) {
    let mut pause = Pause::default();
    loop {
        let work = poll_fn(|cx| match shared.poll_work(cx.waker()) {
            Work::Nothing => Poll::Pending,
            work => Poll::Ready(work),
        });
        match work.await {
            Work::Write => {
                pause.gather().await;
                poll_fn(|cx| writer.poll_write_all(cx, &shared)).await;
            }
            Work::EndOfStream => {
                let result = poll_fn(|cx| writer.poll_end(cx)).await;
                shared.stream_ended(result);
            }
            Work::Nothing | Work::Closed => return,
        }
    }
}

impl Writer {
    /// Writes all there is; what goes wrong is told to the connection.
    fn poll_write_all(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<()> {
        loop {
            if let Self::Shared(writer) = self {
                // Readiness first: a waker is registered only when the transport takes no more.
                if let Err(error) = ready!(writer.poll_write_ready(cx)) {
                    shared.write_failed(error);
                    return Poll::Ready(());
                }
            }
            let Some(mut batch) = shared.claim() else { break };
            let (written, result) = match self.poll_write(cx, &mut batch) {
                Poll::Ready(Ok(written)) => (written, Ok(())),
                Poll::Ready(Err(error)) => (0, Err(error)),
                Poll::Pending => (0, Err(io::ErrorKind::WouldBlock.into())),
            };
            let failure = result.as_ref().err().map(io::Error::kind);
            shared.give_back(batch, written, result);
            match (failure, &self) {
                (None, _) => {}
                // Not as ready as it was said to be: ask again.
                (Some(io::ErrorKind::WouldBlock), Self::Shared(_)) => {}
                (Some(io::ErrorKind::WouldBlock), Self::Owned(_)) => return Poll::Pending,
                (Some(_), _) => return Poll::Ready(()),
            }
        }
        if let Self::Owned(writer) = self {
            if let Err(error) = ready!(Pin::new(writer).poll_flush(cx)) {
                shared.write_failed(error);
            }
        }
        shared.lock().output.set_blocked(false);
        Poll::Ready(())
    }

    /// One write.
    fn poll_write(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = batch.slices(&mut slices);
        let slices = &slices[..count];
        let written = match self {
            Self::Shared(writer) => writer.try_write_vectored(slices),
            Self::Owned(writer) => ready!(Pin::new(writer).poll_write_vectored(cx, slices)),
        };
        Poll::Ready(match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                batch.advance(count);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        })
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Shared(writer) => Poll::Ready(writer.shutdown()),
            Self::Owned(writer) => Pin::new(writer).poll_shutdown(cx),
        }
    }
}

/// One turn of the scheduler, by the way that is quick at present.
///
/// tokio's own yield returns after a turn of its driver, which collects the larger batch; but beside tasks that
/// compute it takes until they all have run (10 ms beside four of 100 µs). A task that wakes itself waits for the
/// queue only (0.3 ms there). And beside a task that blocks its thread tokio's yield does not return before that is
/// over, whatever other threads are idle: so a timer, which any thread looks after, ends it.
struct Pause {
    own: Duration,
    own_until: Option<Instant>,
    /// Ends the yield that is under way, and now and then one too many: it is not moved for each.
    rescue: Option<Pin<Box<Sleep>>>,
}

/// A yield that took longer than this makes the flusher wake itself for a while.
const LONG: Duration = Duration::from_micros(500);
/// For so long at first, and twice as long each time it repeats.
const AVOID: Duration = Duration::from_millis(100);
const AVOID_LONGEST: Duration = Duration::from_secs(10);
/// No yield takes longer than this, as long as one thread of the runtime is not blocked.
const RESCUE: Duration = Duration::from_millis(1);

impl Default for Pause {
    fn default() -> Self {
        Self { own: AVOID / 2, own_until: None, rescue: None }
    }
}

impl Pause {
    async fn gather(&mut self) {
        let before = Instant::now();
        if self.own_until.is_some_and(|until| before < until) {
            return wake_self_once().await;
        }
        let by = before + RESCUE;
        let rescue = self.rescue.get_or_insert_with(|| Box::pin(sleep_until(by)));
        if rescue.deadline() <= before {
            rescue.as_mut().reset(by);
        }
        let mut yielding = pin!(tokio::task::yield_now());
        poll_fn(|cx| match yielding.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => rescue.as_mut().poll(cx),
        })
        .await;
        if before.elapsed() > LONG {
            self.own = (self.own * 2).min(AVOID_LONGEST);
            self.own_until = Some(before + self.own);
        } else if self.own_until.take().is_some() {
            self.own = AVOID / 2;
        }
    }
}

/// Goes to the end of the run queue.
async fn wake_self_once() {
    let mut woken = false;
    poll_fn(|cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
