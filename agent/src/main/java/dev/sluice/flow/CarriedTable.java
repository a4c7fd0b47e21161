package dev.sluice.flow;

import dev.sluice.fastpath.OffloadRecords;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One slot for each direction of a flow that the fast path carries or has carried, found by its
 * packets as they come in: off the heap, {@value #SLOT_BYTES} bytes each, and 8 to 12 bytes of
 * index. Allocates nothing per look. Not thread-safe.
 *
 * <pre>
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  zero  |  zero  |  IPv6  | proto  |   source port   | destination port|    0
 *   |                     source (16 bytes, as on the wire)                 |    8
 *   |                  destination (16 bytes, as on the wire)               |   24
 *   |                 packets that the kernel's entry counted               |   40
 *   |                  bytes that the kernel's entry counted                |   48
 *   |               packets of the flow, in this direction                  |   56
 *   |                bytes of the flow, in this direction                   |   64
 *   |                when it last carried something (ns)                    |   72
 *   |               flags               |          next of bucket           |   80
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 */
final class CarriedTable {
  static final int NONE = -1;
  static final int SLOT_BYTES = 88;

  /** Set in every slot that is used. */
  private static final int FLAG_USED = 1;

  /** The fast path has an entry for the direction. */
  static final int FLAG_LIVE = 1 << 1;

  /** That entry carries nothing any more. */
  static final int FLAG_ENDED = 1 << 2;

  /** The flow is over, and told: what its entry has still counted is the mapping's only. */
  static final int FLAG_OVER = 1 << 3;

  /** The flow is over, and is told once the entry has been taken. */
  static final int FLAG_AWAITED = 1 << 4;

  /** The flow is about to be ended. */
  static final int FLAG_DOOMED = 1 << 5;

  /** Stands in the list of what is to be taken at once. */
  static final int FLAG_LISTED = 1 << 6;

  /** The mapping's traffic goes out in this direction. */
  static final int FLAG_OUT = 1 << 7;

  /** Somebody counts on finding the slot. */
  private static final int PINNED = FLAG_LIVE | FLAG_AWAITED | FLAG_DOOMED | FLAG_LISTED;

  private static final int HEAD = 0;
  private static final int SOURCE = 8;
  private static final int DESTINATION = 24;
  static final int SEEN_PACKETS = 40;
  static final int SEEN_BYTES = 48;
  static final int PACKETS = 56;
  static final int BYTES = 64;
  static final int LAST = 72;
  private static final int FLAGS = 80;
  private static final int NEXT = 84;

  private static final int CHUNK_SLOTS = 1 << 12;
  private static final int MIN_BUCKETS = 1 << 10;
  private static final int EVICTION_LOOKS = 64;
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private final int capacity;
  private final List<ByteBuffer> chunks = new ArrayList<>();
  private final List<MappingIndex.@Nullable Totals[]> owners = new ArrayList<>();

  /** Slot + 1 of each chain's first, 0 if it is empty. */
  private int[] buckets = new int[MIN_BUCKETS];

  /** Chained by NEXT. */
  private int firstFree = NONE;

  private int slots;
  private int size;
  private int hand;

  /**
   * @param capacity directions that it holds at most
   */
  CarriedTable(int capacity) {
    this.capacity = capacity;
  }

  /** Slots that are used. */
  int size() {
    return size;
  }

  /** What tells directions apart beside the addresses. */
  static long head(boolean ipv6, int protocol, int sourcePort, int destinationPort) {
    return (ipv6 ? 1L << 40 : 0)
        | (long) protocol << 32
        | (long) sourcePort << 16
        | destinationPort;
  }

  /** The slot of the direction, or {@link #NONE}; addresses in halves, as they lie in memory. */
  int find(
      long head,
      long sourceFirst,
      long sourceSecond,
      long destinationFirst,
      long destinationSecond) {
    int bucket = bucketOf(head, sourceFirst, sourceSecond, destinationFirst, destinationSecond);
    for (int slot = buckets[bucket] - 1; slot >= 0; ) {
      ByteBuffer chunk = chunk(slot);
      int at = offset(slot);
      if (chunk.getLong(at + HEAD) == head
          && chunk.getLong(at + SOURCE) == sourceFirst
          && chunk.getLong(at + DESTINATION) == destinationFirst
          && chunk.getLong(at + SOURCE + Long.BYTES) == sourceSecond
          && chunk.getLong(at + DESTINATION + Long.BYTES) == destinationSecond) {
        return slot;
      }
      slot = chunk.getInt(at + NEXT) - 1;
    }
    return NONE;
  }

  /**
   * Takes a direction in that is not there, with all counters 0. For lack of room it forgets one of
   * which the kernel has no entry.
   *
   * @return its slot, or {@link #NONE} if there is no room
   */
  int insert(
      long head,
      long sourceFirst,
      long sourceSecond,
      long destinationFirst,
      long destinationSecond) {
    int slot = take();
    if (slot == NONE) {
      return NONE;
    }
    ByteBuffer chunk = chunk(slot);
    int at = offset(slot);
    for (int i = 0; i < SLOT_BYTES; i += Long.BYTES) {
      chunk.putLong(at + i, 0);
    }
    chunk.putLong(at + HEAD, head);
    chunk.putLong(at + SOURCE, sourceFirst);
    chunk.putLong(at + SOURCE + Long.BYTES, sourceSecond);
    chunk.putLong(at + DESTINATION, destinationFirst);
    chunk.putLong(at + DESTINATION + Long.BYTES, destinationSecond);
    chunk.putInt(at + FLAGS, FLAG_USED);
    int bucket = bucketOf(slot);
    chunk.putInt(at + NEXT, buckets[bucket]);
    buckets[bucket] = slot + 1;
    size++;
    return slot;
  }

  void remove(int slot) {
    int bucket = bucketOf(slot);
    int following = chunk(slot).getInt(offset(slot) + NEXT);
    if (buckets[bucket] == slot + 1) {
      buckets[bucket] = following;
    } else {
      int before = buckets[bucket] - 1;
      while (chunk(before).getInt(offset(before) + NEXT) != slot + 1) {
        before = chunk(before).getInt(offset(before) + NEXT) - 1;
      }
      chunk(before).putInt(offset(before) + NEXT, following);
    }
    owners.get(slot / CHUNK_SLOTS)[slot % CHUNK_SLOTS] = null;
    chunk(slot).putInt(offset(slot) + FLAGS, 0);
    chunk(slot).putInt(offset(slot) + NEXT, firstFree);
    firstFree = slot;
    size--;
  }

  /** The direction goes through a mapping. */
  void own(int slot, MappingIndex.@Nullable Totals owner, boolean out) {
    owners.get(slot / CHUNK_SLOTS)[slot % CHUNK_SLOTS] = owner;
    if (out) {
      raise(slot, FLAG_OUT);
    }
  }

  /** The counters of the mapping that the flow goes through. */
  MappingIndex.@Nullable Totals owner(int slot) {
    return owners.get(slot / CHUNK_SLOTS)[slot % CHUNK_SLOTS];
  }

  long get(int slot, int field) {
    return chunk(slot).getLong(offset(slot) + field);
  }

  void set(int slot, int field, long value) {
    chunk(slot).putLong(offset(slot) + field, value);
  }

  /** Whether any of these flags is set. */
  boolean has(int slot, int flags) {
    return (chunk(slot).getInt(offset(slot) + FLAGS) & flags) != 0;
  }

  void raise(int slot, int flags) {
    int at = offset(slot) + FLAGS;
    chunk(slot).putInt(at, chunk(slot).getInt(at) | flags);
  }

  void lower(int slot, int flags) {
    int at = offset(slot) + FLAGS;
    chunk(slot).putInt(at, chunk(slot).getInt(at) & ~flags);
  }

  /** Whether the slot is kept for nothing but what it has counted. */
  boolean isIdle(int slot) {
    return !has(slot, PINNED);
  }

  /** Names the direction in a record. This allocates. */
  void name(int slot, OffloadRecords target, int record) {
    long head = get(slot, HEAD);
    boolean ipv6 = head >>> 40 != 0;
    target.name(
        record,
        (int) (head >>> 32) & 0xff,
        address(slot, SOURCE, ipv6),
        (int) (head >>> 16) & 0xffff,
        address(slot, DESTINATION, ipv6),
        (int) head & 0xffff);
  }

  private IpAddress address(int slot, int field, boolean ipv6) {
    byte[] address = new byte[ipv6 ? 16 : 4];
    chunk(slot).get(offset(slot) + field, address);
    return IpAddress.fromBytes(address);
  }

  private int take() {
    if (firstFree == NONE && slots == capacity) {
      evict();
    }
    if (firstFree != NONE) {
      int slot = firstFree;
      firstFree = chunk(slot).getInt(offset(slot) + NEXT);
      return slot;
    }
    if (slots == capacity) {
      return NONE;
    }
    if (slots == chunks.size() * CHUNK_SLOTS) {
      chunks.add(
          ByteBuffer.allocateDirect(CHUNK_SLOTS * SLOT_BYTES).order(ByteOrder.nativeOrder()));
      owners.add(new MappingIndex.@Nullable Totals[CHUNK_SLOTS]);
    }
    if (slots == buckets.length) {
      growIndex();
    }
    return slots++;
  }

  private void evict() {
    for (int looks = Math.min(EVICTION_LOOKS, slots); looks > 0; looks--) {
      int slot = hand;
      hand = hand + 1 == slots ? 0 : hand + 1;
      if (has(slot, FLAG_USED) && isIdle(slot)) {
        remove(slot);
        return;
      }
    }
  }

  private void growIndex() {
    buckets = new int[buckets.length * 2];
    for (int slot = 0; slot < slots; slot++) {
      if (has(slot, FLAG_USED)) {
        int bucket = bucketOf(slot);
        chunk(slot).putInt(offset(slot) + NEXT, buckets[bucket]);
        buckets[bucket] = slot + 1;
      }
    }
  }

  private int bucketOf(int slot) {
    return bucketOf(
        get(slot, HEAD),
        get(slot, SOURCE),
        get(slot, SOURCE + Long.BYTES),
        get(slot, DESTINATION),
        get(slot, DESTINATION + Long.BYTES));
  }

  private int bucketOf(long head, long first, long second, long third, long fourth) {
    long hash = mix(mix(mix(mix(mix(0, head), first), second), third), fourth);
    return (int) (hash >>> 32) & (buckets.length - 1);
  }

  private static long mix(long hash, long value) {
    long mixed = (hash ^ value) * MULTIPLIER;
    return mixed ^ (mixed >>> 32);
  }

  private ByteBuffer chunk(int slot) {
    return chunks.get(slot / CHUNK_SLOTS);
  }

  private static int offset(int slot) {
    return slot % CHUNK_SLOTS * SLOT_BYTES;
  }
}
