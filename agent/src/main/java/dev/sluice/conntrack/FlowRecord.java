package dev.sluice.conntrack;

import static dev.sluice.conntrack.FlowRecordDescriptor.*;

import dev.sluice.net.Family;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * A window on one flow event in the ring; see {@link FlowRecordDescriptor}. It allocates nothing:
 * addresses are read as integers, and what may be missing has a {@code has} method beside it (the
 * value of a missing field is 0). The methods at the end make values of it, for those who can
 * afford objects.
 *
 * <p>Inside a {@link EventRing.Handler} it is only valid during the call: {@link #copyTo} keeps an
 * event.
 */
public final class FlowRecord {
  /** What happened. */
  public enum Kind {
    /** The first packet of a flow left the host. */
    NEW,
    /** Status, TCP state, mark or the like changed. */
    UPDATE,
    /** The entry was removed; the record has its final counters. */
    DESTROY,
    /** No event: a {@link FlowDump} found the flow in the table, as it was at that moment. */
    ENTRY
  }

  private ByteBuffer bytes;
  private int offset;

  /** A record with memory of its own, for {@link #copyTo}. */
  public FlowRecord() {
    this(ByteBuffer.allocate(RECORD_BYTES).order(ByteOrder.nativeOrder()));
  }

  /** A window on {@code bytes} (native byte order), at its start until {@link #wrap} moves it. */
  FlowRecord(ByteBuffer bytes) {
    this.bytes = bytes;
  }

  /** Moves the window to the record at {@code recordOffset} of {@code memory} (native order). */
  public FlowRecord wrap(ByteBuffer memory, int recordOffset) {
    this.bytes = memory;
    this.offset = recordOffset;
    return this;
  }

  /** Copies the event into {@code target}'s memory. */
  public void copyTo(FlowRecord target) {
    copyTo(target.bytes, target.offset);
  }

  /** Copies the record's {@value FlowRecordDescriptor#RECORD_BYTES} bytes. */
  public void copyTo(ByteBuffer target, int targetOffset) {
    target.put(targetOffset, bytes, offset, RECORD_BYTES);
  }

  public Kind kind() {
    int kind = bytes.get(offset + KIND_OFFSET);
    return switch (kind) {
      case SLUICE_KIND_NEW -> Kind.NEW;
      case SLUICE_KIND_UPDATE -> Kind.UPDATE;
      case SLUICE_KIND_DESTROY -> Kind.DESTROY;
      case SLUICE_KIND_ENTRY -> Kind.ENTRY;
      default -> throw new IllegalStateException("not a flow event: kind=" + kind);
    };
  }

  /** When it happened, ns since 1970. */
  public long eventNanos() {
    return bytes.getLong(offset + EVENT_NS_OFFSET);
  }

  /** Whether {@link #eventNanos} is the kernel's; else it is when the event was read. */
  public boolean hasKernelTime() {
    return has(SLUICE_HAS_EVENT_TIME);
  }

  public boolean isIpv6() {
    return bytes.get(offset + FAMILY_OFFSET) == LinuxNfConntrack.AF_INET6;
  }

  /** The IP protocol number. */
  public int protocol() {
    return bytes.get(offset + PROTO_OFFSET) & 0xff;
  }

  /** The kernel's id of the entry, unsigned 32 bits; used again once the entry is gone. */
  public long id() {
    return bytes.getInt(offset + ID_OFFSET) & 0xffff_ffffL;
  }

  /** IPS_* bits. */
  public int status() {
    return bytes.getInt(offset + STATUS_OFFSET);
  }

  /** The mark, 32 bits; the kernel sends none if it is 0. */
  public int mark() {
    return bytes.getInt(offset + MARK_OFFSET);
  }

  /** The zone of the original direction, 0 if none. */
  public int originalZone() {
    return has(SLUICE_HAS_ZONE | SLUICE_HAS_ORIG_ZONE) ? u16(ZONE_OFFSET) : 0;
  }

  /** The zone of the reply direction, 0 if none. */
  public int replyZone() {
    return has(SLUICE_HAS_ZONE | SLUICE_HAS_REPLY_ZONE) ? u16(ZONE_OFFSET) : 0;
  }

  /** The zone if it was set for any direction, else 0. */
  public int zone() {
    return u16(ZONE_OFFSET);
  }

  public boolean hasTimeout() {
    return has(SLUICE_HAS_TIMEOUT);
  }

  /** Unsigned 32 bits. */
  public long timeoutSeconds() {
    return bytes.getInt(offset + TIMEOUT_SECONDS_OFFSET) & 0xffff_ffffL;
  }

  /** Whether there is a {@link #protocolState}: for TCP in NEW, and whenever it changed. */
  public boolean hasProtocolState() {
    return has(SLUICE_HAS_PROTO_STATE);
  }

  /** TCP_CONNTRACK_* of a TCP flow, or the state of SCTP or DCCP. */
  public int protocolState() {
    return bytes.get(offset + PROTO_STATE_OFFSET) & 0xff;
  }

  public boolean hasPorts() {
    return has(SLUICE_HAS_PORTS);
  }

  public int originalSourcePort() {
    return u16(ORIG_SRC_PORT_OFFSET);
  }

  public int originalDestinationPort() {
    return u16(ORIG_DST_PORT_OFFSET);
  }

  public int replySourcePort() {
    return u16(REPLY_SRC_PORT_OFFSET);
  }

  public int replyDestinationPort() {
    return u16(REPLY_DST_PORT_OFFSET);
  }

  /** Whether there are ICMP types, codes and identifiers; the latter stand in the source ports. */
  public boolean hasIcmp() {
    return has(SLUICE_HAS_ICMP);
  }

  public int originalIcmpType() {
    return bytes.get(offset + ORIG_ICMP_TYPE_OFFSET) & 0xff;
  }

  public int originalIcmpCode() {
    return bytes.get(offset + ORIG_ICMP_CODE_OFFSET) & 0xff;
  }

  public int replyIcmpType() {
    return bytes.get(offset + REPLY_ICMP_TYPE_OFFSET) & 0xff;
  }

  public int replyIcmpCode() {
    return bytes.get(offset + REPLY_ICMP_CODE_OFFSET) & 0xff;
  }

  // Addresses without objects. As in Ip4Address and Ip6Address, the first byte of the address is
  // the
  // highest of the number.

  public int originalSource4() {
    return address4(ORIG_SRC_OFFSET);
  }

  public long originalSourceHigh() {
    return addressHigh(ORIG_SRC_OFFSET);
  }

  public long originalSourceLow() {
    return addressLow(ORIG_SRC_OFFSET);
  }

  public int originalDestination4() {
    return address4(ORIG_DST_OFFSET);
  }

  public long originalDestinationHigh() {
    return addressHigh(ORIG_DST_OFFSET);
  }

  public long originalDestinationLow() {
    return addressLow(ORIG_DST_OFFSET);
  }

  public int replySource4() {
    return address4(REPLY_SRC_OFFSET);
  }

  public long replySourceHigh() {
    return addressHigh(REPLY_SRC_OFFSET);
  }

  public long replySourceLow() {
    return addressLow(REPLY_SRC_OFFSET);
  }

  public int replyDestination4() {
    return address4(REPLY_DST_OFFSET);
  }

  public long replyDestinationHigh() {
    return addressHigh(REPLY_DST_OFFSET);
  }

  public long replyDestinationLow() {
    return addressLow(REPLY_DST_OFFSET);
  }

  /** Whether there are counters: with the end of a flow, if nf_conntrack_acct is 1. */
  public boolean hasCounters() {
    return has(SLUICE_HAS_ORIG_COUNTERS | SLUICE_HAS_REPLY_COUNTERS);
  }

  public long originalPackets() {
    return bytes.getLong(offset + ORIG_PACKETS_OFFSET);
  }

  public long originalBytes() {
    return bytes.getLong(offset + ORIG_BYTES_OFFSET);
  }

  public long replyPackets() {
    return bytes.getLong(offset + REPLY_PACKETS_OFFSET);
  }

  public long replyBytes() {
    return bytes.getLong(offset + REPLY_BYTES_OFFSET);
  }

  /** Whether there is a {@link #startNanos}: with the end, if nf_conntrack_timestamp is 1. */
  public boolean hasStart() {
    return has(SLUICE_HAS_START);
  }

  /** When the first packet came, ns since 1970. */
  public long startNanos() {
    return bytes.getLong(offset + START_NS_OFFSET);
  }

  public boolean hasStop() {
    return has(SLUICE_HAS_STOP);
  }

  /** When the entry was removed, ns since 1970. */
  public long stopNanos() {
    return bytes.getLong(offset + STOP_NS_OFFSET);
  }

  public boolean hasLabels() {
    return has(SLUICE_HAS_LABELS);
  }

  /** ct label bit {@code index}, 0 to 127. */
  public boolean hasLabel(int index) {
    if (index < 0 || index >= LABELS_BYTES * 8) {
      throw new IndexOutOfBoundsException("label " + index + " is not in 0–127");
    }
    int word = bytes.getInt(offset + LABELS_OFFSET + (index >>> 5) * Integer.BYTES);
    return (word >>> (index & 31) & 1) != 0;
  }

  public boolean hasHelper() {
    return has(SLUICE_HAS_HELPER);
  }

  // ---- values made of the record; these allocate

  /** The direction of the first packet. */
  public Tuple original() {
    return tuple(
        ORIG_SRC_OFFSET,
        ORIG_DST_OFFSET,
        ORIG_SRC_PORT_OFFSET,
        ORIG_DST_PORT_OFFSET,
        ORIG_ICMP_TYPE_OFFSET,
        ORIG_ICMP_CODE_OFFSET);
  }

  /** The direction of the answers. */
  public Tuple reply() {
    return tuple(
        REPLY_SRC_OFFSET,
        REPLY_DST_OFFSET,
        REPLY_SRC_PORT_OFFSET,
        REPLY_DST_PORT_OFFSET,
        REPLY_ICMP_TYPE_OFFSET,
        REPLY_ICMP_CODE_OFFSET);
  }

  public Family family() {
    return isIpv6() ? Family.IPV6 : Family.IPV4;
  }

  /**
   * Eight bytes as they lie in memory, at an offset of {@link FlowRecordDescriptor}: for those who
   * compare or copy without caring what they mean.
   */
  public long rawLong(int field) {
    return bytes.getLong(offset + field);
  }

  /** As {@link #rawLong}, four bytes. */
  public int rawInt(int field) {
    return bytes.getInt(offset + field);
  }

  /** The name of the helper, empty if there is none. */
  public Optional<String> helper() {
    return hasHelper()
        ? Optional.of(
            RecordText.read(bytes, offset + HELPER_OFFSET, HELPER_BYTES, StandardCharsets.UTF_8))
        : Optional.empty();
  }

  /** The entry as the event shows it. */
  public ConntrackEntry toEntry() {
    return new ConntrackEntry(
        id(),
        original(),
        reply(),
        status(),
        mark(),
        originalZone(),
        replyZone(),
        hasTimeout() ? OptionalLong.of(timeoutSeconds()) : OptionalLong.empty(),
        hasProtocolState() && protocol() == LinuxNfConntrack.IPPROTO_TCP
            ? OptionalInt.of(protocolState())
            : OptionalInt.empty(),
        has(SLUICE_HAS_ORIG_COUNTERS)
            ? Optional.of(new Counters(originalPackets(), originalBytes()))
            : Optional.empty(),
        has(SLUICE_HAS_REPLY_COUNTERS)
            ? Optional.of(new Counters(replyPackets(), replyBytes()))
            : Optional.empty(),
        hasStart() ? OptionalLong.of(startNanos()) : OptionalLong.empty(),
        hasStop() ? OptionalLong.of(stopNanos()) : OptionalLong.empty(),
        helper());
  }

  /** As {@code conntrack -E} would say it, for logs and debuggers. */
  @Override
  public String toString() {
    return kind() + " id=" + id() + " " + original() + " | " + reply();
  }

  private Tuple tuple(
      int source, int destination, int sourcePort, int destinationPort, int type, int code) {
    Tuple.Detail detail = Tuple.ADDRESSES_ONLY;
    if (hasPorts()) {
      detail = new Tuple.Ports(u16(sourcePort), u16(destinationPort));
    } else if (hasIcmp()) {
      detail =
          new Tuple.Icmp(
              bytes.get(offset + type) & 0xff, bytes.get(offset + code) & 0xff, u16(sourcePort));
    }
    return new Tuple(address(source), address(destination), protocol(), detail);
  }

  private IpAddress address(int field) {
    return isIpv6()
        ? new Ip6Address(addressHigh(field), addressLow(field))
        : new Ip4Address(address4(field));
  }

  private int address4(int field) {
    int value = bytes.getInt(offset + field);
    return NATIVE_IS_BIG ? value : Integer.reverseBytes(value);
  }

  private long addressHigh(int field) {
    long value = bytes.getLong(offset + field);
    return NATIVE_IS_BIG ? value : Long.reverseBytes(value);
  }

  private long addressLow(int field) {
    return addressHigh(field + Long.BYTES);
  }

  private int u16(int field) {
    return bytes.getShort(offset + field) & 0xffff;
  }

  /** Whether any of {@code bits} is set. */
  private boolean has(int bits) {
    return (bytes.getInt(offset + PRESENT_OFFSET) & bits) != 0;
  }

  private static final boolean NATIVE_IS_BIG = ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN;
}
