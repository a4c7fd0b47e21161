package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_GROUP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_LEVEL;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_PREFIX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_QTHRESHOLD;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_SNAPLEN;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;
import java.util.OptionalInt;

/**
 * Reports the packet ({@code enum nft_log_attributes}): to the kernel's log, or with a group to
 * whoever listens to nfnetlink_log.
 *
 * @param prefix what the line starts with, at most 127 bytes; empty for none
 * @param group nfnetlink_log group, 0 to 65535; empty for the kernel's log
 * @param snapLength bytes of the packet that are reported to the group; 0 for all
 * @param queueThreshold packets that are collected before the group hears of them; 0 for the
 *     default
 * @param level syslog severity, 0 (emergency) to 7 (debug), 8 (audit); empty for the default, which
 *     the kernel reports as 4 (warning)
 * @param flags NF_LOG_* (linux/netfilter/nf_log.h)
 */
public record Log(
    String prefix,
    OptionalInt group,
    int snapLength,
    int queueThreshold,
    OptionalInt level,
    int flags)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "log";

  /** To the kernel's log, at its default severity. */
  public static Log kernel(String prefix) {
    return new Log(prefix, OptionalInt.empty(), 0, 0, OptionalInt.empty(), 0);
  }

  /** To the nfnetlink_log group {@code group}. */
  public static Log group(int group, String prefix) {
    return new Log(prefix, OptionalInt.of(group), 0, 0, OptionalInt.empty(), 0);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    if (!prefix.isEmpty()) {
      out.attrString(NFTA_LOG_PREFIX, prefix);
    }
    if (group.isPresent()) {
      out.attrU16be(NFTA_LOG_GROUP, group.getAsInt());
    }
    if (snapLength != 0) {
      out.attrU32be(NFTA_LOG_SNAPLEN, snapLength);
    }
    if (queueThreshold != 0) {
      out.attrU16be(NFTA_LOG_QTHRESHOLD, queueThreshold);
    }
    if (level.isPresent()) {
      out.attrU32be(NFTA_LOG_LEVEL, level.getAsInt());
    }
    if (flags != 0) {
      out.attrU32be(NFTA_LOG_FLAGS, flags);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Log decode(AttributeCursor inside) {
    String prefix = "";
    OptionalInt group = OptionalInt.empty();
    int snapLength = 0;
    int queueThreshold = 0;
    OptionalInt level = OptionalInt.empty();
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_LOG_PREFIX -> prefix = inside.string();
        case NFTA_LOG_GROUP -> group = OptionalInt.of(inside.u16be());
        case NFTA_LOG_SNAPLEN -> snapLength = inside.u32be();
        case NFTA_LOG_QTHRESHOLD -> queueThreshold = inside.u16be();
        case NFTA_LOG_LEVEL -> level = OptionalInt.of(inside.u32be());
        case NFTA_LOG_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Log(prefix, group, snapLength, queueThreshold, level, flags);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("log");
    if (!prefix.isEmpty()) {
      text.append(" prefix ").append(prefix);
    }
    if (group.isPresent()) {
      text.append(" group ").append(group.getAsInt());
      text.append(" snaplen ").append(Integer.toUnsignedString(snapLength));
      text.append(" qthreshold ").append(queueThreshold);
    }
    if (level.isPresent()) {
      text.append(" level ").append(level.getAsInt());
    }
    List<String> names = List.of("tcpseq", "tcpopt", "ipopt", "uid", "nflog", "macdecode");
    for (int bit = 0; bit < names.size(); bit++) {
      if ((flags & 1 << bit) != 0) {
        text.append(' ').append(names.get(bit));
      }
    }
    return text.toString();
  }
}
