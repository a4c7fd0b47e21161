package dev.sluice.ruleset.path;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFPROTO_IPV6;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_IN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_POST_ROUTING;

import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.nftables.expr.Opaque;
import dev.sluice.ruleset.path.Packet.Tracking;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * A match or a target of xtables, as iptables uses them: in its own tables, and inside rules of
 * nf_tables ({@code enum nft_match_attributes}, {@code enum nft_target_attributes} of
 * linux/netfilter/nf_tables_compat.h). Layouts are those of linux/netfilter/xt_*.h, numbers in host
 * byte order unless said otherwise. One that is not known here may match or not.
 *
 * @param isTarget whether it is a target
 * @param name as iptables calls it
 * @param revision of its layout
 * @param family of the table, of those it stands in
 * @param info its parameters
 */
record XtExtension(boolean isTarget, String name, int revision, Family family, Bytes info) {
  // The same numbers for a match and for a target.
  private static final int NFTA_MATCH_NAME = 1;
  private static final int NFTA_MATCH_REV = 2;
  private static final int NFTA_MATCH_INFO = 3;

  // linux/netfilter/xt_conntrack.h
  private static final int XT_CONNTRACK_STATE = 1;
  private static final int XT_CONNTRACK_PROTO = 1 << 1;
  private static final int XT_CONNTRACK_ORIGSRC = 1 << 2;
  private static final int XT_CONNTRACK_ORIGDST = 1 << 3;
  private static final int XT_CONNTRACK_REPLSRC = 1 << 4;
  private static final int XT_CONNTRACK_REPLDST = 1 << 5;
  private static final int XT_CONNTRACK_STATUS = 1 << 6;
  private static final int XT_CONNTRACK_EXPIRES = 1 << 7;
  private static final int XT_CONNTRACK_ORIGSRC_PORT = 1 << 8;
  private static final int XT_CONNTRACK_ORIGDST_PORT = 1 << 9;
  private static final int XT_CONNTRACK_REPLSRC_PORT = 1 << 10;
  private static final int XT_CONNTRACK_REPLDST_PORT = 1 << 11;
  private static final int XT_CONNTRACK_DIRECTION = 1 << 12;
  private static final int CONNTRACK_PORTS_OFFSET = 138;
  private static final int CONNTRACK_FLAGS_OFFSET = 146;
  private static final int CONNTRACK_HIGH_PORTS_OFFSET = 154;
  private static final int STATE_SNAT = 1 << 6;
  private static final int STATE_DNAT = 1 << 7;
  private static final int STATE_UNTRACKED = 1 << 8;
  private static final int STATE_INVALID = 1;
  private static final int STATE_NEW = 8;

  private static final List<Map.Entry<Integer, String>> STATES =
      List.of(
          Map.entry(STATE_INVALID, "INVALID"),
          Map.entry(STATE_NEW, "NEW"),
          Map.entry(4, "RELATED"),
          Map.entry(2, "ESTABLISHED"),
          Map.entry(STATE_UNTRACKED, "UNTRACKED"),
          Map.entry(STATE_SNAT, "SNAT"),
          Map.entry(STATE_DNAT, "DNAT"));

  // linux/netfilter/xt_addrtype.h
  private static final int XT_ADDRTYPE_INVERT_SOURCE = 1;
  private static final int XT_ADDRTYPE_INVERT_DEST = 2;
  private static final int XT_ADDRTYPE_LIMIT_IFACE_IN = 4;
  private static final int XT_ADDRTYPE_LIMIT_IFACE_OUT = 8;
  private static final List<String> ADDRESS_TYPES =
      List.of(
          "UNSPEC",
          "UNICAST",
          "LOCAL",
          "BROADCAST",
          "ANYCAST",
          "MULTICAST",
          "BLACKHOLE",
          "UNREACHABLE",
          "PROHIBIT",
          "THROW",
          "NAT");

  private static final int NF_NAT_RANGE_MAP_IPS = 1;
  private static final int NF_NAT_RANGE_PROTO_SPECIFIED = 2;
  private static final int NF_NAT_RANGE_NETMAP = 1 << 6;

  private static final int TCP_SYN = 0x02;
  private static final int PORT_MAX = 65_535;

  /** What a target does. */
  enum Kind {
    CONTINUES,
    ACCEPTED,
    DROPPED,
    REJECTED
  }

  /**
   * What a target has done.
   *
   * @param text how it ends the packet's way; empty if it does not
   * @param translation one to be carried out; null if there is none
   */
  record Effect(Kind kind, String text, @Nullable Translation translation) {
    static final Effect CONTINUES = new Effect(Kind.CONTINUES, "", null);

    static Effect of(Translation translation) {
      return new Effect(Kind.ACCEPTED, "", translation);
    }
  }

  /** Whether an expression of nf_tables is one of xtables. */
  static boolean isOne(Opaque expression) {
    return expression.name().equals("match") || expression.name().equals("target");
  }

  /**
   * Reads it out of its expression.
   *
   * @param nfproto the family of the table
   */
  static XtExtension of(Opaque expression, int nfproto) {
    byte[] raw = expression.rawAttributes().toArray();
    AttributeCursor in =
        AttributeCursor.over(ByteBuffer.wrap(raw).order(ByteOrder.nativeOrder()), 0, raw.length);
    String name = "";
    int revision = 0;
    Bytes info = Bytes.EMPTY;
    while (in.next()) {
      switch (in.type()) {
        case NFTA_MATCH_NAME -> name = in.string();
        case NFTA_MATCH_REV -> revision = in.u32be();
        case NFTA_MATCH_INFO -> info = Bytes.of(in.bytes());
        default -> {}
      }
    }
    return new XtExtension(
        expression.name().equals("target"),
        name,
        revision,
        nfproto == NFPROTO_IPV6 ? Family.IPV6 : Family.IPV4,
        info);
  }

  // ---- reading

  private int u8(int offset) {
    return info.u8(need(offset, 1));
  }

  private int u16(int offset) {
    return bytes(offset, 2).getShort() & 0xffff;
  }

  private int u16be(int offset) {
    return info.u16be(need(offset, 2));
  }

  private int u32(int offset) {
    return bytes(offset, 4).getInt();
  }

  private ByteBuffer bytes(int offset, int length) {
    return ByteBuffer.wrap(info.slice(need(offset, length), length).toArray())
        .order(ByteOrder.nativeOrder());
  }

  private int need(int offset, int length) {
    if (offset + length > info.length()) {
      throw new MalformedMessageException(
          "the xtables extension "
              + name
              + " has "
              + info.length()
              + " bytes of parameters, which"
              + " end before "
              + (offset + length));
    }
    return offset;
  }

  /** union nf_inet_addr: 16 bytes, of which IPv4 takes the first four. */
  private IpAddress address(int offset, Family of) {
    return IpAddress.fromBytes(info.slice(need(offset, 16), of.bytes()).toArray());
  }

  // ---- matches

  /** Whether a match holds for the packet. */
  boolean matches(Packet packet, Host host, Choices choices) {
    return switch (name) {
      case "comment", "tcpudp" -> true;
      case "tcp" -> packet.protocol == Protocol.TCP && tcp(packet, choices);
      case "udp" -> packet.protocol == Protocol.UDP && ports(packet, choices, 8);
      case "conntrack" -> revision == 0 ? unknown(choices) : conntrack(packet, choices);
      case "state" -> (u32(0) & stateBit(packet)) != 0;
      case "addrtype" -> addressType(packet, host);
      case "multiport" -> multiport(packet, choices);
      case "mark" -> revision == 1 ? mark(packet.mark) : unknown(choices);
      case "connmark" -> revision == 1 ? mark(packet.connectionMark) : unknown(choices);
      case "iprange" -> revision == 1 ? range(packet) : unknown(choices);
      // PACKET_HOST
      case "pkttype" -> (u32(0) == 0) == (u32(4) == 0);
      case "icmp",
          "icmp6",
          "esp",
          "ah",
          "frag",
          "rt",
          "eui64",
          "hbh",
          "dst",
          "mh",
          "dccp",
          "udplite",
          "srh" ->
          false;
      case "sctp" -> packet.protocol == Protocol.SCTP && unknown(choices);
      case "limit" -> choices.holds(true, "the rate of \"" + text() + "\"");
      default -> unknown(choices);
    };
  }

  private boolean unknown(Choices choices) {
    return choices.holds(false, "whether \"" + text() + "\" matches");
  }

  private boolean tcp(Packet packet, Choices choices) {
    int option = u8(8);
    int mask = u8(9);
    int flags = u8(10);
    int inverted = u8(11);
    boolean flagsMatch = (TCP_SYN & mask) == flags;
    if (flagsMatch == ((inverted & 4) != 0)) {
      return false;
    }
    return ports(packet, choices, 11) && (option == 0 || unknown(choices));
  }

  /** Two ports of the source, two of the destination, and what is inverted. */
  private boolean ports(Packet packet, Choices choices, int invertedOffset) {
    int inverted = u8(invertedOffset);
    return portIn(packet.source.port(), u16(0), u16(2), choices) != ((inverted & 1) != 0)
        && portIn(packet.destination.port(), u16(4), u16(6), choices) != ((inverted & 2) != 0);
  }

  private boolean portIn(OptionalInt port, int first, int last, Choices choices) {
    if (port.isPresent() || (first == 0 && last == PORT_MAX)) {
      return first <= port.orElse(0) && port.orElse(0) <= last;
    }
    return choices.holds(false, "the source port for \"" + text() + "\"");
  }

  private int stateBit(Packet packet) {
    return switch (packet.tracking) {
      case NEW -> STATE_NEW;
      case UNTRACKED -> STATE_UNTRACKED;
      case BEFORE -> STATE_INVALID;
    };
  }

  private int conntrackStates() {
    return revision == 1 ? u8(CONNTRACK_FLAGS_OFFSET + 4) : u16(CONNTRACK_FLAGS_OFFSET + 4);
  }

  private int conntrackStatus() {
    return revision == 1 ? u8(CONNTRACK_FLAGS_OFFSET + 5) : u16(CONNTRACK_FLAGS_OFFSET + 6);
  }

  private boolean conntrack(Packet packet, Choices choices) {
    int asked = u16(CONNTRACK_FLAGS_OFFSET);
    int inverted = u16(CONNTRACK_FLAGS_OFFSET + 2);
    if ((asked & XT_CONNTRACK_STATE) != 0) {
      int bits = stateBit(packet);
      if (packet.tracking == Tracking.NEW) {
        bits |= packet.sourceTranslated() ? STATE_SNAT : 0;
        bits |= packet.destinationTranslated() ? STATE_DNAT : 0;
      }
      if ((conntrackStates() & bits) != 0 == ((inverted & XT_CONNTRACK_STATE) != 0)) {
        return false;
      }
    }
    int rest = asked & ~XT_CONNTRACK_STATE;
    if (rest == 0 || packet.tracking != Tracking.NEW) {
      return rest == 0;
    }
    return conntrackTuples(packet, rest, inverted)
        && ((rest & XT_CONNTRACK_EXPIRES) == 0 || unknown(choices));
  }

  private boolean conntrackTuples(Packet packet, int asked, int inverted) {
    // The first packet goes in the original direction, which "inverted" negates.
    if ((asked & XT_CONNTRACK_DIRECTION) != 0 && (inverted & XT_CONNTRACK_DIRECTION) != 0) {
      return false;
    }
    if (differs(asked, inverted, XT_CONNTRACK_STATUS, (conntrackStatus() & packet.status()) != 0)
        || differs(asked, inverted, XT_CONNTRACK_PROTO, u16(136) == packet.protocol.number())) {
      return false;
    }
    Packet.End[] ends = {
      packet.originalEnd(true),
      packet.originalEnd(false),
      packet.replyEnd(true),
      packet.replyEnd(false)
    };
    int[] addressFlags = {
      XT_CONNTRACK_ORIGSRC, XT_CONNTRACK_ORIGDST, XT_CONNTRACK_REPLSRC, XT_CONNTRACK_REPLDST
    };
    int[] portFlags = {
      XT_CONNTRACK_ORIGSRC_PORT,
      XT_CONNTRACK_ORIGDST_PORT,
      XT_CONNTRACK_REPLSRC_PORT,
      XT_CONNTRACK_REPLDST_PORT
    };
    for (int i = 0; i < ends.length; i++) {
      if ((asked & addressFlags[i]) != 0
          && differs(asked, inverted, addressFlags[i], inBlock(32 * i, ends[i].address()))) {
        return false;
      }
      if ((asked & portFlags[i]) != 0) {
        int low = u16(CONNTRACK_PORTS_OFFSET + 2 * i);
        int high = revision >= 3 ? u16(CONNTRACK_HIGH_PORTS_OFFSET + 2 * i) : low;
        int port = ends[i].port().orElse(0);
        // Before revision 3 ports are in network byte order.
        boolean inside =
            revision >= 3
                ? low <= port && port <= high
                : u16be(CONNTRACK_PORTS_OFFSET + 2 * i) == port;
        if (differs(asked, inverted, portFlags[i], inside)) {
          return false;
        }
      }
    }
    return true;
  }

  private static boolean differs(int asked, int inverted, int flag, boolean holds) {
    return (asked & flag) != 0 && holds == ((inverted & flag) != 0);
  }

  /** An address and a mask behind it. */
  private boolean inBlock(int offset, IpAddress candidate) {
    byte[] wanted = address(offset, candidate.family()).toBytes();
    byte[] mask = address(offset + 16, candidate.family()).toBytes();
    byte[] bytes = candidate.toBytes();
    for (int i = 0; i < bytes.length; i++) {
      if (((bytes[i] ^ wanted[i]) & mask[i]) != 0) {
        return false;
      }
    }
    return true;
  }

  private boolean addressType(Packet packet, Host host) {
    int source = u16(0);
    int destination = u16(2);
    int flags = u32(4);
    boolean sourceInverted = (flags & XT_ADDRTYPE_INVERT_SOURCE) != 0;
    boolean destinationInverted =
        revision == 0 ? u32(8) != 0 : (flags & XT_ADDRTYPE_INVERT_DEST) != 0;
    Optional<Packet.Interface> on =
        revision == 0
            ? Optional.empty()
            : (flags & XT_ADDRTYPE_LIMIT_IFACE_IN) != 0
                ? packet.in
                : (flags & XT_ADDRTYPE_LIMIT_IFACE_OUT) != 0 ? packet.out : Optional.empty();
    return typeIn(source, packet.source.address(), host, on) != (source != 0 && sourceInverted)
        && typeIn(destination, packet.destination.address(), host, on)
            != (destination != 0 && destinationInverted);
  }

  private static boolean typeIn(
      int types, IpAddress address, Host host, Optional<Packet.Interface> on) {
    return types == 0 || (types & (1 << NftChain.addressType(host, address, on))) != 0;
  }

  private boolean multiport(Packet packet, Choices choices) {
    int which = u8(0);
    int count = u8(1);
    boolean inverted = u8(47) != 0;
    boolean found = false;
    for (int i = 0; i < count; i++) {
      int first = u16(2 + 2 * i);
      boolean isRange = u8(32 + i) != 0;
      int last = isRange ? u16(2 + 2 * (i + 1)) : first;
      boolean destination = which != 0 && portIn(packet.destination.port(), first, last, choices);
      boolean source = which != 1 && portIn(packet.source.port(), first, last, choices);
      found |= destination || source;
      i += isRange ? 1 : 0;
    }
    return found != inverted;
  }

  private boolean mark(int value) {
    return ((value & u32(4)) == u32(0)) != (u8(8) != 0);
  }

  private boolean range(Packet packet) {
    int flags = u8(64);
    boolean source =
        (flags & 1) == 0 || between(packet.source.address(), 0) != ((flags & 0x10) != 0);
    boolean destination =
        (flags & 2) == 0 || between(packet.destination.address(), 32) != ((flags & 0x20) != 0);
    return source && destination;
  }

  private boolean between(IpAddress candidate, int offset) {
    return address(offset, candidate.family()).compareTo(candidate) <= 0
        && candidate.compareTo(address(offset + 16, candidate.family())) <= 0;
  }

  // ---- targets

  /** What a target does to the packet. */
  Effect apply(Packet packet, Host host, Choices choices, int hook) {
    return switch (name) {
      case "DNAT", "SNAT" -> Effect.of(translation(packet, name.equals("SNAT")));
      case "NETMAP" ->
          Effect.of(translation(packet, hook == NF_INET_POST_ROUTING || hook == NF_INET_LOCAL_IN));
      case "MASQUERADE" ->
          NftChain.masquerade(packet, host, port()).map(Effect::of).orElseGet(() -> lacking(name));
      case "REDIRECT" ->
          NftChain.redirect(packet, host, port()).map(Effect::of).orElseGet(() -> lacking(name));
      case "REJECT" -> new Effect(Kind.REJECTED, "refused: " + rejectedWith(), null);
      case "NFQUEUE" ->
          choices.holds(true, "what the program says that \"" + text() + "\" asks")
              ? new Effect(Kind.ACCEPTED, "", null)
              : new Effect(Kind.DROPPED, "handed to a program, which drops it", null);
      case "MARK" -> {
        packet.mark = revision == 2 ? (packet.mark & ~u32(4)) ^ u32(0) : packet.mark;
        yield Effect.CONTINUES;
      }
      case "CT", "NOTRACK" -> {
        boolean untracked = name.equals("NOTRACK") || (u16(0) & 1) != 0;
        if (untracked && packet.tracking == Tracking.BEFORE) {
          packet.tracking = Tracking.UNTRACKED;
        }
        yield Effect.CONTINUES;
      }
      case "TARPIT", "DELUDE", "SYNPROXY" ->
          new Effect(Kind.REJECTED, "answered by the target " + name, null);
      default -> Effect.CONTINUES;
    };
  }

  private static Effect lacking(String target) {
    return new Effect(
        Kind.DROPPED, "dropped, since the interface has no address for " + target, null);
  }

  /**
   * Where a translation keeps its range: behind a number of ranges in struct
   * nf_nat_ipv4_multi_range_compat, which has addresses of 4 bytes, or alone in struct
   * nf_nat_range.
   */
  private boolean isOldRange() {
    boolean masquerade =
        name.equals("MASQUERADE") || name.equals("REDIRECT") || name.equals("NETMAP");
    return family == Family.IPV4 && (revision == 0 || masquerade);
  }

  private int flags() {
    return u32(isOldRange() ? 4 : 0);
  }

  private OptionalInt port() {
    if ((flags() & NF_NAT_RANGE_PROTO_SPECIFIED) == 0) {
      return OptionalInt.empty();
    }
    return OptionalInt.of(u16be(isOldRange() ? 16 : 36));
  }

  private Optional<IpAddress> rangeAddress(boolean last) {
    if ((flags() & NF_NAT_RANGE_MAP_IPS) == 0) {
      return Optional.empty();
    }
    if (isOldRange()) {
      return Optional.of(IpAddress.fromBytes(info.slice(need(last ? 12 : 8, 4), 4).toArray()));
    }
    return Optional.of(address(last ? 20 : 4, family));
  }

  private Translation translation(Packet packet, boolean ofSource) {
    Optional<IpAddress> to = rangeAddress(false);
    if (to.isPresent() && (name.equals("NETMAP") || (flags() & NF_NAT_RANGE_NETMAP) != 0)) {
      IpAddress old = (ofSource ? packet.source : packet.destination).address();
      to = Optional.of(NftChain.mapped(old, to.get(), rangeAddress(true).orElse(to.get())));
    }
    return new Translation(ofSource, to, port());
  }

  private String rejectedWith() {
    if (family == Family.IPV6) {
      return u32(0) == 6 ? "tcp-reset" : "an ICMPv6 error";
    }
    // enum ipt_reject_with
    List<String> names =
        List.of(
            "icmp-net-unreachable",
            "icmp-host-unreachable",
            "icmp-proto-unreachable",
            "icmp-port-unreachable",
            "icmp-echo-reply",
            "icmp-net-prohibited",
            "icmp-host-prohibited",
            "tcp-reset",
            "icmp-admin-prohibited");
    int with = u32(0);
    return with >= 0 && with < names.size() ? names.get(with) : "an ICMP error";
  }

  // ---- words

  /** As on iptables' command line. */
  String text() {
    try {
      return isTarget ? "-j " + name + targetText() : "-m " + name + matchText();
    } catch (MalformedMessageException e) {
      return (isTarget ? "-j " : "-m ") + name;
    }
  }

  private String matchText() {
    return switch (name) {
      case "conntrack" -> revision == 0 ? "" : conntrackText();
      case "state" -> " --state " + states(u32(0));
      case "comment" -> " --comment \"" + firstLine() + "\"";
      case "tcp", "udp" -> portsText(name.equals("tcp") ? 11 : 8);
      case "addrtype" ->
          (u16(0) == 0 ? "" : " --src-type " + types(u16(0)))
              + (u16(2) == 0 ? "" : " --dst-type " + types(u16(2)));
      case "multiport" -> multiportText();
      case "mark", "connmark" ->
          (u8(8) != 0 ? " ! --mark 0x" : " --mark 0x") + Integer.toHexString(u32(0));
      default -> "";
    };
  }

  private String firstLine() {
    String text = info.toText();
    int end = text.indexOf(0);
    StringBuilder line = new StringBuilder();
    (end < 0 ? text : text.substring(0, end))
        .codePoints()
        .map(c -> Character.isISOControl(c) ? '?' : c)
        .forEach(line::appendCodePoint);
    return line.toString();
  }

  private String conntrackText() {
    int asked = u16(CONNTRACK_FLAGS_OFFSET);
    if ((asked & XT_CONNTRACK_STATE) == 0) {
      return "";
    }
    boolean inverted = (u16(CONNTRACK_FLAGS_OFFSET + 2) & XT_CONNTRACK_STATE) != 0;
    return (inverted ? " ! --ctstate " : " --ctstate ") + states(conntrackStates());
  }

  private static String states(int bits) {
    StringJoiner names = new StringJoiner(",");
    for (Map.Entry<Integer, String> state : STATES) {
      if ((bits & state.getKey()) != 0) {
        names.add(state.getValue());
      }
    }
    return names.toString();
  }

  private static String types(int bits) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < ADDRESS_TYPES.size(); i++) {
      if ((bits & (1 << i)) != 0) {
        names.add(ADDRESS_TYPES.get(i));
      }
    }
    return String.join(",", names);
  }

  private String portsText(int invertedOffset) {
    int inverted = u8(invertedOffset);
    StringBuilder text = new StringBuilder();
    if (u16(0) != 0 || u16(2) != PORT_MAX) {
      text.append((inverted & 1) != 0 ? " !" : "").append(" --sport ").append(rangeText(0));
    }
    if (u16(4) != 0 || u16(6) != PORT_MAX) {
      text.append((inverted & 2) != 0 ? " !" : "").append(" --dport ").append(rangeText(4));
    }
    if (name.equals("tcp") && u8(9) != 0) {
      text.append(" --tcp-flags 0x%02x 0x%02x".formatted(u8(9), u8(10)));
    }
    return text.toString();
  }

  private String rangeText(int offset) {
    return u16(offset) == u16(offset + 2)
        ? String.valueOf(u16(offset))
        : u16(offset) + ":" + u16(offset + 2);
  }

  private String multiportText() {
    StringJoiner ports = new StringJoiner(",");
    for (int i = 0; i < u8(1); i++) {
      boolean isRange = u8(32 + i) != 0;
      ports.add(isRange ? u16(2 + 2 * i) + ":" + u16(4 + 2 * i) : String.valueOf(u16(2 + 2 * i)));
      i += isRange ? 1 : 0;
    }
    String which = u8(0) == 0 ? " --sports " : u8(0) == 1 ? " --dports " : " --ports ";
    return (u8(47) != 0 ? " !" : "") + which + ports;
  }

  private String targetText() {
    return switch (name) {
      case "DNAT", "SNAT" -> {
        String to = rangeAddress(false).map(IpAddress::toString).orElse("");
        String port = port().isPresent() ? ":" + port().getAsInt() : "";
        yield (name.equals("DNAT") ? " --to-destination " : " --to-source ") + to + port;
      }
      case "REJECT" -> " --reject-with " + rejectedWith();
      case "REDIRECT" -> port().isPresent() ? " --to-ports " + port().getAsInt() : "";
      default -> "";
    };
  }
}
