package dev.sluice.api;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Counts connections, so that nobody can take all of them. Thread-safe. */
final class ConnectionLimits {
  private final int maxTotal;
  private final int maxPerUid;
  private final int maxStreams;
  private final Map<Integer, Integer> perUid = new HashMap<>();
  private int total;
  private int streams;

  ConnectionLimits(int maxTotal, int maxPerUid, int maxStreams) {
    this.maxTotal = maxTotal;
    this.maxPerUid = maxPerUid;
    this.maxStreams = maxStreams;
  }

  /** Counts a connection of the user, unless there are too many: then says which limit it is. */
  synchronized Optional<String> admit(int uid) {
    int own = perUid.getOrDefault(uid, 0);
    if (own >= maxPerUid) {
      return Optional.of(
          "user "
              + Integer.toUnsignedString(uid)
              + " already has "
              + own
              + " connections; close some or try again");
    }
    if (total >= maxTotal) {
      return Optional.of("there are already " + total + " connections; try again");
    }
    perUid.put(uid, own + 1);
    total++;
    return Optional.empty();
  }

  synchronized void release(int uid) {
    total--;
    perUid.computeIfPresent(uid, (key, count) -> count == 1 ? null : count - 1);
  }

  /** Counts an event stream; false if there are too many. */
  synchronized boolean admitStream() {
    if (streams >= maxStreams) {
      return false;
    }
    streams++;
    return true;
  }

  synchronized void releaseStream() {
    streams--;
  }
}
