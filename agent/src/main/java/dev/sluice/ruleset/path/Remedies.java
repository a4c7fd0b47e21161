package dev.sluice.ruleset.path;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFPROTO_IPV4;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFPROTO_IPV6;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_FORWARD;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_IN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_OUT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_POST_ROUTING;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_PRE_ROUTING;

import dev.sluice.net.Family;
import dev.sluice.nftables.TableId;
import dev.sluice.ruleset.OperatorChains;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.ruleset.path.Packet.End;
import dev.sluice.ruleset.path.Walk.Culprit;
import dev.sluice.ruleset.path.Walk.Ending;
import java.util.List;
import java.util.Optional;

/** What to do so that a packet is not ended by a chain: a command, wherever there is one. */
final class Remedies {
  private static final List<String> LEGACY_TABLES =
      List.of("filter", "nat", "mangle", "raw", "security");

  private final Firewall firewall;

  Remedies(Firewall firewall) {
    this.firewall = firewall;
  }

  /**
   * What to do about a chain of somebody else's.
   *
   * @param packet as it was when it was sent
   * @param ending where its way ended
   */
  String against(Culprit culprit, Packet packet, Ending ending) {
    TableId table = culprit.table();
    if (table == null) {
      return iptables(culprit, packet, ending, "-legacy", culprit.legacyTable(), usesUfw(culprit));
    }
    if (table.equals(OperatorChains.ID)) {
      return "it is a rule of your own: "
          + (culprit.result().handle() == 0
              ? "give the chain the policy accept"
              : "nft delete rule "
                  + table
                  + " "
                  + culprit.result().chain()
                  + " handle "
                  + culprit.result().handle());
    }
    if (table.name().equals("firewalld")) {
      return firewalld(culprit, packet, ending);
    }
    boolean ofIptables =
        (table.family() == NFPROTO_IPV4 || table.family() == NFPROTO_IPV6)
            && LEGACY_TABLES.contains(table.name())
            && LegacyChain.HOOK_NAMES.contains(culprit.base());
    if (ofIptables) {
      return iptables(culprit, packet, ending, "", table.name(), usesUfw(culprit));
    }
    return "nft insert rule "
        + table
        + " "
        + culprit.base()
        + " "
        + nftMatch(culprit, packet, ending)
        + " accept";
  }

  private boolean usesUfw(Culprit culprit) {
    TableId table = culprit.table();
    return culprit.result().chain().startsWith("ufw")
        || (table == null
            ? firewall.legacy(Family.IPV4).stream()
                .anyMatch(
                    one ->
                        one.name().equals(culprit.legacyTable())
                            && one.entries().values().stream()
                                .anyMatch(entry -> one.chainAt(entry.next()).startsWith("ufw-")))
            : firewall.chains(table).stream().anyMatch(chain -> chain.startsWith("ufw-")));
  }

  /** iptables, whichever it is. */
  private static String iptables(
      Culprit culprit, Packet packet, Ending ending, String variant, String table, boolean ufw) {
    if (ufw && culprit.hook() == NF_INET_FORWARD) {
      End to = ending.at();
      return "ufw route allow proto "
          + packet.protocol
          + " from any to "
          + to.address()
          + (to.port().isPresent() ? " port " + to.port().getAsInt() : "");
    }
    if (ufw && culprit.hook() == NF_INET_LOCAL_IN && ending.at().port().isPresent()) {
      return "ufw allow " + ending.at().port().getAsInt() + "/" + packet.protocol;
    }
    String command = (packet.family() == Family.IPV6 ? "ip6tables" : "iptables") + variant;
    return command
        + (table.equals("filter") ? "" : " -t " + table)
        + " -I "
        + culprit.base()
        + " "
        + iptablesMatch(culprit, packet, ending)
        + " -j ACCEPT";
  }

  private static String iptablesMatch(Culprit culprit, Packet packet, Ending ending) {
    if (isPublished(culprit)) {
      return "-m conntrack --ctstate DNAT";
    }
    return switch (culprit.hook()) {
      case NF_INET_FORWARD -> "-s " + packet.source.address() + " -d " + ending.at().address();
      default ->
          "-p "
              + packet.protocol
              + (ending.at().port().isPresent() ? " --dport " + ending.at().port().getAsInt() : "");
    };
  }

  private static String nftMatch(Culprit culprit, Packet packet, Ending ending) {
    if (isPublished(culprit)) {
      return "ct status dnat";
    }
    String family = packet.family() == Family.IPV4 ? "ip" : "ip6";
    return switch (culprit.hook()) {
      case NF_INET_FORWARD ->
          family
              + " saddr "
              + packet.source.address()
              + " "
              + family
              + " daddr "
              + ending.at().address();
      default ->
          packet.protocol
              + (ending.at().port().isPresent() ? " dport " + ending.at().port().getAsInt() : "");
    };
  }

  /** Whether it is known there that the packet goes to a published port. */
  private static boolean isPublished(Culprit culprit) {
    return culprit.translated()
        && (culprit.hook() == NF_INET_FORWARD
            || culprit.hook() == NF_INET_POST_ROUTING
            || culprit.hook() == NF_INET_LOCAL_OUT
            || culprit.hook() == NF_INET_PRE_ROUTING);
  }

  private static String firewalld(Culprit culprit, Packet packet, Ending ending) {
    Optional<String> out = ending.out().map(Packet.Interface::name);
    if (culprit.hook() == NF_INET_FORWARD) {
      return "StrictForwardPorts=no in /etc/firewalld/firewalld.conf and firewall-cmd --reload, where"
          + " firewalld has it; otherwise put the bridge into a zone of its own and let a policy"
          + " lead there: firewall-cmd --permanent --new-zone=sluice; firewall-cmd --permanent"
          + " --zone=sluice --add-interface="
          + out.orElse("BRIDGE")
          + "; firewall-cmd --permanent --new-policy=sluice-in; firewall-cmd --permanent"
          + " --policy=sluice-in --add-ingress-zone=ANY; firewall-cmd --permanent"
          + " --policy=sluice-in --add-egress-zone=sluice; firewall-cmd --permanent"
          + " --policy=sluice-in --set-target=ACCEPT; firewall-cmd --reload";
    }
    return "firewall-cmd --permanent --add-port="
        + (ending.at().port().isPresent() ? ending.at().port().getAsInt() + "/" : "")
        + packet.protocol
        + "; firewall-cmd --reload";
  }

  /** Whether the chain is one of our own table. */
  static boolean isOurs(Culprit culprit) {
    return SluiceTable.ID.equals(culprit.table());
  }
}
