package dev.sluice.ruleset;

import dev.sluice.ffi.Errno;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.RuleBuilder;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Synproxy;
import java.util.function.BiConsumer;

/**
 * Whether the kernel has {@code synproxy} (CONFIG_NFT_SYNPROXY, Linux 5.3), found out by trying
 * when somebody asks for it first: a request with it is then refused by itself, before it is part
 * of a transaction that others depend on.
 */
final class SynProxySupport {
  private static final TableId TRIAL = TableId.inet("sluice_trial");

  private final BiConsumer<Batch, String> commit;
  private boolean isThere;

  /**
   * @param commit carries out a transaction, which the text behind "cannot" names
   */
  SynProxySupport(BiConsumer<Batch, String> commit) {
    this.commit = commit;
  }

  /**
   * Returns if a SYN proxy is possible.
   *
   * @throws UnsupportedByKernelException if the kernel has none
   * @throws NetlinkException if it cannot be tried
   */
  void require() {
    if (isThere) {
      return;
    }
    String chain = "trial";
    // A table that is deleted by the transaction that creates it: no packet sees it.
    Batch trial =
        new Batch()
            .create(Table.of(TRIAL))
            .add(Chain.regular(TRIAL, chain))
            .add(RuleBuilder.in(TRIAL, chain).with(new Synproxy(0, 0, 0)).build())
            .delete(TRIAL);
    try {
      commit.accept(trial, "try a SYN proxy");
    } catch (NetlinkException e) {
      if (e.errno() == Errno.ENOENT) {
        throw new UnsupportedByKernelException(
            "this kernel has no SYN proxy: load the module nft_synproxy, or publish without", e);
      }
      throw e;
    }
    isThere = true;
  }
}
