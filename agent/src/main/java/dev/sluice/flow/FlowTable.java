package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.*;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.LinuxNfConntrack;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The flows that are open, as far as their events told: off the heap, {@value #SLOT_BYTES} bytes
 * each, and 4 to 12 bytes of index. One thread; allocates nothing per flow.
 *
 * <p>A flow is found by the kernel's id (a hash, so it is used as one), zone and original tuple.
 * For those who end flows there is a chain for each destination port of the original direction.
 *
 * <pre>
 *    0        1        2        3        4        5        6        7
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                id                 |          next of bucket           |    0
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |              status               |               mark                |    8
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   | flags  | family | proto  |p. state|      zone       |   zone fields   |   16
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  ICMP types and codes (32 bits)   |             generation            |   24
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |          the four ports, as in a record (8 bytes)                     |   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |         previous of port          |           next of port            |   40
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                      start or first event (ns)                        |   48
 *   |                            last event (ns)                            |   56
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |          the four addresses, as in a record (64 bytes)                |   64
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 */
final class FlowTable {
  static final int SLOT_BYTES = 128;
  static final int NONE = -1;

  /** Set in every slot that holds a flow. */
  private static final int FLAG_USED = 1;

  /** The start is the kernel's; else it is the time of the event that told of the flow. */
  static final int FLAG_EXACT_START = 2;

  /** Only a dump told of the flow so far. */
  static final int FLAG_FROM_DUMP = 4;

  /** A dump found the flow in another state than its events told. */
  static final int FLAG_DIFFERS = 8;

  /** Began before somebody listened, so that the kernel may not tell its end. */
  static final int FLAG_OLDER = 16;

  /** The start is the time that the kernel gave to the event of the beginning. */
  static final int FLAG_BEGAN = 32;

  /** These change without an event. */
  private static final int SILENT_STATUS =
      LinuxNfConntrack.IPS_OFFLOAD | LinuxNfConntrack.IPS_HW_OFFLOAD;

  private static final int ID = 0;
  private static final int NEXT_OF_BUCKET = 4;
  private static final int STATUS = 8;
  private static final int MARK = 12;
  private static final int FLAGS = 16;
  private static final int FAMILY = 17;
  private static final int PROTO = 18;
  private static final int PROTO_STATE = 19;
  private static final int ZONE = 20;

  /** Bits of present, shifted: which zone it is, whether there are ports or ICMP's, and a state. */
  private static final int FIELDS = 22;

  private static final int ICMP = 24;
  private static final int GENERATION = 28;
  private static final int PORTS = 32;
  private static final int PREVIOUS_OF_PORT = 40;
  private static final int NEXT_OF_PORT = 44;
  private static final int START = 48;
  private static final int LAST = 56;
  private static final int ADDRESSES = 64;

  private static final int KEPT_FIELDS =
      SLUICE_HAS_PROTO_STATE
          | SLUICE_HAS_PORTS
          | SLUICE_HAS_ICMP
          | SLUICE_HAS_ZONE
          | SLUICE_HAS_ORIG_ZONE
          | SLUICE_HAS_REPLY_ZONE;

  private static final int CHUNK_SLOTS = 1 << 12;
  private static final int MIN_BUCKETS = 1 << 10;
  private static final int PORT_CHAINS = 1 << 17;

  private final int capacity;
  private final List<ByteBuffer> chunks = new ArrayList<>();
  private final List<MappingIndex.@Nullable Publication[]> owners = new ArrayList<>();

  /** Slot + 1 of each chain's first, 0 if it is empty. */
  private int[] buckets = new int[MIN_BUCKETS];

  private final int[] portChains = new int[PORT_CHAINS];

  /** Chained by NEXT_OF_BUCKET. */
  private int firstFree = NONE;

  private int slots;
  private int size;

  /** The slot that the walk through a port's flows comes to next. */
  private int walk = NONE;

  /**
   * @param capacity how many flows it holds at most
   */
  FlowTable(int capacity) {
    this.capacity = capacity;
  }

  int size() {
    return size;
  }

  /** Bytes taken, of which those of flows that have ended are used again. */
  long memoryBytes() {
    return (long) chunks.size() * CHUNK_SLOTS * (SLOT_BYTES + Integer.BYTES)
        + (long) buckets.length * Integer.BYTES;
  }

  /** The slot of the flow that the record is about, or {@link #NONE}. */
  int find(FlowRecord record) {
    int id = record.rawInt(ID_OFFSET);
    for (int slot = buckets[bucketOf(id)] - 1; slot >= 0; ) {
      ByteBuffer chunk = chunk(slot);
      int at = offset(slot);
      if (chunk.getInt(at + ID) == id && isSame(chunk, at, record)) {
        return slot;
      }
      slot = chunk.getInt(at + NEXT_OF_BUCKET) - 1;
    }
    return NONE;
  }

  private static boolean isSame(ByteBuffer chunk, int at, FlowRecord record) {
    return chunk.getLong(at + PORTS) == record.rawLong(ORIG_SRC_PORT_OFFSET)
        && chunk.getLong(at + ADDRESSES) == record.rawLong(ORIG_SRC_OFFSET)
        && chunk.getLong(at + ADDRESSES + 16) == record.rawLong(ORIG_DST_OFFSET)
        && chunk.getLong(at + ADDRESSES + 8) == record.rawLong(ORIG_SRC_OFFSET + 8)
        && chunk.getLong(at + ADDRESSES + 24) == record.rawLong(ORIG_DST_OFFSET + 8)
        && (chunk.get(at + PROTO) & 0xff) == record.protocol()
        && (chunk.getShort(at + ZONE) & 0xffff) == record.zone()
        && chunk.getInt(at + ICMP) == record.rawInt(ORIG_ICMP_TYPE_OFFSET);
  }

  /**
   * Takes the flow of the record in.
   *
   * @param startNanos when it began, or the first that is known of it
   * @return its slot, or {@link #NONE} if the table is full
   */
  int insert(
      FlowRecord record,
      MappingIndex.@Nullable Publication owner,
      long startNanos,
      int flags,
      int generation) {
    int slot = take();
    if (slot == NONE) {
      return NONE;
    }
    ByteBuffer chunk = chunk(slot);
    int at = offset(slot);
    int id = record.rawInt(ID_OFFSET);
    int bucket = bucketOf(id);
    chunk.putInt(at + ID, id);
    chunk.putInt(at + NEXT_OF_BUCKET, buckets[bucket]);
    buckets[bucket] = slot + 1;
    chunk.put(at + FLAGS, (byte) (FLAG_USED | flags));
    chunk.put(at + FAMILY, (byte) (record.rawInt(KIND_OFFSET) >>> familyShift()));
    chunk.put(at + PROTO, (byte) record.protocol());
    chunk.putShort(at + ZONE, (short) record.zone());
    chunk.putShort(at + FIELDS, fields(record.rawInt(PRESENT_OFFSET)));
    chunk.putInt(at + ICMP, record.rawInt(ORIG_ICMP_TYPE_OFFSET));
    chunk.putInt(at + GENERATION, generation);
    chunk.putLong(at + PORTS, record.rawLong(ORIG_SRC_PORT_OFFSET));
    chunk.putLong(at + START, startNanos);
    for (int i = 0; i < 4 * ADDRESS_BYTES; i += Long.BYTES) {
      chunk.putLong(at + ADDRESSES + i, record.rawLong(ORIG_SRC_OFFSET + i));
    }
    chunk.put(at + PROTO_STATE, (byte) record.protocolState());
    chunk.putInt(at + STATUS, record.status());
    chunk.putInt(at + MARK, record.mark());
    chunk.putLong(at + LAST, record.eventNanos());
    owners.get(slot / CHUNK_SLOTS)[slot % CHUNK_SLOTS] = owner;
    enterPortChain(slot, chunk, at);
    size++;
    return slot;
  }

  /** Takes over what the record says about the state of the flow in the slot. */
  void update(int slot, FlowRecord record) {
    ByteBuffer chunk = chunk(slot);
    int at = offset(slot);
    chunk.putInt(at + STATUS, record.status());
    // The kernel leaves out a mark of 0.
    chunk.putInt(at + MARK, record.mark());
    if (record.hasProtocolState()) {
      chunk.put(at + PROTO_STATE, (byte) record.protocolState());
      chunk.putShort(
          at + FIELDS, (short) (chunk.getShort(at + FIELDS) | fields(SLUICE_HAS_PROTO_STATE)));
    }
    chunk.putLong(at + LAST, record.eventNanos());
  }

  /** Whether the record tells the state that is known. */
  boolean isInState(int slot, FlowRecord record) {
    ByteBuffer chunk = chunk(slot);
    int at = offset(slot);
    return ((chunk.getInt(at + STATUS) ^ record.status()) & ~SILENT_STATUS) == 0
        && chunk.getInt(at + MARK) == record.mark()
        && (!record.hasProtocolState()
            || (chunk.get(at + PROTO_STATE) & 0xff) == record.protocolState());
  }

  /** Forgets the flow in the slot. */
  void remove(int slot) {
    ByteBuffer chunk = chunk(slot);
    int at = offset(slot);
    leavePortChain(slot, chunk, at);
    int bucket = bucketOf(chunk.getInt(at + ID));
    int following = chunk.getInt(at + NEXT_OF_BUCKET);
    if (buckets[bucket] == slot + 1) {
      buckets[bucket] = following;
    } else {
      int before = buckets[bucket] - 1;
      while (chunk(before).getInt(offset(before) + NEXT_OF_BUCKET) != slot + 1) {
        before = chunk(before).getInt(offset(before) + NEXT_OF_BUCKET) - 1;
      }
      chunk(before).putInt(offset(before) + NEXT_OF_BUCKET, following);
    }
    owners.get(slot / CHUNK_SLOTS)[slot % CHUNK_SLOTS] = null;
    chunk.put(at + FLAGS, (byte) 0);
    chunk.putInt(at + NEXT_OF_BUCKET, firstFree);
    firstFree = slot;
    size--;
  }

  /** The mapping that leads the flow. */
  MappingIndex.@Nullable Publication owner(int slot) {
    return owners.get(slot / CHUNK_SLOTS)[slot % CHUNK_SLOTS];
  }

  /** See {@link #FLAG_EXACT_START}. */
  long startNanos(int slot) {
    return chunk(slot).getLong(offset(slot) + START);
  }

  void setStart(int slot, long nanos) {
    chunk(slot).putLong(offset(slot) + START, nanos);
  }

  boolean has(int slot, int flag) {
    return (chunk(slot).get(offset(slot) + FLAGS) & flag) != 0;
  }

  void set(int slot, int flag) {
    int at = offset(slot) + FLAGS;
    chunk(slot).put(at, (byte) (chunk(slot).get(at) | flag));
  }

  void clear(int slot, int flag) {
    int at = offset(slot) + FLAGS;
    chunk(slot).put(at, (byte) (chunk(slot).get(at) & ~flag));
  }

  int generation(int slot) {
    return chunk(slot).getInt(offset(slot) + GENERATION);
  }

  void setGeneration(int slot, int generation) {
    chunk(slot).putInt(offset(slot) + GENERATION, generation);
  }

  /** Hands every slot that holds a flow to {@code consumer}. */
  void forEach(IntConsumer consumer) {
    for (int slot = 0; slot < slots; slot++) {
      if (has(slot, FLAG_USED)) {
        consumer.accept(slot);
      }
    }
  }

  /** How many slots have ever held a flow: those of the flows that are open are below. */
  int slots() {
    return slots;
  }

  boolean isUsed(int slot) {
    return has(slot, FLAG_USED);
  }

  /**
   * Begins a walk through the flows that were sent to {@code port}, and some others, and ends the
   * one before. Between its steps flows may come and go: it leaves out those that come, and meets
   * every other that stays once.
   */
  void walkTo(int protocol, int port) {
    walk = portChains[portChain(protocol, port)] - 1;
  }

  void endWalk() {
    walk = NONE;
  }

  /** The slot of the walk's next flow, or {@link #NONE} at its end. */
  int walkOn() {
    int slot = walk;
    if (slot != NONE) {
      walk = chunk(slot).getInt(offset(slot) + NEXT_OF_PORT) - 1;
    }
    return slot;
  }

  /**
   * Makes a record of what is known of the flow.
   *
   * @param target {@value dev.sluice.conntrack.FlowRecordDescriptor#RECORD_BYTES} bytes, native
   *     byte order
   */
  void copyTo(int slot, int kind, long eventNanos, ByteBuffer target) {
    ByteBuffer chunk = chunk(slot);
    int at = offset(slot);
    for (int i = 0; i < RECORD_BYTES; i += Long.BYTES) {
      target.putLong(i, 0);
    }
    int flags = chunk.get(at + FLAGS);
    int mark = chunk.getInt(at + MARK);
    int present =
        ((chunk.getShort(at + FIELDS) << 3) & KEPT_FIELDS)
            | SLUICE_HAS_ID
            | SLUICE_HAS_STATUS
            | (mark == 0 ? 0 : SLUICE_HAS_MARK)
            | ((flags & FLAG_EXACT_START) == 0 ? 0 : SLUICE_HAS_START);
    target.put(KIND_OFFSET, (byte) kind);
    target.put(FAMILY_OFFSET, chunk.get(at + FAMILY));
    target.put(PROTO_OFFSET, chunk.get(at + PROTO));
    target.put(PROTO_STATE_OFFSET, chunk.get(at + PROTO_STATE));
    target.putShort(ZONE_OFFSET, chunk.getShort(at + ZONE));
    target.putLong(EVENT_NS_OFFSET, eventNanos);
    target.putInt(PRESENT_OFFSET, present);
    target.putInt(ID_OFFSET, chunk.getInt(at + ID));
    target.putInt(STATUS_OFFSET, chunk.getInt(at + STATUS));
    target.putInt(MARK_OFFSET, mark);
    target.putInt(ORIG_ICMP_TYPE_OFFSET, chunk.getInt(at + ICMP));
    target.putLong(ORIG_SRC_PORT_OFFSET, chunk.getLong(at + PORTS));
    for (int i = 0; i < 4 * ADDRESS_BYTES; i += Long.BYTES) {
      target.putLong(ORIG_SRC_OFFSET + i, chunk.getLong(at + ADDRESSES + i));
    }
    if ((flags & FLAG_EXACT_START) != 0) {
      target.putLong(START_NS_OFFSET, chunk.getLong(at + START));
    }
  }

  /** As {@link #copyTo}, at the time of the last event, and with the start if it is about known. */
  void copyForCaller(int slot, int kind, ByteBuffer target) {
    copyTo(slot, kind, lastNanos(slot), target);
    if (has(slot, FLAG_BEGAN)) {
      target.putInt(PRESENT_OFFSET, target.getInt(PRESENT_OFFSET) | SLUICE_HAS_START);
      target.putLong(START_NS_OFFSET, startNanos(slot));
    }
  }

  /** When the last event of the flow was. */
  long lastNanos(int slot) {
    return chunk(slot).getLong(offset(slot) + LAST);
  }

  // ---- chains of ports

  private static int portChain(int protocol, int port) {
    return (protocol == LinuxNfConntrack.IPPROTO_TCP ? 0 : 0x10000) | port;
  }

  /** -1 for a flow without ports. */
  private static int portChain(ByteBuffer chunk, int at) {
    if (((chunk.getShort(at + FIELDS) << 3) & SLUICE_HAS_PORTS) == 0) {
      return -1;
    }
    return portChain(chunk.get(at + PROTO) & 0xff, chunk.getShort(at + PORTS + 2) & 0xffff);
  }

  private void enterPortChain(int slot, ByteBuffer chunk, int at) {
    int chain = portChain(chunk, at);
    if (chain < 0) {
      return;
    }
    int first = portChains[chain];
    chunk.putInt(at + PREVIOUS_OF_PORT, 0);
    chunk.putInt(at + NEXT_OF_PORT, first);
    if (first != 0) {
      chunk(first - 1).putInt(offset(first - 1) + PREVIOUS_OF_PORT, slot + 1);
    }
    portChains[chain] = slot + 1;
  }

  private void leavePortChain(int slot, ByteBuffer chunk, int at) {
    int chain = portChain(chunk, at);
    if (chain < 0) {
      return;
    }
    int previous = chunk.getInt(at + PREVIOUS_OF_PORT);
    int following = chunk.getInt(at + NEXT_OF_PORT);
    if (walk == slot) {
      walk = following - 1;
    }
    if (previous == 0) {
      portChains[chain] = following;
    } else {
      chunk(previous - 1).putInt(offset(previous - 1) + NEXT_OF_PORT, following);
    }
    if (following != 0) {
      chunk(following - 1).putInt(offset(following - 1) + PREVIOUS_OF_PORT, previous);
    }
  }

  // ---- slots

  private int take() {
    if (firstFree != NONE) {
      int slot = firstFree;
      firstFree = chunk(slot).getInt(offset(slot) + NEXT_OF_BUCKET);
      return slot;
    }
    if (slots == capacity) {
      return NONE;
    }
    if (slots == buckets.length) {
      growIndex();
    }
    if (slots == chunks.size() * CHUNK_SLOTS) {
      chunks.add(
          ByteBuffer.allocateDirect(CHUNK_SLOTS * SLOT_BYTES).order(ByteOrder.nativeOrder()));
      owners.add(new MappingIndex.@Nullable Publication[CHUNK_SLOTS]);
    }
    return slots++;
  }

  private void growIndex() {
    buckets = new int[buckets.length * 2];
    forEach(
        slot -> {
          int bucket = bucketOf(chunk(slot).getInt(offset(slot) + ID));
          chunk(slot).putInt(offset(slot) + NEXT_OF_BUCKET, buckets[bucket]);
          buckets[bucket] = slot + 1;
        });
  }

  private int bucketOf(int id) {
    return (id * 0x9e37_79b9) >>> Integer.numberOfLeadingZeros(buckets.length - 1);
  }

  private ByteBuffer chunk(int slot) {
    return chunks.get(slot / CHUNK_SLOTS);
  }

  private static int offset(int slot) {
    return slot % CHUNK_SLOTS * SLOT_BYTES;
  }

  /** Of present, what is kept, in 16 bits. */
  private static short fields(int present) {
    return (short) ((present & KEPT_FIELDS) >>> 3);
  }

  /** The family is the second byte of a record. */
  private static int familyShift() {
    return ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? 8 : 16;
  }
}
