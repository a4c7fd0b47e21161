package dev.sluice.nftables.expr;

import dev.sluice.netlink.MessageWriter;

/**
 * Keeps connection tracking away from the packet; only before it has seen it (priority below -200).
 */
public record Notrack() implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "notrack";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    // It has no attributes.
  }

  @Override
  public boolean hasData() {
    return false;
  }

  @Override
  public String toString() {
    return NAME;
  }
}
