package dev.sluice.flow;

import dev.sluice.model.MappingId;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** A {@link FlowFilter} as the fields of a {@linkplain LogEntryDescriptor log entry} can tell. */
final class LineFilter {
  private final boolean publishedOnly;

  /** Number of the protocol, -1 for any. */
  private final int protocol;

  private final boolean anyAddress;
  private final long addressHigh;
  private final long addressLow;

  private final boolean anyMapping;
  private final byte[] label;

  /** The text may be an id as well as a name. */
  private final boolean hasId;

  private final long id;

  LineFilter(FlowFilter filter) {
    this.publishedOnly = filter.publishedOnly();
    this.protocol = filter.protocol().map(wanted -> wanted.number()).orElse(-1);
    IpAddress address = filter.address().orElse(null);
    this.anyAddress = address == null;
    this.addressHigh = address == null ? 0 : MappingIndex.high(address);
    this.addressLow = address == null ? 0 : MappingIndex.low(address);
    String mapping = filter.mapping().orElse(null);
    this.anyMapping = mapping == null;
    this.label = mapping == null ? new byte[0] : mapping.getBytes(StandardCharsets.UTF_8);
    MappingId parsed = mapping == null ? null : idOrNull(mapping);
    this.hasId = parsed != null;
    this.id = parsed == null ? 0 : parsed.bits();
  }

  boolean admits(EventLog log, long position, long shape) {
    int entryProtocol = LogEntryDescriptor.protocol(shape);
    if (entryProtocol == LogEntryDescriptor.GAP) {
      return true;
    }
    return (protocol < 0 || protocol == entryProtocol)
        && (!publishedOnly || LogEntryDescriptor.labelLength(shape) > 0)
        && (anyMapping || isOfMapping(log, position, shape))
        && (anyAddress || hasAddress(log, position));
  }

  private boolean isOfMapping(EventLog log, long position, long shape) {
    int length = LogEntryDescriptor.labelLength(shape);
    if (length == 0) {
      return false;
    }
    if (hasId && log.longAt(position + LogEntryDescriptor.MAPPING_ID_OFFSET) == id) {
      return true;
    }
    if (length != label.length) {
      return false;
    }
    long at = position + LogEntryDescriptor.LINE_OFFSET + LogEntryDescriptor.labelOffset(shape);
    for (int i = 0; i < length; i++) {
      if (log.byteAt(at + i) != label[i]) {
        return false;
      }
    }
    return true;
  }

  private boolean hasAddress(EventLog log, long position) {
    long at = position + LogEntryDescriptor.ADDRESSES_OFFSET;
    for (int i = 0; i < LogEntryDescriptor.ADDRESS_LONGS; i += 2) {
      if (log.longAt(at + i * 8L) == addressHigh && log.longAt(at + i * 8L + 8) == addressLow) {
        return true;
      }
    }
    return false;
  }

  private static @Nullable MappingId idOrNull(String text) {
    try {
      return MappingId.parse(text);
    } catch (MalformedValueException notAnId) {
      return null;
    }
  }
}
