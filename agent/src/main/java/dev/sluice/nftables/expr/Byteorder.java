package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_SIZE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_BYTEORDER_HTON;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_BYTEORDER_NTOH;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Turns numbers from host to network byte order or back ({@code enum nft_byteorder_attributes}).
 *
 * @param sreg what is turned
 * @param dreg where the result goes
 * @param op NFT_BYTEORDER_NTOH or NFT_BYTEORDER_HTON ({@code enum nft_byteorder_ops})
 * @param length bytes altogether
 * @param size bytes of each number: 2, 4 or 8
 */
public record Byteorder(int sreg, int dreg, int op, int length, int size) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "byteorder";

  /** One number from host to network byte order, in place. */
  public static Byteorder toNetwork(int register, int size) {
    return new Byteorder(register, register, NFT_BYTEORDER_HTON, size, size);
  }

  /** One number from network to host byte order, in place. */
  public static Byteorder toHost(int register, int size) {
    return new Byteorder(register, register, NFT_BYTEORDER_NTOH, size, size);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_BYTEORDER_SREG, sreg);
    out.attrU32be(NFTA_BYTEORDER_DREG, dreg);
    out.attrU32be(NFTA_BYTEORDER_OP, op);
    out.attrU32be(NFTA_BYTEORDER_LEN, length);
    out.attrU32be(NFTA_BYTEORDER_SIZE, size);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Byteorder decode(AttributeCursor inside) {
    int sreg = ABSENT;
    int dreg = ABSENT;
    int op = ABSENT;
    int length = ABSENT;
    int size = ABSENT;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_BYTEORDER_SREG -> sreg = inside.u32be();
        case NFTA_BYTEORDER_DREG -> dreg = inside.u32be();
        case NFTA_BYTEORDER_OP -> op = inside.u32be();
        case NFTA_BYTEORDER_LEN -> length = inside.u32be();
        case NFTA_BYTEORDER_SIZE -> size = inside.u32be();
        default -> {}
      }
    }
    return new Byteorder(
        present(sreg, "NFTA_BYTEORDER_SREG"),
        present(dreg, "NFTA_BYTEORDER_DREG"),
        present(op, "NFTA_BYTEORDER_OP"),
        present(length, "NFTA_BYTEORDER_LEN"),
        present(size, "NFTA_BYTEORDER_SIZE"));
  }

  @Override
  public String toString() {
    return "byteorder reg %d = %s(reg %d, %d, %d)"
        .formatted(dreg, Text.name(List.of("ntoh", "hton"), op), sreg, size, length);
  }
}
