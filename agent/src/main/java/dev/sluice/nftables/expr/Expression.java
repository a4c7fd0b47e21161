package dev.sluice.nftables.expr;

import dev.sluice.netlink.MessageWriter;

/**
 * One expression of a rule, or of a set element. Implementations are records, one per expression of
 * the kernel.
 */
public interface Expression {
  /** NFTA_EXPR_NAME, for instance {@code "meta"}. */
  String name();

  /** Writes the attributes that go inside NFTA_EXPR_DATA, in the order nft writes them. */
  void encode(MessageWriter out);

  /** False for an expression that nft sends without NFTA_EXPR_DATA, not even an empty one. */
  default boolean hasData() {
    return true;
  }
}
