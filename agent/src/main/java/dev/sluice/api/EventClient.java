package dev.sluice.api;

import dev.sluice.flow.EventFrame;
import dev.sluice.flow.FlowFilter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Follows the events of an agent through broken connections, and through restarts of the agent:
 * every event is told once, and what is missing is told as a gap.
 *
 * <pre>
 * try (EventClient client = EventClient.to(ApiOptions.DEFAULT_SOCKET, FlowFilter.ALL, Optional.empty())) {
 *   client.follow(new EventClient.Handler() {
 *     public void onEvent(EventFrame event) { … }
 *     public void onAgentRestart(EventPosition end) { … }
 *   });
 * }
 * </pre>
 *
 * <p>It reads the binary form, reconnects with the {@linkplain #position position} it has reached,
 * and waits between attempts, from 10 ms doubling to 2 s. The agent retains so many events only
 * (docs/events.md): who comes back later than that finds a gap of cause slow-consumer that counts
 * them. With a filter, the position moves with what the filter admits: events that it held back may
 * be counted in such a gap.
 */
public final class EventClient implements AutoCloseable {
  private static final long FIRST_PAUSE_MILLIS = 10;
  private static final long LONGEST_PAUSE_MILLIS = 2_000;

  /** Who is told. All calls come from the thread that {@linkplain #follow follows}. */
  public interface Handler {
    /**
     * An event, a gap, or an alarm.
     *
     * @param event valid during the call. {@link EventFrame#nextSequence} is the position behind
     *     it, which the client takes when the call returns
     */
    void onEvent(EventFrame event);

    /**
     * The agent was restarted. What happened after {@code end} until the new agent had started is
     * not known, neither what it was nor how much; what is told from here on begins with the new
     * agent's first event, or a gap that counts those it does not retain any more.
     *
     * @param end where the stream of the former agent ended for us
     */
    void onAgentRestart(EventPosition end);

    /**
     * The connection is gone, or was not to be had; it is tried again.
     *
     * @param reason one sentence
     */
    default void onDisconnect(String reason) {}
  }

  private final ApiClient client;
  private final FlowFilter filter;
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile @Nullable EventPosition position;

  // Of the thread that follows.
  private long pauseMillis = FIRST_PAUSE_MILLIS;
  private boolean inHandler;

  private EventClient(ApiClient client, FlowFilter filter, Optional<EventPosition> from) {
    this.client = client;
    this.filter = filter;
    this.position = from.orElse(null);
  }

  /**
   * A client that does nothing yet.
   *
   * @param socket where the agent listens; it need not do so yet
   * @param from where to go on; empty for what happens once the agent has been reached
   */
  public static EventClient to(Path socket, FlowFilter filter, Optional<EventPosition> from) {
    return new EventClient(ApiClient.to(socket), filter, from);
  }

  /**
   * Tells the handler what happens, until {@link #close} is called. Once only.
   *
   * @throws ProblemException if the agent refuses for a reason that trying again does not change
   * @throws AgentUnreachableException if the socket is not for us
   * @throws RuntimeException if the handler throws it; the event it was called with has not been
   *     passed then
   */
  public void follow(Handler handler) {
    try {
      while (!isClosed()) {
        String reason = followOnce(handler);
        if (!isClosed()) {
          tell(() -> handler.onDisconnect(reason));
          pause();
        }
      }
    } finally {
      client.close();
    }
  }

  /** Where it has arrived: behind the last event that the handler was told of. */
  public Optional<EventPosition> position() {
    return Optional.ofNullable(position);
  }

  /** Ends {@link #follow}, from any thread. A call of the handler is not cut short. */
  @Override
  public void close() {
    closed.countDown();
    client.abort();
  }

  /** One connection: why it ended. */
  private String followOnce(Handler handler) {
    try {
      try {
        read(Optional.ofNullable(position), handler);
      } catch (ProblemException e) {
        if (inHandler || e.problem().kind() != Problem.Kind.OTHER_STREAM) {
          throw e;
        }
        readFromStart(handler);
      }
      return "the agent ended the stream";
    } catch (ProblemException e) {
      if (inHandler || e.problem().kind().status() < 500) {
        throw e;
      }
      return e.problem().detail();
    } catch (AgentUnreachableException e) {
      if (inHandler
          || (e.reason() == AgentUnreachableException.Reason.NOT_PERMITTED && !isClosed())) {
        throw e;
      }
      return String.valueOf(e.getMessage());
    }
  }

  private void read(Optional<EventPosition> from, Handler handler) {
    client.frames(filter, from, opened -> onOpen(opened, handler), event -> tell(event, handler));
  }

  /** Of whatever stream there is now. */
  private void readFromStart(Handler handler) {
    client.framesFromStart(
        filter, opened -> onOpen(opened, handler), event -> tell(event, handler));
  }

  private void onOpen(EventPosition opened, Handler handler) {
    EventPosition before = position;
    if (before != null && !before.stream().equals(opened.stream())) {
      tell(() -> handler.onAgentRestart(before));
    }
    position = opened;
    pauseMillis = FIRST_PAUSE_MILLIS;
  }

  private boolean tell(EventFrame event, Handler handler) {
    EventPosition at = position;
    if (at == null) {
      throw new IllegalStateException("an event before the answer's header");
    }
    tell(() -> handler.onEvent(event));
    position = new EventPosition(at.stream(), event.nextSequence());
    return !isClosed();
  }

  /** What the handler throws is not for us, even if it is like what the agent makes us throw. */
  private void tell(Runnable call) {
    inHandler = true;
    call.run();
    inHandler = false;
  }

  private void pause() {
    try {
      if (!closed.await(pauseMillis, TimeUnit.MILLISECONDS)) {
        pauseMillis = Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS);
      }
    } catch (InterruptedException e) {
      close();
      Thread.currentThread().interrupt();
    }
  }

  private boolean isClosed() {
    return closed.getCount() == 0;
  }
}
