package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_HOOK;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_POLICY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HOOK_HOOKNUM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HOOK_PRIORITY;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.uapi.LinuxNfTables;
import java.util.Optional;

/**
 * A chain: a base chain, which the kernel calls at a hook, or one that only rules jump to.
 *
 * @param table the table it belongs to
 * @param name up to 255 bytes
 * @param hook where a base chain is called
 * @param handle given by the kernel; 0 before
 */
public record Chain(TableId table, String name, Optional<Hook> hook, long handle) {
  /**
   * Where a base chain is called.
   *
   * @param type "filter", "nat" or "route"
   * @param number NF_INET_PRE_ROUTING, …
   * @param priority lower runs earlier; conntrack looks a packet up at −200, DNAT is done at −100,
   *     SNAT at 100
   * @param policy NF_ACCEPT or NF_DROP: what happens to a packet no rule decided about
   */
  public record Hook(String type, int number, int priority, int policy) {
    public static Hook filter(int number, int priority) {
      return new Hook("filter", number, priority, LinuxNfTables.NF_ACCEPT);
    }

    public static Hook nat(int number, int priority) {
      return new Hook("nat", number, priority, LinuxNfTables.NF_ACCEPT);
    }
  }

  public static Chain base(TableId table, String name, Hook hook) {
    return new Chain(table, name, Optional.of(hook), 0);
  }

  public static Chain regular(TableId table, String name) {
    return new Chain(table, name, Optional.empty(), 0);
  }

  void encode(MessageWriter out) {
    out.attrString(NFTA_CHAIN_TABLE, table.name()).attrString(NFTA_CHAIN_NAME, name);
    if (hook.isPresent()) {
      Hook base = hook.get();
      out.attrString(NFTA_CHAIN_TYPE, base.type()).attrU32be(NFTA_CHAIN_POLICY, base.policy());
      out.beginNest(NFTA_CHAIN_HOOK)
          .attrU32be(NFTA_HOOK_HOOKNUM, base.number())
          .attrU32be(NFTA_HOOK_PRIORITY, base.priority())
          .endNest();
    }
  }

  static Chain decode(int family, AttributeCursor in) {
    String table = "";
    String name = "";
    String type = "filter";
    int policy = LinuxNfTables.NF_ACCEPT;
    long handle = 0;
    boolean based = false;
    int number = 0;
    int priority = 0;
    while (in.next()) {
      switch (in.type()) {
        case NFTA_CHAIN_TABLE -> table = in.string();
        case NFTA_CHAIN_NAME -> name = in.string();
        case NFTA_CHAIN_TYPE -> type = in.string();
        case NFTA_CHAIN_POLICY -> policy = in.u32be();
        case NFTA_CHAIN_HANDLE -> handle = in.u64be();
        case NFTA_CHAIN_HOOK -> {
          based = true;
          AttributeCursor hook = in.nested();
          while (hook.next()) {
            switch (hook.type()) {
              case NFTA_HOOK_HOOKNUM -> number = hook.u32be();
              case NFTA_HOOK_PRIORITY -> priority = hook.u32be();
              default -> {}
            }
          }
        }
        default -> {}
      }
    }
    Optional<Hook> hook =
        based ? Optional.of(new Hook(type, number, priority, policy)) : Optional.empty();
    return new Chain(new TableId(family, table), name, hook, handle);
  }
}
