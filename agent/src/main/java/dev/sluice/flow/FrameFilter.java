package dev.sluice.flow;

import static dev.sluice.flow.FrameDescriptor.*;

import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.model.MappingId;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** A {@link FlowFilter} for {@linkplain FrameDescriptor frames}. Gaps and alarms always pass. */
final class FrameFilter {
  private final boolean admitsAll;
  private final boolean publishedOnly;

  /** Bit k is set if events of kind k are wanted. */
  private final int kinds;

  /** Number of the protocol, -1 for any. */
  private final int protocol;

  private final boolean anyAddress;
  private final boolean ipv6;

  // As a record holds it, an IPv4 address with zeros behind it.
  private final long addressFirst;
  private final long addressSecond;

  private final boolean anyMapping;
  private final byte[] label;

  /** The text may be an id as well as a name. */
  private final boolean hasId;

  private final long id;

  FrameFilter(FlowFilter filter) {
    this.admitsAll = filter.equals(FlowFilter.ALL);
    this.publishedOnly = filter.publishedOnly();
    this.kinds = kinds(filter);
    this.protocol = filter.protocol().map(wanted -> wanted.number()).orElse(-1);
    IpAddress address = filter.address().orElse(null);
    this.anyAddress = address == null;
    this.ipv6 = address != null && address.family() == Family.IPV6;
    ByteBuffer bytes = ByteBuffer.allocate(2 * Long.BYTES).order(ByteOrder.nativeOrder());
    if (address != null) {
      bytes.put(0, address.toBytes());
    }
    this.addressFirst = bytes.getLong(0);
    this.addressSecond = bytes.getLong(Long.BYTES);
    String mapping = filter.mapping().orElse(null);
    this.anyMapping = mapping == null;
    this.label = mapping == null ? new byte[0] : mapping.getBytes(StandardCharsets.UTF_8);
    MappingId parsed = mapping == null ? null : idOrNull(mapping);
    this.hasId = parsed != null;
    this.id = parsed == null ? 0 : parsed.bits();
  }

  boolean admits(ByteBuffer frame) {
    int kind = frame.get(RECORD_OFFSET + FlowRecordDescriptor.KIND_OFFSET);
    if (admitsAll || kind > FlowRecordDescriptor.SLUICE_KIND_DESTROY) {
      return true;
    }
    return (kinds & 1 << kind) != 0
        && (protocol < 0
            || protocol == (frame.get(RECORD_OFFSET + FlowRecordDescriptor.PROTO_OFFSET) & 0xff))
        && (!publishedOnly || frame.get(LABEL_LENGTH_OFFSET) > 0)
        && (anyMapping || isOfMapping(frame))
        && (anyAddress || hasAddress(frame));
  }

  private boolean isOfMapping(ByteBuffer frame) {
    int length = frame.get(LABEL_LENGTH_OFFSET);
    if (length == 0) {
      return false;
    }
    if (hasId && frame.getLong(MAPPING_ID_OFFSET) == id) {
      return true;
    }
    if (length != label.length) {
      return false;
    }
    for (int i = 0; i < length; i++) {
      if (frame.get(LABEL_OFFSET + i) != label[i]) {
        return false;
      }
    }
    return true;
  }

  private boolean hasAddress(ByteBuffer frame) {
    boolean six =
        frame.get(RECORD_OFFSET + FlowRecordDescriptor.FAMILY_OFFSET) == LinuxNfConntrack.AF_INET6;
    if (six != ipv6) {
      return false;
    }
    int end = RECORD_OFFSET + FlowRecordDescriptor.REPLY_DST_OFFSET;
    for (int at = RECORD_OFFSET + FlowRecordDescriptor.ORIG_SRC_OFFSET;
        at <= end;
        at += FlowRecordDescriptor.ADDRESS_BYTES) {
      if (frame.getLong(at) == addressFirst && frame.getLong(at + Long.BYTES) == addressSecond) {
        return true;
      }
    }
    return false;
  }

  private static int kinds(FlowFilter filter) {
    if (filter.kinds().isEmpty()) {
      return -1;
    }
    int kinds = 0;
    for (EventKind kind : filter.kinds()) {
      kinds |=
          1
              << switch (kind) {
                case NEW -> FlowRecordDescriptor.SLUICE_KIND_NEW;
                case UPDATE -> FlowRecordDescriptor.SLUICE_KIND_UPDATE;
                case DESTROY -> FlowRecordDescriptor.SLUICE_KIND_DESTROY;
              };
    }
    return kinds;
  }

  private static @Nullable MappingId idOrNull(String text) {
    try {
      return MappingId.parse(text);
    } catch (MalformedValueException notAnId) {
      return null;
    }
  }
}
