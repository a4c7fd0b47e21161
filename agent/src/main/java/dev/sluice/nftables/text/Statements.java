package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.nftables.expr.Connlimit;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Limit;
import dev.sluice.nftables.expr.Log;
import dev.sluice.nftables.expr.Quota;
import dev.sluice.nftables.expr.Reject;
import dev.sluice.nftables.expr.Synproxy;
import java.util.List;
import java.util.Map;

/** Statements that need no register. */
final class Statements {
  /** nft's own default, which it does not write (nftables, src/statement.c). */
  private static final int DEFAULT_BURST_PACKETS = 5;

  private static final Map<Long, String> UNITS =
      Map.of(1L, "second", 60L, "minute", 3_600L, "hour", 86_400L, "day", 604_800L, "week");

  /** LOG_WARNING of syslog(3), the default. */
  private static final int LOG_WARNING = 4;

  private static final List<String> LOG_LEVELS =
      List.of("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit");

  // NF_LOG_* (linux/netfilter/nf_log.h)
  private static final int LOG_TCP_SEQUENCE = 0x1;
  private static final int LOG_TCP_OPTIONS = 0x2;
  private static final int LOG_IP_OPTIONS = 0x4;
  private static final int LOG_USER = 0x8;
  private static final int LOG_MAC = 0x20;
  private static final int LOG_ALL = 0x2f;

  private static final List<String> ICMPX =
      List.of("no-route", "port-unreachable", "host-unreachable", "admin-prohibited");

  /** Codes of "destination unreachable" (linux/icmp.h); the unnamed ones nft cannot write. */
  private static final Map<Integer, String> ICMP =
      Map.of(
          0, "net-unreachable",
          1, "host-unreachable",
          2, "prot-unreachable",
          3, "port-unreachable",
          9, "net-prohibited",
          10, "host-prohibited",
          13, "admin-prohibited");

  /** The same of ICMPv6 (linux/icmpv6.h). */
  private static final Map<Integer, String> ICMPV6 =
      Map.of(
          0, "no-route",
          1, "admin-prohibited",
          3, "addr-unreachable",
          4, "port-unreachable",
          5, "policy-fail",
          6, "reject-route");

  private Statements() {}

  /** What an element, a set or the statement that changes a set may carry. */
  static String perElement(Expression expression) throws InexpressibleException {
    if (expression instanceof Counter counter) {
      return counter(counter);
    }
    if (expression instanceof Limit limit) {
      return limit(limit);
    }
    if (expression instanceof Connlimit connlimit) {
      return connlimit(connlimit);
    }
    if (expression instanceof Quota quota) {
      return quota(quota);
    }
    throw new InexpressibleException(expression);
  }

  /** The same without what has been counted, as a set declares it. */
  static String declared(Expression expression) throws InexpressibleException {
    return expression instanceof Counter ? "counter" : perElement(expression);
  }

  static String counter(Counter counter) {
    return "counter packets "
        + Long.toUnsignedString(counter.packets())
        + " bytes "
        + Long.toUnsignedString(counter.bytes());
  }

  static String limit(Limit limit) throws InexpressibleException {
    String unit = UNITS.get(limit.unitSeconds());
    if (unit == null) {
      throw new InexpressibleException(limit);
    }
    boolean packets = limit.type() == NFT_LIMIT_PKTS;
    StringBuilder text = new StringBuilder("limit rate ");
    if ((limit.flags() & NFT_LIMIT_F_INV) != 0) {
      text.append("over ");
    }
    text.append(packets ? Long.toUnsignedString(limit.rate()) : Words.bytes(limit.rate()));
    text.append('/').append(unit);
    if (packets && limit.burst() != DEFAULT_BURST_PACKETS) {
      text.append(" burst ").append(Integer.toUnsignedString(limit.burst())).append(" packets");
    } else if (!packets && limit.burst() != 0) {
      text.append(" burst ").append(Words.bytes(Integer.toUnsignedLong(limit.burst())));
    }
    return text.toString();
  }

  static String connlimit(Connlimit limit) {
    boolean over = (limit.flags() & NFT_CONNLIMIT_F_INV) != 0;
    return "ct count " + (over ? "over " : "") + Integer.toUnsignedString(limit.count());
  }

  static String quota(Quota quota) {
    boolean over = (quota.flags() & NFT_QUOTA_F_INV) != 0;
    return "quota "
        + (over ? "over " : "")
        + Words.bytes(quota.bytes())
        + (quota.consumed() == 0 ? "" : " used " + Words.bytes(quota.consumed()));
  }

  static String synproxy(Synproxy synproxy) throws InexpressibleException {
    int known =
        NF_SYNPROXY_OPT_MSS
            | NF_SYNPROXY_OPT_WSCALE
            | NF_SYNPROXY_OPT_SACK_PERM
            | NF_SYNPROXY_OPT_TIMESTAMP;
    int flags = synproxy.flags();
    if ((flags & ~known) != 0) {
      throw new InexpressibleException(synproxy);
    }
    return "synproxy"
        + ((flags & NF_SYNPROXY_OPT_MSS) != 0 ? " mss " + synproxy.mss() : "")
        + ((flags & NF_SYNPROXY_OPT_WSCALE) != 0 ? " wscale " + synproxy.windowScale() : "")
        + ((flags & NF_SYNPROXY_OPT_TIMESTAMP) != 0 ? " timestamp" : "")
        + ((flags & NF_SYNPROXY_OPT_SACK_PERM) != 0 ? " sack-perm" : "");
  }

  static String log(Log log) throws InexpressibleException {
    StringBuilder text = new StringBuilder("log");
    if (!log.prefix().isEmpty()) {
      text.append(" prefix ").append(Words.quoted(log.prefix()));
    }
    if (log.group().isPresent()) {
      text.append(" group ").append(log.group().getAsInt());
      if (log.snapLength() != 0) {
        text.append(" snaplen ").append(Integer.toUnsignedString(log.snapLength()));
      }
      if (log.queueThreshold() != 0) {
        text.append(" queue-threshold ").append(log.queueThreshold());
      }
    }
    int level = log.level().orElse(LOG_WARNING);
    if (level < 0 || level >= LOG_LEVELS.size() || (log.flags() & ~LOG_ALL) != 0) {
      throw new InexpressibleException(log);
    }
    if (level != LOG_WARNING) {
      text.append(" level ").append(LOG_LEVELS.get(level));
    }
    appendFlags(text, log.flags());
    return text.toString();
  }

  private static void appendFlags(StringBuilder text, int flags) {
    if (flags == LOG_ALL) {
      text.append(" flags all");
      return;
    }
    int tcp = flags & (LOG_TCP_SEQUENCE | LOG_TCP_OPTIONS);
    if (tcp != 0) {
      text.append(" flags tcp ")
          .append(
              switch (tcp) {
                case LOG_TCP_SEQUENCE -> "sequence";
                case LOG_TCP_OPTIONS -> "options";
                default -> "sequence,options";
              });
    }
    text.append((flags & LOG_IP_OPTIONS) != 0 ? " flags ip options" : "");
    text.append((flags & LOG_USER) != 0 ? " flags skuid" : "");
    text.append((flags & LOG_MAC) != 0 ? " flags ether" : "");
  }

  /**
   * @param family NFPROTO_* of the packets that get here, as far as the rule has asked for it
   */
  static String reject(Reject reject, int family) throws InexpressibleException {
    if (reject.type() == NFT_REJECT_TCP_RST) {
      return "reject with tcp reset";
    }
    if (reject.type() == NFT_REJECT_ICMPX_UNREACH
        && reject.code() >= 0
        && reject.code() < ICMPX.size()) {
      return reject.code() == NFT_REJECT_ICMPX_PORT_UNREACH
          ? "reject"
          : "reject with icmpx " + ICMPX.get(reject.code());
    }
    if (reject.type() == NFT_REJECT_ICMP_UNREACH) {
      String code = (family == NFPROTO_IPV4 ? ICMP : ICMPV6).get(reject.code());
      if (code != null && family == NFPROTO_IPV4) {
        return "reject with icmp " + code;
      }
      if (code != null && family == NFPROTO_IPV6) {
        return "reject with icmpv6 " + code;
      }
    }
    throw new InexpressibleException(reject);
  }
}
