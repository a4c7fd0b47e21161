package dev.sluice.ruleset;

import static dev.sluice.nftables.uapi.LinuxNfTables.NF_DROP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_FORWARD;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_IN;

import dev.sluice.ffi.Errno;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.Chain.Hook;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Reject;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The operator's own table, {@code inet sluice-user}: two empty chains that packets pass before
 * ours, for rules of the operator's. Our own table has an owner and lets nobody write to it.
 *
 * <p>It is made if it is absent when an agent starts, and not touched after that, whatever becomes
 * of it: what stands in it is the operator's. A drop there is final; an accept only ends that
 * chain, and the packet goes on to ours.
 */
public final class OperatorChains {
  public static final TableId ID = TableId.inet("sluice-user");

  /** Before our filters, which stand at 0, and behind the translation of destinations. */
  private static final int PRIORITY = -10;

  private OperatorChains() {}

  /**
   * What is in one chain.
   *
   * @param name of the chain
   * @param rules in it
   * @param refusing those of them that drop or reject
   * @param counted the packets that counters of refusing rules have counted; empty if none of them
   *     has a counter
   */
  public record Figures(String name, int rules, int refusing, Optional<Long> counted) {}

  /**
   * Makes the table, in one transaction, if there is none of its name.
   *
   * @return whether it was made
   * @throws NetlinkException if the kernel refuses
   */
  public static boolean createIfAbsent(Nftables nftables) {
    if (nftables.table(ID).isPresent()) {
      return false;
    }
    Batch batch =
        new Batch()
            .create(Table.of(ID))
            .add(Chain.base(ID, "forward", Hook.filter(NF_INET_FORWARD, PRIORITY)))
            .add(Chain.base(ID, "input", Hook.filter(NF_INET_LOCAL_IN, PRIORITY)));
    try {
      nftables.commit(batch, "create the table " + ID);
      return true;
    } catch (NetlinkException e) {
      if (e.errno() == Errno.EEXIST) {
        // Made by somebody else in this moment, and so not ours to touch.
        return false;
      }
      throw e;
    }
  }

  /** What is in its chains, in the order in which they were made; empty if there is no table. */
  public static Optional<List<Figures>> read(Nftables nftables) {
    return nftables.consistently(
        "read the table " + ID,
        () -> {
          if (nftables.table(ID).isEmpty()) {
            return Optional.empty();
          }
          List<Rule> rules = nftables.rules(ID);
          List<Figures> figures = new ArrayList<>();
          for (Chain chain : nftables.chains(ID)) {
            figures.add(
                figures(
                    chain.name(),
                    rules.stream().filter(rule -> rule.chain().equals(chain.name())).toList()));
          }
          return Optional.of(List.copyOf(figures));
        });
  }

  private static Figures figures(String chain, List<Rule> rules) {
    int refusing = 0;
    boolean counting = false;
    long packets = 0;
    for (Rule rule : rules) {
      if (rule.expressions().stream().noneMatch(OperatorChains::refuses)) {
        continue;
      }
      refusing++;
      for (Expression expression : rule.expressions()) {
        if (expression instanceof Counter counter) {
          counting = true;
          packets += counter.packets();
        }
      }
    }
    return new Figures(
        chain, rules.size(), refusing, counting ? Optional.of(packets) : Optional.empty());
  }

  private static boolean refuses(Expression expression) {
    return expression instanceof Reject
        || (expression instanceof Immediate immediate
            && immediate.data() instanceof Data.OfVerdict verdict
            && verdict.verdict().code() == NF_DROP);
  }
}
