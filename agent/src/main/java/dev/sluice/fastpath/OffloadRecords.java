package dev.sluice.fastpath;

import static dev.sluice.fastpath.OffloadDescriptor.*;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;

/**
 * Memory for so many records of flows, which C fills and reads. Each is one direction of a flow:
 * its packets as they come in. What a record says is read by its number; nothing is allocated. Not
 * thread-safe.
 */
public final class OffloadRecords {
  /** One call of {@link FastPath#flows} writes no fewer than there is room for, if so many fit. */
  public static final int MIN_FOR_FLOWS = 512;

  private final NativeBuffer memory;
  private final ByteBuffer bytes;
  private final int capacity;

  /**
   * @param capacity in records
   */
  public OffloadRecords(int capacity) {
    this.memory = NativeBuffer.allocate(Math.multiplyExact(capacity, RECORD_BYTES));
    this.bytes = memory.bytes();
    this.capacity = capacity;
  }

  public int capacity() {
    return capacity;
  }

  NativeBuffer memory() {
    return memory;
  }

  public boolean isIpv6(int record) {
    return bytes.get(at(record) + FAMILY_OFFSET) == AF_INET6;
  }

  /** Number of the protocol. */
  public int protocol(int record) {
    return bytes.get(at(record) + PROTO_OFFSET) & 0xff;
  }

  /** Whether the flow is carried no longer; why is told by the counters of {@link Outcome}. */
  public boolean isEnded(int record) {
    return bytes.get(at(record) + ENDED_OFFSET) != 0;
  }

  public int sourcePort(int record) {
    return port(record, SRC_PORT_OFFSET);
  }

  public int destinationPort(int record) {
    return port(record, DST_PORT_OFFSET);
  }

  /**
   * As on the wire: the first or second half of the 16 bytes of an address, IPv4 in the first 4.
   */
  public long sourceHalf(int record, int half) {
    return bytes.getLong(at(record) + SRC_OFFSET + half * Long.BYTES);
  }

  /** As {@link #sourceHalf}. */
  public long destinationHalf(int record, int half) {
    return bytes.getLong(at(record) + DST_OFFSET + half * Long.BYTES);
  }

  public IpAddress source(int record) {
    return address(record, SRC_OFFSET);
  }

  public IpAddress destination(int record) {
    return address(record, DST_OFFSET);
  }

  /** What the packet's source becomes. */
  public IpAddress newSource(int record) {
    return address(record, NEW_SRC_OFFSET);
  }

  public IpAddress newDestination(int record) {
    return address(record, NEW_DST_OFFSET);
  }

  public int newSourcePort(int record) {
    return port(record, NEW_SRC_PORT_OFFSET);
  }

  public int newDestinationPort(int record) {
    return port(record, NEW_DST_PORT_OFFSET);
  }

  /** Index of the device that its packets come in by. */
  public int fromDevice(int record) {
    return bytes.getInt(at(record) + FROM_DEVICE_OFFSET);
  }

  /** Packets carried so far, before segmentation, as conntrack counts. */
  public long packets(int record) {
    return bytes.getLong(at(record) + PACKETS_OFFSET);
  }

  /** Bytes of these, from the IP header on, as conntrack counts. */
  public long bytes(int record) {
    return bytes.getLong(at(record) + BYTES_OFFSET);
  }

  /** Names a flow, for {@link FastPath#take}, by the packets of one direction as they come in. */
  public void name(
      int record,
      int protocol,
      IpAddress source,
      int sourcePort,
      IpAddress destination,
      int destinationPort) {
    int at = at(record);
    for (int i = 0; i < RECORD_BYTES; i += Long.BYTES) {
      bytes.putLong(at + i, 0);
    }
    int family = source.family() == Family.IPV4 ? AF_INET : AF_INET6;
    bytes.put(at + FAMILY_OFFSET, (byte) family).put(at + PROTO_OFFSET, (byte) protocol);
    bytes.putShort(at + SRC_PORT_OFFSET, (short) sourcePort);
    bytes.putShort(at + DST_PORT_OFFSET, (short) destinationPort);
    bytes.put(at + SRC_OFFSET, source.toBytes());
    bytes.put(at + DST_OFFSET, destination.toBytes());
  }

  /** Names the flow of another record, which may be in the same memory. */
  public void name(int record, OffloadRecords others, int other) {
    bytes.put(at(record), others.bytes, others.at(other), RECORD_BYTES);
  }

  private int at(int record) {
    if (record < 0 || record >= capacity) {
      throw new IndexOutOfBoundsException(record);
    }
    return record * RECORD_BYTES;
  }

  private int port(int record, int offset) {
    return bytes.getShort(at(record) + offset) & 0xffff;
  }

  private IpAddress address(int record, int offset) {
    byte[] address = new byte[isIpv6(record) ? 16 : 4];
    bytes.get(at(record) + offset, address);
    return IpAddress.fromBytes(address);
  }
}
