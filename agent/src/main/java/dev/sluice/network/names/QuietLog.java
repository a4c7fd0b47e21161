package dev.sluice.network.names;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A log that containers cannot fill: each kind of trouble is told at most once a minute, with how
 * often it was left out. For one thread.
 */
final class QuietLog {
  private static final Logger LOG = LoggerFactory.getLogger(Responder.class);
  private static final long SILENCE_NANOS = TimeUnit.MINUTES.toNanos(1);

  /** What can go wrong. */
  enum Trouble {
    /** A defect of ours. */
    DEFECT("a query for a name could not be handled"),
    /** Receiving a query, accepting a connection, or sending an answer. */
    SOCKET("the sockets of the responder for names have trouble"),
    /** Asking one resolver of the host; the next one is tried. */
    RESOLVER("a resolver of the host cannot be asked for a name"),
    /** No resolver has answered. */
    UNANSWERED("no resolver of the host has answered"),
    /** More wait for the host's resolvers than are allowed. */
    CROWDED("too many queries wait for the host's resolvers; containers are told SERVFAIL");

    private final String sentence;

    Trouble(String sentence) {
      this.sentence = sentence;
    }
  }

  private static final class Kind {
    private long toldNanos;
    private long leftOut;
  }

  private final Map<Trouble, Kind> kinds = new EnumMap<>(Trouble.class);

  void tell(Trouble trouble, String details) {
    long now = System.nanoTime();
    Kind kind = kinds.get(trouble);
    if (kind == null) {
      kind = new Kind();
      kinds.put(trouble, kind);
    } else if (now - kind.toldNanos < SILENCE_NANOS) {
      kind.leftOut++;
      return;
    }
    String before = kind.leftOut == 0 ? "" : " (and " + kind.leftOut + " times since last told)";
    LOG.warn("{}: {}{}", trouble.sentence, details, before);
    kind.toldNanos = now;
    kind.leftOut = 0;
  }

  /** As {@link #tell}; where it was is told at the level of debugging each time. */
  void tell(Trouble trouble, Throwable cause) {
    tell(trouble, cause.toString());
    LOG.debug("{}", trouble.sentence, cause);
  }
}
