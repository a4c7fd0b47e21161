package dev.sluice.fastpath;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Programs of a fast path played in Java, for tests of those who read what they carry. */
public final class PlayedPrograms {
  /** Packets of one direction of a flow, as they come in. */
  public record Direction(
      int protocol, IpAddress source, int sourcePort, IpAddress destination, int destinationPort) {
    /** The packets that answer them. */
    public Direction reversed() {
      return new Direction(
          protocol,
          /* source= */ destination,
          /* sourcePort= */ destinationPort,
          /* destination= */ source,
          /* destinationPort= */ sourcePort);
    }
  }

  /** One direction that is carried. */
  public static final class Entry {
    private final Direction before;
    private final Direction after;
    public long packets;
    public long bytes;
    public boolean ended;

    private Entry(Direction before, Direction after) {
      this.before = before;
      this.after = after;
    }

    public void carry(long morePackets, long moreBytes) {
      packets += morePackets;
      bytes += moreBytes;
    }
  }

  private final Map<Direction, Entry> entries = new LinkedHashMap<>();
  private Iterator<Entry> cursor = List.<Entry>of().iterator();
  private boolean isReading;

  /** A direction is carried from now on; it was not before. */
  public Entry learn(Direction before, Direction after) {
    Entry entry = new Entry(before, after);
    if (entries.putIfAbsent(before, entry) != null) {
      throw new IllegalStateException("carried already: " + before);
    }
    return entry;
  }

  public boolean has(Direction before) {
    return entries.containsKey(before);
  }

  public int size() {
    return entries.size();
  }

  /** As {@link FastPath#flows}. */
  public int flows(OffloadRecords target) {
    if (!isReading) {
      cursor = new ArrayList<>(entries.values()).iterator();
    }
    int count = 0;
    while (count < target.capacity() && cursor.hasNext()) {
      Entry entry = cursor.next();
      if (entries.containsValue(entry)) {
        write(target, count++, entry);
      }
    }
    isReading = count > 0;
    return count;
  }

  /** As {@link FastPath#take}. */
  public int take(OffloadRecords flows, int count) {
    int found = 0;
    for (int i = 0; i < count; i++) {
      Entry taken =
          entries.remove(
              new Direction(
                  flows.protocol(i),
                  flows.source(i),
                  flows.sourcePort(i),
                  flows.destination(i),
                  flows.destinationPort(i)));
      if (taken != null) {
        taken.ended = true;
        write(flows, i, taken);
        found++;
      } else {
        ByteBuffer bytes = flows.memory().bytes();
        bytes.putLong(i * OffloadDescriptor.RECORD_BYTES + OffloadDescriptor.PACKETS_OFFSET, 0);
        bytes.putLong(i * OffloadDescriptor.RECORD_BYTES + OffloadDescriptor.BYTES_OFFSET, 0);
      }
    }
    return found;
  }

  private static void write(OffloadRecords target, int record, Entry entry) {
    Direction from = entry.before;
    Direction to = entry.after;
    target.name(
        record,
        from.protocol(),
        from.source(),
        from.sourcePort(),
        from.destination(),
        from.destinationPort());
    ByteBuffer bytes = target.memory().bytes();
    int at = record * OffloadDescriptor.RECORD_BYTES;
    bytes.put(
        at + OffloadDescriptor.FAMILY_OFFSET,
        (byte)
            (from.source().family() == Family.IPV4
                ? OffloadDescriptor.AF_INET
                : OffloadDescriptor.AF_INET6));
    bytes.put(at + OffloadDescriptor.ENDED_OFFSET, (byte) (entry.ended ? 1 : 0));
    bytes.put(at + OffloadDescriptor.NEW_SRC_OFFSET, to.source().toBytes());
    bytes.put(at + OffloadDescriptor.NEW_DST_OFFSET, to.destination().toBytes());
    bytes.putShort(at + OffloadDescriptor.NEW_SRC_PORT_OFFSET, (short) to.sourcePort());
    bytes.putShort(at + OffloadDescriptor.NEW_DST_PORT_OFFSET, (short) to.destinationPort());
    bytes.putLong(at + OffloadDescriptor.PACKETS_OFFSET, entry.packets);
    bytes.putLong(at + OffloadDescriptor.BYTES_OFFSET, entry.bytes);
  }
}
