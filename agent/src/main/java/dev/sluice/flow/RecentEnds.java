package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.*;

import dev.sluice.conntrack.FlowRecord;
import java.util.Arrays;

/**
 * Which flows have ended lately, by a 64-bit hash of id, tuple, zone and start: the kernel may tell
 * an end twice, and a dump may show a flow whose end was told meanwhile. One thread; remembers at
 * least the last {@value #REMEMBERED} ends.
 */
final class RecentEnds {
  static final int REMEMBERED = 1 << 18;

  private static final int MIN_SLOTS = 1 << 10;
  private static final long STARTLESS = Long.MIN_VALUE;
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  // Two sets by open addressing; when the young one is full, it becomes the old one.
  private long[] young = new long[MIN_SLOTS];
  private long[] old = new long[MIN_SLOTS];
  private int youngSize;

  /** Remembers the end of a flow, with its start if the record tells it. */
  void add(FlowRecord record) {
    add(hash(record, startOf(record)));
  }

  /**
   * Whether an end of this very flow is remembered; where the record tells no start, one of a flow
   * with its id and tuple that had none either.
   */
  boolean contains(FlowRecord record) {
    return contains(hash(record, startOf(record)));
  }

  /** Whether an end of a flow with this id and tuple is remembered that had no start. */
  boolean containsStartless(FlowRecord record) {
    return contains(hash(record, STARTLESS));
  }

  private static long startOf(FlowRecord record) {
    return record.hasStart() ? record.startNanos() : STARTLESS;
  }

  private boolean contains(long hash) {
    return contains(young, hash) || contains(old, hash);
  }

  private void add(long hash) {
    if (youngSize == REMEMBERED) {
      long[] forgotten = old.length == young.length ? old : new long[young.length];
      Arrays.fill(forgotten, 0);
      old = young;
      young = forgotten;
      youngSize = 0;
    } else if (youngSize >= young.length / 2) {
      long[] larger = new long[young.length * 2];
      for (long one : young) {
        if (one != 0) {
          larger[slotOf(larger, one)] = one;
        }
      }
      young = larger;
    }
    int slot = slotOf(young, hash);
    if (young[slot] == 0) {
      young[slot] = hash;
      youngSize++;
    }
  }

  private static boolean contains(long[] set, long hash) {
    return set[slotOf(set, hash)] != 0;
  }

  /** Where the hash is, or would be. */
  private static int slotOf(long[] set, long hash) {
    int slot = (int) (hash >>> 32) & (set.length - 1);
    while (set[slot] != 0 && set[slot] != hash) {
      slot = (slot + 1) & (set.length - 1);
    }
    return slot;
  }

  private static long hash(FlowRecord record, long startNanos) {
    long hash = startNanos * MULTIPLIER;
    hash = mix(hash, record.rawInt(ID_OFFSET));
    hash = mix(hash, (record.protocol() << 16) | record.zone());
    hash = mix(hash, record.rawLong(ORIG_SRC_PORT_OFFSET));
    hash = mix(hash, record.rawInt(ORIG_ICMP_TYPE_OFFSET));
    for (int at = ORIG_SRC_OFFSET; at < REPLY_SRC_OFFSET; at += Long.BYTES) {
      hash = mix(hash, record.rawLong(at));
    }
    return hash == 0 ? 1 : hash;
  }

  private static long mix(long hash, long value) {
    long mixed = (hash ^ value) * MULTIPLIER;
    return mixed ^ (mixed >>> 32);
  }
}
