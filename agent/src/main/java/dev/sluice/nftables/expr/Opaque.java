package dev.sluice.nftables.expr;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.MessageWriter;

/**
 * An expression this library does not know, kept as the kernel sent it, so that a rule can be read
 * and written again without loss.
 *
 * @param name NFTA_EXPR_NAME
 * @param rawAttributes the content of NFTA_EXPR_DATA, flags and padding included; empty if there
 *     was none
 */
public record Opaque(String name, Bytes rawAttributes) implements Expression {
  @Override
  public void encode(MessageWriter out) {
    byte[] raw = rawAttributes.padTo(Register.padded(rawAttributes.length())).toArray();
    for (byte b : raw) {
      out.u8(b);
    }
  }

  @Override
  public boolean hasData() {
    return rawAttributes.length() > 0;
  }

  @Override
  public String toString() {
    return hasData() ? name + " " + rawAttributes : name;
  }
}
